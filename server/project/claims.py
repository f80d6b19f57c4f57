"""Which identifiers an event claims, and how a form is read. Identity looks at nothing else."""

from collections.abc import Callable
from typing import Any

import msgspec

from server.model import Door, Flag, FormRule, Identifier, Kind, Level
from server.project.seen import Key, Seen

#: A claim's identifiers in the order of their weight; a phone counts only where it stands alone,
#: since an office shares one.
WEIGHT = ("user_id", "email", "phone")
#: Networks from which nobody reads mail by hand.
MACHINES = frozenset({"datacentre", "datacenter", "hosting", "scanner"})


class Given(msgspec.Struct, frozen=True, gc=False):
    """One identifier as an event gives it, and how well it is known from that event alone."""

    identifier: Identifier
    level: Level

    @property
    def rank(self) -> tuple[int, int]:
        """Rule 7: signed user_id, proven e-mail, then what is only claimed; the lowest leads."""
        return (-int(self.level), WEIGHT.index(self.identifier.type))


class Claim(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Identifiers given on a visitor at a moment (ms). `form` is empty for identify calls.

    `counts` is false for what came late and for what no human did: it only keeps names alive.
    `message` is the mail whose `link` was opened, `by_hand` whether a person did that.
    """

    seq: int
    at: int
    visitor_id: int
    ids: tuple[Given, ...]
    q: int = 0
    event_id: bytes = b""
    kind: Kind = Kind.IDENTIFY
    form: str = ""
    purpose: str = ""
    kiosk: bool = False
    counts: bool = True
    message: str = ""
    link: str = ""
    by_hand: bool = True
    traits: dict[str, Any] = {}

    @property
    def key(self) -> Key:
        """The order of all rules: (at, q, event id)."""
        return (self.at, self.q, self.event_id)

    @property
    def level(self) -> Level:
        """The best-known identifier's."""
        return max(given.level for given in self.ids)

    @property
    def reason(self) -> str:
        """Why a link is there."""
        if self.kind is Kind.FORM_SUBMIT:
            return f"form:{self.form}"
        return self.kind.word


CLAIMING = frozenset({Kind.FORM_SUBMIT, Kind.IDENTIFY, Kind.FORM_CONFIRM, Kind.EMAIL_CLICK})
_LATE = int(Flag.LATE)
_BY_MAIL = frozenset({Kind.FORM_CONFIRM, Kind.EMAIL_CLICK})


def claim_of(seen: Seen, purpose: str, kiosk: bool = False) -> Claim | None:
    """The claim an event makes, if any.

    Confirmations and opened links claim only where our own mail door appended them: anybody can
    send an event that looks the same.
    """
    if seen.kind not in CLAIMING or (purpose in {"search", "login"}):
        return None
    if seen.kind in _BY_MAIL and seen.door is not Door.MAIL:
        return None
    ids = _given(seen)
    if not ids:
        return None
    by_mail = seen.kind is Kind.EMAIL_CLICK
    return Claim(
        seq=seen.seq,
        at=seen.at,
        visitor_id=seen.visitor_id,
        ids=ids,
        q=seen.q,
        event_id=seen.event_id,
        kind=seen.kind,
        form=seen.data.get("form", ""),
        purpose=purpose,
        kiosk=kiosk,
        counts=seen.human and not seen.flags & _LATE,
        message=seen.data.get("message", "") if by_mail else "",
        link=seen.page if by_mail else "",
        by_hand=not by_mail
        or bool(seen.data.get("gesture") and seen.data.get("network") not in MACHINES),
        traits=seen.data.get("traits") or {},
    )


def _given(seen: Seen) -> tuple[Given, ...]:
    named = seen.data.get("ids") or {}
    proven = seen.data.get("proven") or ()
    kinds = [kind for kind in WEIGHT if named.get(kind)]
    if len(kinds) > 1:
        kinds = [kind for kind in kinds if kind != "phone"]
    return tuple(
        Given(Identifier(kind, named[kind]), Level.PROVEN if kind in proven else seen.level)
        for kind in kinds
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
