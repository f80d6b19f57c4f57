"""The entries of one projection result, sorted by what they are."""

from collections.abc import Iterable, Sequence

import msgspec

from server.model import Kind
from server.project.registry import IDENTITY
from server.project.seen import Seen
from server.project.standing import Told, read
from server.storage.entries import Entry

#: What changes who a person is, or what a person was told: everything said is read again.
REHEARD = IDENTITY | {Kind.RETRACTED, Kind.DISMISS, Kind.TRAIT}
#: The kinds of events that may be claims.
CLAIMING = frozenset({Kind.FORM_SUBMIT, Kind.IDENTIFY, Kind.FORM_CONFIRM, Kind.EMAIL_CLICK})
#: After these, what was told may never have been so.
DOUBTING = frozenset({Kind.CLASSIFY, Kind.SPLIT, Kind.REFUSE, Kind.ERASE})


class Classify(msgspec.Struct, frozen=True):
    """Somebody says what a visitor, or one event, is. The class is a word, or empty for what
    accept said."""

    visitor: int = 0
    event: int = 0
    class_: str = msgspec.field(name="class", default="human")


class Erased(msgspec.Struct, frozen=True):
    """What an erasure took away: visitors to fold anew and claims that are gone."""

    visitors: tuple[int, ...] = ()
    claims: tuple[int, ...] = ()


class Batch:
    """The entries of one result, sorted by what they are."""

    def __init__(self, found: Sequence[Entry]) -> None:
        self.first, self.last, self.passed = found[0].seq, found[-1].seq, len(found)
        self.groups: dict[int, list[Seen]] = {}  # by visitor, in the order of rules
        self.said: list[Told] = []
        self.classified: list[tuple[Entry, Classify]] = []
        self.erased: list[Erased] = []
        self.doubts: Entry | None = None  # the last decision after which nothing told is certain
        for entry in found:
            if entry.kind >= Kind.SITE_CREATED:
                self._hear(entry)

    def _hear(self, entry: Entry) -> None:
        kind = Kind(entry.kind)
        if kind in DOUBTING:
            self.doubts = entry
        if kind is Kind.CLASSIFY:
            classify = msgspec.json.decode(entry.data or "{}", type=Classify)
            self.classified.append((entry, classify))
        elif kind is Kind.ERASE:
            self.erased.append(msgspec.json.decode(entry.data or "{}", type=Erased))
        elif entry.data:
            said = read(entry.data)
            self.said += [Told(entry.seq, kind, entry.at, claim, said) for claim in said.named]

    def see(self, events: Iterable[Seen]) -> None:
        for seen in events:
            self.groups.setdefault(seen.visitor_id, []).append(seen)
        for found in self.groups.values():
            found.sort(key=lambda seen: seen.key)
