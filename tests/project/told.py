"""What happened to a few people, told in steps, and who identity says they are, in words.

`Told` puts the steps into a log in any order of arrival and asks the functions of the product; its
answer names persons by what they are known by, so that it is the same whatever their numbers.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from server.model import (
    Class,
    Consent,
    Door,
    Flag,
    FormRule,
    Identifier,
    Kind,
    Level,
    SiteSettings,
)
from server.project.claims import Claim, purposes
from server.project.identity import resolve
from server.project.matching import Matcher
from server.project.ruleset import DEFAULT
from server.project.rulings import Decision, Identity, Merge, Release, Ruling, Split, State, Verify
from server.project.seen import Seen
from server.project.visitor import Rules, Visitor, grants

SECOND, MIN, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000
T0 = 1_790_000_000_000
FORMS = (FormRule("demo"), FormRule("sign_in", purpose="login"), FormRule("fair", kiosk=True))
RULES = Rules(Matcher(DEFAULT), SiteSettings(), purposes(FORMS), frozenset({"fair"}))


class Step(NamedTuple):
    """One event. An empty device is nobody's browser."""

    device: str
    at: int
    kind: Kind
    data: dict[str, Any]
    level: Level = Level.CLAIMED
    door: Door = Door.COLLECT
    page: str = "/"
    flags: int = 0
    class_: Class = Class.HUMAN
    consent: Consent = Consent.UNKNOWN


class Said(NamedTuple):
    """One decision. It names steps by their place in the story, other decisions by their own."""

    what: str
    of: int
    other: int = 0
    identifier: tuple[str, str] = ("", "")


Story: TypeAlias = Sequence[Step | Said]


def mail(name: str) -> str:
    return f"{name}@acme.example"


def view(device: str, at: int, **more: Any) -> Step:
    return Step(device, at, Kind.PAGE_VIEW, {}, **more)


def form(device: str, at: int, name: str, form: str = "demo", **more: Any) -> Step:
    return Step(device, at, Kind.FORM_SUBMIT, {"form": form, "ids": {"email": mail(name)}}, **more)


def login(device: str, at: int, user: str = "", name: str = "", **more: Any) -> Step:
    """An unsigned identify call of the page."""
    return Step(device, at, Kind.IDENTIFY, {"ids": _ids(user, name)}, **more)


def signed(device: str, at: int, user: str = "", name: str = "", unsigned: str = "") -> Step:
    """An identify call with a token; `unsigned` is an e-mail beside it that the token lacks."""
    ids = _ids(user, name)
    data = {"ids": ids | _ids("", unsigned), "proven": list(ids)}
    return Step(device, at, Kind.IDENTIFY, data)


def api(at: int, user: str = "", name: str = "", device: str = "") -> Step:
    """The owner's server says so."""
    data = {"ids": _ids(user, name)}
    return Step(device, at, Kind.IDENTIFY, data, Level.ASSERTED, Door.API)


def confirm(device: str, at: int, name: str, door: Door = Door.MAIL) -> Step:
    """The link of a confirmation mail, opened."""
    level = Level.PROVEN if door is Door.MAIL else Level.CLAIMED
    return Step(device, at, Kind.FORM_CONFIRM, {"ids": {"email": mail(name)}}, level, door)


def click(device: str, at: int, name: str, message: str = "news", **more: Any) -> Step:
    """A link of a newsletter, opened; by hand unless told otherwise."""
    data: dict[str, Any] = {"ids": {"email": mail(name)}, "message": message, "gesture": 1}
    link, door = more.pop("page", "/"), more.pop("door", Door.MAIL)
    level = Level.PROVEN if door is Door.MAIL else Level.CLAIMED
    return Step(device, at, Kind.EMAIL_CLICK, data | more, level, door, link)


def consent(device: str, at: int, state: str) -> Step:
    given = Consent.GRANTED if state == "granted" else Consent.DENIED
    return Step(device, at, Kind.CONSENT, {"state": state}, consent=given)


def forgotten(device: str, at: int) -> Step:
    """What is left of an erased person's claim."""
    return Step(device, at, Kind.ERASED, {})


def by_robot(step: Step) -> Step:
    return step._replace(class_=Class.BOT)


def long_ago(step: Step) -> Step:
    """From a public key and older than a week."""
    return step._replace(flags=Flag.LATE)


def accept(of: int) -> Said:
    return Said("accept", of)


def refuse(of: int) -> Said:
    return Said("refuse", of)


def merge(one: int, other: int) -> Said:
    return Said("merge", one, other)


def split(of: int) -> Said:
    return Said("split", of)


def verify(of: int, name: str) -> Said:
    return Said("verify", of, identifier=("email", mail(name)))


def _ids(user: str, name: str) -> dict[str, str]:
    return ({"user_id": user} if user else {}) | ({"email": mail(name)} if name else {})


class Answer:
    """Identity's answer as the fold of a visitor asks for it."""

    def __init__(self, identity: Identity) -> None:
        self.identity = identity

    def ruling(self, claim: Claim) -> Ruling:
        return self.identity.rulings[claim.seq]


def resolved(events: Sequence[Seen], decisions: Sequence[Decision] = ()) -> Answer:
    """Who is who after these events."""
    claims = [claim for seen in events if (claim := RULES.claim_of(seen)) is not None]
    return Answer(resolve(claims, decisions))


