"""A timeline as people read it: folded into visits, pages with how long and how far they were read.

Engagement is no line of its own: what it says stands with its page, also the signals it gave.
"""

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

from server.reports.consequences import ABOUT_PERSONS
from server.reports.shapes import LinkOfItem, SignalOfItem, TimelineItem
from server.reports.tellings import Telling
from server.reports.visits import VisitFacts
from server.words import stage_word

#: Lines of a form shown; the API has all of them.
MOST_FIELDS = 12
#: Visits shown unfolded.
OPEN = 3


@dataclass
class Step:
    """One line of a visit."""

    item: TimelineItem
    what: str
    where: str
    at: datetime
    dwell: str = ""
    scroll: int = 0
    fields: list[tuple[str, str]] = field(default_factory=list)
    signals: list[SignalOfItem] = field(default_factory=list)
    tellings: list[Telling] = field(default_factory=list)


@dataclass
class Visit:
    """Steps of one session, or one thing that happened outside of any (`session` is empty)."""

    session: str
    visitor: str | None
    link: LinkOfItem | None
    steps: list[Step]
    facts: VisitFacts | None = None
    open: bool = False
    ended: datetime | None = None  # with the reading of its last page

    @property
    def begun(self) -> datetime:
        return self.steps[-1].at

    @property
    def length(self) -> str:
        """How long it took; empty for a single moment."""
        seconds = ((self.ended or self.steps[0].at) - self.begun).total_seconds()
        return span(seconds) if seconds >= 1 else ""

    @property
    def pages(self) -> int:
        return sum(1 for step in self.steps if step.item.kind == "page_view")

    @property
    def points(self) -> float:
        milli = sum(round(signal.points * 1000) for s in self.steps for signal in s.signals)
        return milli / 1000

    @property
    def decided(self) -> bool:
        """A decision or consequence: it stands between the visits."""
        return self.steps[0].item.kind in ABOUT_PERSONS

    @property
    def doubtful(self) -> bool:
        """It may be somebody else's: nothing in it counts before it is accepted."""
        return self.link is not None and self.link.state == "quarantined"

    @property
    def highlights(self) -> list[str]:
        """What a folded visit says of itself: the forms sent in it."""
        return [step.what for step in self.steps if step.item.kind == "form_submit"]


def visits_of(
    items: Iterable[TimelineItem],
    facts: Mapping[str, VisitFacts],
    zone: Any,
    known: Mapping[int, str] = MappingProxyType({}),
) -> list[Visit]:
    """Visits and what lies between them, newest first, as the items are; what followed from a visit
    stands right above it. `known` says by claim what people are called who were merged."""
    visits: list[Visit] = []
    by_session: dict[str, Visit] = {}
    by_item: dict[str, Visit] = {}
    for item in items:
        step = _step(item, zone, known)
        visit = by_session.get(item.session or "")
        if item.session and visit is not None:
            visit.steps.append(step)
            by_item[item.id] = visit
            continue
        visit = Visit(item.session or "", item.visitor, item.link, [step])
        visit.facts = facts.get(visit.session)
        visits.append(visit)
        by_item[item.id] = visit
        if item.session:
            by_session[item.session] = visit
    for visit in visits:
        visit.ended = visit.steps[0].at  # before the reading is folded into its page
        _fold_engagement(visit)
    for visit in [visit for visit in visits if not visit.decided][:OPEN]:
        visit.open = True
    return _above_their_cause(_without_echoes(visits), by_item)


def claims_named(items: Iterable[TimelineItem]) -> set[int]:
    """The claims that merges and splits name."""
    return {
        int(one[1:])
        for item in items
        if item.kind in {"merge", "split"}
        for one in item.data.get("persons", ())
    }


def _above_their_cause(visits: list[Visit], by_item: Mapping[str, Visit]) -> list[Visit]:
    """What the projector found is known later than its cause, or in the middle of a visit: it
    stands right above the visit that earned it, else where its cause lies in time."""
    follows = [v for v in visits if v.decided and v.steps[0].item.data.get("cause_at")]
    follows.sort(key=lambda v: v.begun, reverse=True)
    moved = {id(v) for v in follows}
    placed = [v for v in visits if id(v) not in moved]
    for one in follows:  # the newest first: the next goes below it
        earned = by_item.get(str(one.steps[0].item.data.get("cause")))
        placed.insert(_place(placed, one, earned, moved), one)
    return placed


def _place(placed: list[Visit], one: Visit, earned: Visit | None, moved: Set[int]) -> int:
    for place, visit in enumerate(placed):
        if visit is earned or (earned is None and visit.begun < one.begun):
            return place
        if earned is None and visit.begun == one.begun and id(visit) not in moved:
            return place
    return len(placed)


def decided_in(visits: Iterable[Visit]) -> dict[int, Step]:
    """The decisions and consequences among the steps, by the number of their entry."""
    return {
        int(step.item.id[1:]): step for visit in visits if visit.decided for step in visit.steps
    }


