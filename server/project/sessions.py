"""Sessions: a visitor's events with no gap over 30 minutes, cut by a new campaign.

A session is also cut where another person claims the visitor; `visitor` does that.
"""

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from server.model import DAY_MS, SESSION_GAP_MS, Kind
from server.project.matching import NO_TOUCH, Touch
from server.project.rollups import Counted
from server.project.seen import Seen
from server.project.signals import Fact, Hit, Matcher, SessionSignals

QUARTER_MS = 900_000
#: Characters of an address that weigh as much as an event.
EVENT_CHARACTERS = 256
#: The kinds that open a session. Engagement is the echo of a page view; consent, confirmations and
#: mail opens happen without anybody reading.
OPENERS = frozenset(
    {
        Kind.PAGE_VIEW,
        Kind.CLICK,
        Kind.DOWNLOAD,
        Kind.FORM_START,
        Kind.FORM_SUBMIT,
        Kind.IDENTIFY,
        Kind.TRACK,
        Kind.EMAIL_CLICK,
    }
)


class Reading:
    """One page view of a session while engagement for it may still come."""

    __slots__ = ("at", "groups", "ms", "page", "q", "scroll", "seq")

    def __init__(self, seen: Seen) -> None:
        self.at, self.q, self.seq = seen.at, seen.q, seen.seq
        self.page = seen.page
        self.groups = seen.groups
        self.ms = 0
        self.scroll = 0


def gone(end_at: int, at: int) -> bool:
    """Whether a session that last moved at `end_at` is over at `at`."""
    return at - end_at > SESSION_GAP_MS


def new_campaign(utm: str, seen: Seen) -> bool:
    """A page view from outside whose UTM tuple differs from the session's.

    A reload, an own-host link with UTM, and a new click id under the same tuple do not cut.
    """
    return (
        seen.kind is Kind.PAGE_VIEW
        and bool(seen.utm)
        and seen.utm != utm
        and (seen.external or not seen.referrer)
    )


