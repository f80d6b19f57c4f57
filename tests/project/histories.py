"""Stories for rules: visits told in a few words, put through the sessions of the projector."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

from server.ingest.urls import groups_of
from server.model import DEFAULT_PAGE_GROUPS, EVENT_KINDS, Kind
from server.project.claims import purposes
from server.project.matching import Matcher
from server.project.people import part_of
from server.project.rules import Ruleset
from server.project.scoring import score
from server.project.seen import Seen
from server.project.sessions import Session
from server.project.signals import SessionHits

Told = Mapping[str, Any]
PURPOSE = purposes(())
_TOUCH = ("channel", "source", "medium", "campaign")
_DATA = ("ms", "scroll", "form", "name", "href", "props", "fields", "ids")


def moment(text: str) -> int:
    """Milliseconds of `2026-05-01 09:00`, UTC."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def day_of(text: str) -> int:
    """The day since 1970 of `2026-05-01`."""
    return (date.fromisoformat(text) - date(1970, 1, 1)).days


def seen_of(told: Told, seq: int, views: dict[str, bytes]) -> Seen:
    """An event; an engagement belongs to the last view of its page."""
    kind = EVENT_KINDS[told["event"]]
    page, event_id = told.get("page", ""), seq.to_bytes(16, "big")
    if kind is Kind.PAGE_VIEW:
        views[page] = event_id
    return Seen(
        seq=seq,
        at=moment(told["at"]),
        event_id=event_id,
        kind=kind,
        visitor_id=1,
        page=page,
        groups=groups_of(page, DEFAULT_PAGE_GROUPS),
        page_view=views.get(page) if kind is Kind.ENGAGEMENT else None,
        data={name: told[name] for name in _DATA if name in told},
        **{name: told[name] for name in _TOUCH if name in told},
    )


def sessions_of(ruleset: Ruleset, visits: Sequence[Sequence[Told]]) -> list[SessionHits]:
    """What the visits leave to the score; their events are numbered from 1."""
    matcher, seq = Matcher(ruleset), 0
    found = []
    for visit in visits:
        views: dict[str, bytes] = {}
        session: Session | None = None
        for told in visit:
            seq += 1
            seen = seen_of(told, seq, views)
            session = session or Session(seen, -1)
            form = told.get("form", "")
            session.take(seen, PURPOSE(form) if form else "", matcher)
        if session is not None:
            found.append(part_of(session).hits)
    return found


def lines_on(
    ruleset: Ruleset, visits: Sequence[Sequence[Told]], traits: Mapping[str, Any], day: str
) -> list[list[Any]]:
    """The receipt at the end of a day: rule and points of each line. It adds up."""
    receipt = score(ruleset, sessions_of(ruleset, visits), traits, day_of(day))
    assert sum(line.points for line in receipt.lines) == receipt.score
    return [[line.rule, line.points / 1_000] for line in receipt.lines]
