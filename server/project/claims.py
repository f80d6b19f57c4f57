"""Which identifiers an event claims, and how a form is read. Identity looks at nothing else."""

from collections.abc import Callable
from typing import Any

import msgspec

from server.model import FormRule, Identifier, Kind, Level
from server.project.seen import Seen

#: A claim's identifiers in the order of their weight; a phone counts only where it stands alone,
#: since an office shares one.
WEIGHT = ("user_id", "email", "phone")


class Claim(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Identifiers given on a visitor at a moment. `form` is empty for identify calls."""

    seq: int
    at: int
    visitor_id: int
    ids: tuple[Identifier, ...]
    level: Level
    form: str
    purpose: str
    traits: dict[str, Any]

    @property
    def reason(self) -> str:
        return f"form:{self.form}" if self.purpose else "identify"


def claim_of(seen: Seen, purpose: str) -> Claim | None:
    """The claim an event makes, if any."""
    if seen.kind not in {Kind.FORM_SUBMIT, Kind.IDENTIFY}:
        return None
    given = seen.data.get("ids") or {}
    ids = tuple(Identifier(kind, given[kind]) for kind in WEIGHT if kind in given)
    if len(ids) > 1:
        ids = tuple(i for i in ids if i.type != "phone")
    if not ids or (purpose in {"search", "login"}):
        return None
    return Claim(
        seq=seen.seq,
        at=seen.at,
        visitor_id=seen.visitor_id,
        ids=ids,
        level=seen.level,
        form=seen.data.get("form", ""),
        purpose=purpose,
        traits=seen.data.get("traits") or {},
    )


_NEWSLETTER = ("newsletter", "subscribe", "subscription", "mailing", "digest")
_SEARCH = ("search", "suche", "recherche")
_LOGIN = ("login", "signin", "sign-in", "log-in", "password")


def purposes(rules: tuple[FormRule, ...]) -> Callable[[str], str]:
    """A form's purpose by the owner's registry, else by its key: lead unless it says otherwise."""
    known = {rule.key: rule.purpose for rule in rules}

    def purpose(key: str) -> str:
        found = known.get(key)
        if found is None:
            low = key.lower()
            found = known[key] = next(
                (
                    name
                    for name, words in (
                        ("newsletter", _NEWSLETTER),
                        ("search", _SEARCH),
                        ("login", _LOGIN),
                    )
                    if any(word in low for word in words)
                ),
                "lead",
            )
        return found

    return purpose
