"""A person's score day by day, by today's rules: when somebody warmed up, and when it cooled."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import date
from typing import Annotated

from msgspec import Meta

from server.model import DAY_MS, Site
from server.project.rules import Ruleset
from server.reports.past import Past, history_of, ruleset_of
from server.reports.people import person
from server.reports.shapes import Day, Points, Shape, points
from server.storage.database import Reader

Snapshots = Callable[[], AbstractAsyncContextManager[Reader]]
MOST_POINTS = 60
MOST_DAYS = 365


class ScorePoint(Shape, frozen=True, kw_only=True):
    """The score at the end of a day (UTC), or now on the last one."""

    date: Day
    score: Points
    fit: Points
    engagement: Points


class ScoreCurve(Shape, frozen=True, kw_only=True):
    """The scores of a person over time. Today's links and rules, with what was known each day."""

    ruleset: Annotated[int, Meta(description="The version by which all of it is scored.")]
    points: list[ScorePoint]


async def score_curve(
    snapshots: Snapshots, site: Site, person_id: int, published: Ruleset, now: int
) -> ScoreCurve:
    """From the first visit or claim on, a year at most, in 60 steps at most; the last one is `now`
    (ms) and says what the list says. Raises `NotFound`."""
    async with snapshots() as reader:
        today = await person(reader, site, person_id)
        rules = await ruleset_of(reader, site, today, published)
        past = await history_of(reader, site, person_id)
    first = _since(today.first_seen or today.created_at)
    # Sixty receipts of somebody who came a thousand times take a while: others go on meanwhile.
    found = await asyncio.to_thread(lambda: [_point(past, rules, at) for at in moments(first, now)])
    return ScoreCurve(ruleset=rules.version, points=found)


def _point(past: Past, rules: Ruleset, at: int) -> ScorePoint:
    receipt = past.receipt(rules, at)
    return ScorePoint(
        date=date.fromordinal(date(1970, 1, 1).toordinal() + at // DAY_MS).isoformat(),
        score=points(receipt.score),
        fit=points(receipt.fit),
        engagement=points(receipt.engagement),
    )


def _since(text: str) -> int:
    """The UTC day of an ISO time, as days since 1970."""
    return date.fromisoformat(text[:10]).toordinal() - date(1970, 1, 1).toordinal()


def moments(first: int, now: int) -> list[int]:
    """The last ms of every so many UTC days from `first` (days since 1970) up to `now` (ms), which
    is the last one."""
    today = now // DAY_MS
    first = min(max(first, today - MOST_DAYS + 1), today)  # a clock may have been set back
    step = -(-(today - first + 1) // MOST_POINTS)
    ends = [(day + 1) * DAY_MS - 1 for day in range(today - step, first - 1, -step)]
    return [*reversed(ends), now]
