"""What does not fit in a form, in the words of the form."""

import re

_TOO = re.compile(r"length (<=|>=) (\d+)")


def misfit(error: str) -> str:
    """What is wrong with a field, for people, out of the words of the library that checks it."""
    place = error.partition("at `$.")[2].partition("`")[0]
    field = re.sub(r"\[.*", "", place).rstrip(".").replace("_", " ") or "what was sent"
    too = _TOO.search(error)
    if too and too[1] == ">=" and too[2] == "1":
        return f"{field}: this is empty"
    if too:
        many = f"{int(too[2]):,} {'characters' if '`str`' in error else 'entries'}"
        return f"{field}: {'at most' if too[1] == '<=' else 'at least'} {many}"
    if "missing required" in error:
        return f"{error.partition('`')[2].partition('`')[0].replace('_', ' ')}: this is missing"
    if "`int`" in error or "`float`" in error:
        return f"{field}: a number belongs here"
    if "regex" in error:
        return f"{field}: this has another form than what belongs here"
    return f"{field}: this is none of what can be chosen here"