def _without_echoes(visits: list[Visit]) -> list[Visit]:
    """A threshold that moved the stage is told by the move."""
    moved = {_moment(v.steps[0]) for v in visits if v.steps[0].item.kind == "stage_moved"}
    return [
        visit
        for visit in visits
        if visit.steps[0].item.kind != "crossed" or _moment(visit.steps[0]) not in moved
    ]


def _moment(step: Step) -> tuple[str, str]:
    return step.item.at, str(step.item.data.get("threshold"))


def _fold_engagement(visit: Visit) -> None:
    """Give what engagement met to its page; one whose page is not here stays a line."""
    kept: list[Step] = []
    waiting: list[Step] = []
    for step in visit.steps:  # newest first: engagement comes before the page it is of
        if step.item.kind == "engagement":
            waiting.append(step)
            continue
        if step.item.kind == "page_view":
            for told in [one for one in waiting if one.item.path == step.item.path]:
                step.signals += told.signals
                waiting.remove(told)
        kept.append(step)
    visit.steps = sorted([*kept, *waiting], key=lambda s: s.at, reverse=True) if waiting else kept


def _step(item: TimelineItem, zone: Any, known: Mapping[int, str]) -> Step:
    data = item.data
    caused = data.get("cause_at") if item.kind in ABOUT_PERSONS else None
    return Step(
        item=item,
        what=_what(item, known),
        where=item.path if item.kind == "page_view" and item.title else "",
        at=datetime.fromisoformat(caused or item.at).astimezone(zone),
        dwell=span(data["ms"] / 1000) if item.kind == "page_view" and data.get("ms") else "",
        scroll=int(data.get("scroll", 0)) if item.kind == "page_view" else 0,
        fields=_fields(data) if item.kind == "form_submit" else [],
        signals=list(item.signals),
    )


def _fields(data: Mapping[str, Any]) -> list[tuple[str, str]]:
    given = data.get("fields")
    if not isinstance(given, dict):
        return []
    return [(str(name), str(value)[:300]) for name, value in list(given.items())[:MOST_FIELDS]]


def _what(item: TimelineItem, known: Mapping[int, str]) -> str:
    """One line about an event, in words."""
    data = item.data
    name = str(data.get("form") or data.get("name") or data.get("text") or data.get("href") or "")
    words = {
        "page_view": item.title or item.path or item.url,
        "engagement": f"Read {item.path}",
        "form_submit": f"Sent the form “{name}”",
        "form_start": f"Began the form “{name}”",
        "form_confirm": "The form arrived",
        "click": f"Clicked {name}",
        "download": f"Downloaded {name}",
        "track": name,
        "consent": f"Consent {data.get('state', '')}",
        "stage_moved": f"Became {stage_word(str(data.get('to', '')))}",
        "crossed": f"The score reached the threshold {_threshold(data)}",
        "rearmed": f"The score fell below the threshold {_threshold(data)} again",
    }
    return (
        words.get(item.kind)
        or _decided(item.kind, data, known)
        or item.kind.replace("_", " ").capitalize()
    )


def _decided(kind: str, data: Mapping[str, Any], known: Mapping[int, str]) -> str:
    """One line about what somebody decided; empty for what is no decision."""
    if kind == "tag":
        changes = [
            *(f"+{t}" for t in data.get("add", ())),
            *(f"-{t}" for t in data.get("remove", ())),
        ]
        return f"Tags {' '.join(changes)}"
    if kind == "trait":
        traits = dict(data.get("traits", {})).items()
        words = [f"{name}: {'taken back' if v is None else str(v)[:100]}" for name, v in traits]
        return " · ".join(words).replace("_", " ").capitalize()
    if kind == "note":
        text = str(data.get("text", ""))[:300]
        return f"Note: {text}" if text else "A note was deleted"
    both = " and ".join(known.get(int(one[1:]), one) for one in data.get("persons", ()))
    calm = "May be contacted again" if data.get("on") is False else "Do not contact"
    return {
        "merge": f"Merged: {both}",
        "split": f"Taken apart again: {both}",
        "verify": f"Verified {data.get('value', '')}",
        "release": "A visit was accepted as theirs",
        "refuse": "A visit was refused as somebody else's",
        "set_stage": f"Moved to {stage_word(str(data.get('to', '')))}",
        "owner": f"Owner: {data.get('owner') or 'nobody'}",
        "do_not_contact": calm,
        "dismiss": "A conflict was dismissed",
        "retracted": "Taken back: it had never been reached",
    }.get(kind, "")


def _threshold(data: Mapping[str, Any]) -> str:
    return stage_word(str(data.get("threshold", "")))


def span(seconds: float) -> str:
    """A length of time in at most two units."""
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s" if whole % 60 else f"{whole // 60} min"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def ago(moment: datetime, now: datetime) -> str:
    """How long ago, in one unit."""
    passed = now - moment
    if passed < timedelta(minutes=1):
        return "just now"
    for unit, length in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        count = int(passed.total_seconds() // length)
        if count:
            return f"{count} {unit}{'s' if count > 1 else ''} ago"
    return "just now"