class Session:
    """One session while its visitor is in memory."""

    __slots__ = (
        "alone",
        "barred",
        "browser",
        "campaign",
        "channel",
        "company",
        "country",
        "device",
        "end_at",
        "engaged_ms",
        "events",
        "evidence",
        "exit_page",
        "hits",
        "known_as",
        "landing",
        "language",
        "leads",
        "level",
        "medium",
        "os",
        "page_views",
        "person_id",
        "prev_start",
        "readings",
        "reason",
        "referrer",
        "session_id",
        "signals",
        "source",
        "start_at",
        "state",
        "submitted",
        "told",
        "utm",
        "visitor_id",
        "weight",
        "written",
    )

    def __init__(self, seen: Seen, prev_start: int) -> None:
        self.session_id = self.known_as = seen.seq  # the id its person knows it by
        self.visitor_id = seen.visitor_id
        self.person_id = 0
        self.evidence = 0  # seq of the claim that made it owned
        self.level = 0
        self.state = 0  # 1: quarantined, shown but not scored
        self.alone = False  # one submission of which no visit is known
        self.barred = False  # consent was withdrawn after it began: no later claim takes it
        self.reason = ""
        self.start_at = self.end_at = seen.at
        self.prev_start = prev_start  # of the visitor's session before, -1 if none
        self.page_views = self.events = self.engaged_ms = self.leads = 0
        self.landing = self.exit_page = ""
        self.source, self.medium = seen.source, seen.medium
        self.campaign, self.channel = seen.campaign, seen.channel
        self.referrer, self.utm = seen.referrer, seen.utm
        self.country, self.company = seen.country, seen.company
        self.device, self.browser, self.os = seen.device, seen.browser, seen.os
        self.language = seen.language
        self.hits: list[Hit] = []
        self.signals = SessionSignals()
        self.readings: dict[bytes, Reading] = {}
        self.submitted: set[tuple[str, Any]] = set()
        self.weight = len(seen.referrer) // EVENT_CHARACTERS  # in memory, by events
        self.written: Counted | None = None  # what the rollups hold of it
        self.told: tuple[tuple[Hit, ...], tuple[Hit, ...]] = ((), ())  # signals in the tables

    def take(self, seen: Seen, purpose: str, matcher: Matcher) -> tuple[Hit, ...]:
        """Count one event of this session; the signals it gave."""
        self.session_id = min(self.session_id, seen.seq)
        self.events += 1
        self.weight += 1
        if not gone(self.end_at, seen.at):
            self.end_at = max(self.end_at, seen.at)
        if seen.kind is Kind.PAGE_VIEW:
            self._view(seen)
        repeated = seen.kind is Kind.FORM_SUBMIT and self._submit(seen, purpose)
        if repeated:
            return ()
        touch = self._touch() if matcher.asks_touch else NO_TOUCH
        hits = self.signals.step(matcher, self._fact(seen, purpose, touch))
        self.hits.extend(hits)
        return hits

    def _view(self, seen: Seen) -> None:
        self.page_views += 1
        if not self.landing:
            self.landing = seen.page
            if not self.channel:
                self.source, self.medium = seen.source, seen.medium
                self.campaign, self.channel = seen.campaign, seen.channel
                self.referrer, self.utm = seen.referrer, seen.utm
            self.language = self.language or seen.language
        self.exit_page = seen.page
        self.readings[seen.event_id] = Reading(seen)
        self.weight += len(seen.page) // EVENT_CHARACTERS

    def _submit(self, seen: Seen, purpose: str) -> bool:
        """The first submission of (form, identifier) counts; later ones are the same one."""
        ids = seen.data.get("ids") or {}
        key = (seen.data.get("form", ""), ids.get("email") or ids.get("phone") or "")
        if key in self.submitted:
            return True
        self.submitted.add(key)
        if purpose == "lead":
            self.leads += 1
        return False

    def _touch(self) -> Touch:
        return Touch(self.channel, self.source, self.medium, self.campaign)

    def _fact(self, seen: Seen, purpose: str, touch: Touch) -> Fact:
        data = seen.data
        reading = self.readings.get(seen.page_view) if seen.page_view else None
        if seen.kind is Kind.ENGAGEMENT and reading is not None:
            return self._read_on(seen, reading, touch)
        return Fact(
            seq=seen.seq,
            at=seen.at,
            kind=seen.kind,
            page=seen.page,
            groups=seen.groups,
            form=data.get("form", "") if data else "",
            purpose=purpose,
            ms=data.get("ms", 0) if data else 0,
            scroll=data.get("scroll", 0) if data else 0,
            name=data.get("name", "") if data else "",
            href=data.get("href", "") if data else "",
            page_seq=seen.seq,
            data=data,
            touch=touch,
        )

    def _read_on(self, seen: Seen, reading: Reading, touch: Touch) -> Fact:
        """Engagement says how long and how deep so far: the maxima of the page view are kept."""
        ms = seen.data.get("ms", 0)
        self.engaged_ms += max(0, ms - reading.ms)
        reading.ms = max(reading.ms, ms)
        reading.scroll = max(reading.scroll, seen.data.get("scroll", 0))
        return Fact(
            seq=seen.seq,
            at=seen.at,
            kind=seen.kind,
            page=reading.page,
            groups=reading.groups,
            ms=reading.ms,
            scroll=reading.scroll,
            page_seq=reading.seq,
            touch=touch,
        )


class Zone:
    """Days since 1970-01-01 as a site's time zone has them, each moment by its own offset."""

    def __init__(self, name: str) -> None:
        self._zone = ZoneInfo(name)
        self._offsets: dict[int, int] = {}

    def day(self, at: int) -> int:
        """The day of a moment (UTC ms)."""
        quarter = at // QUARTER_MS  # no zone changes its offset within a quarter of an hour
        offset = self._offsets.get(quarter)
        if offset is None:
            if len(self._offsets) > 10_000:
                self._offsets.clear()
            moment = datetime.fromtimestamp(quarter * QUARTER_MS / 1000, UTC)
            ahead = moment.astimezone(self._zone).utcoffset()
            offset = int(ahead.total_seconds() * 1000) if ahead is not None else 0
            self._offsets[quarter] = offset
        return (at + offset) // DAY_MS
