"""What of a site's log is thinned, and when: pure decisions on rows.

Visits go whole, and in the order they happened: what is left of a visitor is then a history that
begins later, and is folded as if it were one.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import msgspec

from server.model import DAY_MS, SESSION_GAP_MS, Consent, Kind, SiteSettings
from server.project.sessions import Zone, gone

#: Kept for ever, as proof: what somebody consented to.
KEPT = frozenset({Kind.CONSENT})
#: The kinds that may name somebody.
NAMING = frozenset({Kind.FORM_SUBMIT, Kind.IDENTIFY, Kind.FORM_CONFIRM, Kind.EMAIL_CLICK})
#: A cell by day: how many of the cookieless views no entry tells of any more.
SEALED_VIEWS = "sealed_views"


class Limits(NamedTuple):
    """What is old today: visits whose last moment lies before the day `day` in the site's zone,
    events in no visit before `before`, and what no human did before `bots` (UTC ms)."""

    zone: Zone
    day: int
    before: int
    bots: int

    def passed(self, at: int) -> bool:
        """Whether a visit that last moved at `at` is old. Nothing that is taken now joins it."""
        return self.zone.day(at + SESSION_GAP_MS) < self.day


def limits(settings: SiteSettings, now: int) -> Limits:
    """The limits at `now` (UTC ms)."""
    zone, before = Zone(settings.zone), now - settings.retention_days * DAY_MS
    return Limits(zone, zone.day(before), before, now - settings.bot_retention_days * DAY_MS)


class Visit(NamedTuple):
    """A session as retention sees it; times in ms. `last` is its last event's, `held`: it is
    somebody's, or something in it names somebody, so it stays."""

    session_id: int
    start_at: int
    end_at: int
    last: int
    held: bool


def sealable(visits: Sequence[Visit], is_old: Callable[[int], bool]) -> list[list[int]]:
    """Which of a visitor's visits, in the order of their start, may be sealed, in that order too.

    Those that follow each other without a gap go together: where one ends and the next begins was
    decided by what is in both. After the first that stays all stay, since owning passes on.
    """
    found: list[list[int]] = []
    group: list[int] = []
    for index, visit in enumerate(visits):
        if visit.held or not is_old(visit.last):
            break
        group.append(visit.session_id)
        after = visits[index + 1] if index + 1 < len(visits) else None
        if after is None or gone(visit.end_at, after.start_at):
            found.append(group)
            group = []
    return found


def names_somebody(kind: int, data: str | None) -> bool:
    """Whether an event is a claim, or would be one under other settings."""
    return kind in NAMING and bool(data) and bool(msgspec.json.decode(data or "{}").get("ids"))


def gives_consent(consents: Iterable[int]) -> bool:
    """Whether one of the events of a session came with consent."""
    return Consent.GRANTED in consents
