"""What a session, its signals and its links are in the tables, and what the rollups hold of it."""

from collections.abc import Iterator, Sequence
from operator import itemgetter

from server.project.rollups import Counted
from server.project.sessions import Session, Zone
from server.project.signals import Hit
from server.project.visitor import LinkRow
from server.storage import derived
from server.storage.database import Row

SESSION = {name: index for index, name in enumerate(derived.SESSIONS.columns[2:])}
START, END = SESSION["start_at"], SESSION["end_at"]
_COLUMN = {"before": "prev_day"}
_counted = itemgetter(*(SESSION[_COLUMN.get(name, name)] for name in Counted._fields))


def owner_of(session: Row) -> int:
    """The person of a session's row."""
    owner: int = session[SESSION["person_id"]]
    return owner


def counted(session: Row) -> Counted:
    """What the rollups hold of a session's row, under whatever settings it was written."""
    return Counted._make(_counted(session))


def followed(session: Row, day: int) -> Row:
    """A session's row, where the one before it began on another day (-1: there is none)."""
    at = SESSION["prev_day"]
    return (*session[:at], day, *session[at + 1 :])


def session_row(session: Session, zone: Zone) -> Row:
    """A session as it is in memory: not alone and not sealed unless it says so."""
    return (
        session.session_id,
        session.visitor_id,
        session.person_id,
        session.state,
        session.start_at,
        session.end_at,
        zone.day(session.start_at),
        day_before(session, zone),
        session.page_views,
        session.events,
        session.engaged_ms,
        session.leads,
        session.landing,
        session.exit_page,
        session.source,
        session.medium,
        session.campaign,
        session.channel,
        session.referrer,
        session.country,
        session.company,
        session.device,
        session.browser,
        session.os,
        session.language,
        int(session.alone),
        0,
    )


def day_before(session: Session, zone: Zone) -> int:
    """The day on which the visitor's session before this one started, -1 for a first session."""
    return zone.day(session.prev_start) if session.prev_start >= 0 else -1


def signal_rows(session_id: int, told: Sequence[Sequence[Hit]]) -> Iterator[Row]:
    """What a session says: hits, then those that count once it is over."""
    for pending, hits in enumerate(told):
        for hit in hits:
            yield (session_id, hit.rule, hit.seq, hit.key, hit.at, pending)


def link_row(visitor_id: int, link: LinkRow) -> Row:
    return (visitor_id, *link)