class Told:
    """A story in a log. `arrival` are the places of its events in the order in which they came;
    decisions come after them, and a step told again takes part as an event of its own."""

    def __init__(
        self, story: Story, arrival: Sequence[int] | None = None, again: int | None = None
    ) -> None:
        self.story = story
        places = [n for n, step in enumerate(story) if isinstance(step, Step)]
        arrival = places if arrival is None else arrival
        self.seqs = {place: 10 * number for number, place in enumerate(arrival, 1)}
        names = sorted({step.device for step in story if isinstance(step, Step) and step.device})
        self.visitors = {name: number for number, name in enumerate(names, 1)}
        self.events = [self._event(place, self.seqs[place]) for place in arrival]
        if again is not None:
            self.events.append(self._event(again, 10 * len(story) + 5, b"again"))
        self.decisions = [
            self._decision(said, 10_000 + place)
            for place, said in enumerate(story)
            if isinstance(said, Said)
        ]
        self.answer = resolved(self.events, self.decisions)
        self.identity = self.answer.identity

    def _event(self, place: int, seq: int, suffix: bytes = b"") -> Seen:
        step = self.story[place]
        assert isinstance(step, Step)
        return Seen(
            seq=seq,
            at=T0 + step.at,
            event_id=place.to_bytes(4, "big") + suffix,
            kind=step.kind,
            visitor_id=self.visitors.get(step.device, 0),
            page=step.page,
            flags=step.flags,
            consent=step.consent,
            level=step.level,
            door=step.door,
            class_=step.class_,
            data=step.data,
        )

    def _decision(self, said: Said, seq: int) -> Decision:
        if said.what == "split":
            return Split(seq, 10_000 + said.of)
        of = self.seqs[said.of]
        if said.what == "merge":
            return Merge(seq, of, self.seqs[said.other])
        if said.what == "verify":
            return Verify(seq, of, Identifier(*said.identifier))
        return Release(seq, of, said.what == "accept")

    # ------------------------------------------------------------ in words

    def name(self, person_id: int) -> str:
        """What a person is known by; of who lost that, what a claim said."""
        if not person_id:
            return "nobody"
        owned = [i for i, one in self.identity.owners.items() if one.person_id == person_id]
        known = sorted(i.value.partition("@")[0] for i in owned)
        if known:
            return "+".join(known)
        of = [e for e in self.events if self._is_of(e, person_id)]
        first = min(of, key=lambda seen: seen.key)
        return f"former {min(first.data['ids'].values()).partition('@')[0]}"

    def _is_of(self, seen: Seen, person_id: int) -> bool:
        ruling = self.identity.rulings.get(seen.seq)
        return ruling is not None and ruling.person_id == person_id

    def visits(self, *, counted: bool = True) -> dict[str, str]:
        """By device, whose its sessions are: "3 ann claimed" is three events, "alone" a submission
        of which no visit is known."""
        return {
            device: ", ".join(self._sessions(self.folded(number), counted))
            for device, number in self.visitors.items()
        }

    def folded(self, number: int) -> Visitor:
        events = sorted((e for e in self.events if e.visitor_id == number), key=lambda e: e.key)
        visitor = Visitor(number, granted=grants(events))
        for seen in events:
            visitor.step(seen, RULES, self.answer)
        return visitor

    def _sessions(self, visitor: Visitor, counted: bool) -> list[str]:
        words = []
        for session in [*visitor.sessions, *visitor.alone]:
            state = State(session.state)
            how = "quarantined" if state is State.QUARANTINED else ""
            if session.person_id and not how:
                how = Level(session.level).word
            number = "alone" if session.alone else str(session.events) if counted else ""
            words.append(" ".join(filter(None, (number, self.name(session.person_id), how))))
        return words if counted else list(dict.fromkeys(words))

    def conflicts(self) -> list[str]:
        """What somebody should look at, in order of time."""
        return [
            " ".join(
                [one.kind, self.name(one.person_id)]
                + [self.name(one.other_id)] * (one.other_id > 0)
            )
            for one in self.identity.conflicts
        ]

    def rulings(self) -> dict[int, tuple[frozenset[int], State, Level]]:
        """By place in the story: the places of all claims of the same person, state and level."""
        places = {seq: place for place, seq in self.seqs.items()}
        persons: dict[int, set[int]] = {}
        for seq, ruling in self.identity.rulings.items():
            if seq in places and ruling.person_id:
                persons.setdefault(ruling.person_id, set()).add(places[seq])
        return {
            places[seq]: (frozenset(persons.get(one.person_id, ())), one.state, one.level)
            for seq, one in self.identity.rulings.items()
            if seq in places
        }


class Row(NamedTuple):
    """`visits` by device: number of events, whose, how well known. "alone" is a submission of which
    no visit is known."""

    name: str
    story: Story
    visits: Mapping[str, str]
    conflicts: tuple[str, ...] = ()


PROVEN_ON_LAPTOP = (form("laptop", 0, "ann"), confirm("laptop", MIN, "ann"))
STRANGER = (*PROVEN_ON_LAPTOP, view("phone", DAY), form("phone", DAY + MIN, "ann"))
TWO_PEOPLE = (form("laptop", 0, "ann"), form("laptop", MIN, "ben"))
#: Ann is signed in and has proven an address; ann2 is another one of hers.
KNOWN = signed("laptop", 0, "u1", "ann")
