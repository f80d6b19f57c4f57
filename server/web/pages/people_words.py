"""What is done to many people at once, in words: before it is done, and after."""

from server.words import stage_word

_DONE = {
    "tag": "got the tags",
    "untag": "lost the tags",
    "owner": "have another owner",
    "leave": "are not to be contacted",
    "contact": "may be contacted",
}


def done_words(did: str, to: str) -> str:
    """What follows a count of people: `moved to SQL`."""
    if did == "stage" and to:
        return f"moved to {stage_word(to)}"
    return _DONE.get(did, "changed")


def asked_words(do: str, value: str, stage: str, count: int) -> str:
    """What is asked before it is done: `Move 14 people to SQL?`"""
    people = "1 person" if count == 1 else f"{count:,} people"
    return {
        "tag": f"Give {people} the tags “{value}”?",
        "untag": f"Take the tags “{value}” from {people}?",
        "owner": f"Give {people} to {value}?" if value else f"Leave {people} without an owner?",
        "stage": f"Move {people} to {stage_word(stage)}?",
        "leave": f"Mark {people} as not to be contacted?",
        "contact": f"Mark {people} as free to be contacted?",
    }[do]
