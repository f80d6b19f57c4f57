"""How a destination is doing and what it was told, in the words of its pages."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from server.model import Kind, Site
from server.reports.names import names
from server.storage import entries
from server.storage.database import Reader
from server.storage.deliveries import Delivery
from server.tell.wants import Consequence, read_consequence
from server.web.destination_bodies import WantsBody
from server.words import stage_word

KIND_WORDS = {
    "crossed": "a threshold is reached",
    "stage_moved": "a stage goes up by itself",
    "rearmed": "a score falls so far that a threshold can be reached again",
    "retracted": "what was told turns out wrong",
}


class Health(NamedTuple):
    """`state` is working, failing, disabled or new; `since` is ms, 0 where it means nothing."""

    state: str
    since: int = 0
    words: str = ""


class Told(NamedTuple):
    """What one delivery is about; `person` is an id such as p57, empty where nobody is left."""

    person: str
    name: str
    what: str


def health(newest: Sequence[Delivery], *, enabled: bool, reason: str = "") -> Health:
    """How it is doing, by its newest deliveries: failing since the first attempt that failed after
    the last one that worked."""
    if not enabled:
        return Health("disabled", 0, reason)
    worked = [one.tries[-1].at for one in newest if one.state == "delivered" and one.tries]
    last = max(worked, default=0)
    failed = [
        (attempt.at, one.words)
        for one in newest
        for attempt in (one.tries[:-1] if one.state == "delivered" else one.tries)
        if attempt.at > last
    ]
    if failed:
        return Health("failing", min(failed)[0], max(failed)[1])
    return Health("working", last) if last else Health("new")


def wants_words(wants: WantsBody) -> str:
    """What is told, as a sentence."""
    parts = []
    if "crossed" in wants.kinds:
        which = "every threshold that notifies"
        if wants.thresholds is not None:
            which = (
                f"the threshold {_any([stage_word(key) for key in wants.thresholds])}"
                if wants.thresholds
                else "no threshold"
            )
        parts.append(f"somebody reaches {which}")
    if "stage_moved" in wants.kinds:
        stages = _any([stage_word(stage) for stage in wants.stages]) or "no stage"
        parts.append(f"somebody becomes {stages}")
    parts += [KIND_WORDS[kind] for kind in ("rearmed", "retracted") if kind in wants.kinds]
    return f"Told when {'; when '.join(parts)}."


def _any(words: Sequence[str]) -> str:
    return " or ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


async def told(reader: Reader, site: Site, seqs: Sequence[int]) -> Mapping[int, Told]:
    """What the entries say, by number; of what was erased there is nothing to say."""
    found = {}
    for seq, entry in (await entries.by_seq(reader, site.site_id, seqs)).items():
        if entry.kind >= Kind.STAGE_MOVED and entry.data:
            row = (entry.seq, entry.kind, entry.at, entry.event_id, entry.data)
            found[seq] = read_consequence(row)
    people = sorted({one.person for one in found.values() if one.person})
    called = await names(reader, site, people)
    return {seq: _told(one, called) for seq, one in found.items()}


def _told(one: Consequence, called: Mapping[int, str]) -> Told:
    what = {
        Kind.CROSSED: f"reached {stage_word(one.threshold)}",
        Kind.STAGE_MOVED: f"became {stage_word(one.stage_to)}" if one.stage_to else "moved",
        Kind.REARMED: f"fell below {stage_word(one.threshold)} again",
        Kind.RETRACTED: f"taken back: {stage_word(one.threshold or one.stage_to)}",
    }[one.kind]
    name = called.get(one.person, f"Person {one.person}")
    return Told(f"p{one.person}" if one.person else "", name, what)
