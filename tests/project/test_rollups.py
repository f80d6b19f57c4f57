"""Daily figures: what a session adds, on which day."""

import pytest

from server.model import Kind
from server.project.rollups import cells, change, day_before
from server.project.seen import Seen
from server.project.sessions import Session, Zone

HOUR, DAY = 3_600_000, 86_400_000


def session(start: int, prev_start: int = -1) -> Session:
    seen = Seen(
        seq=1, at=start, event_id=b"x" * 16, kind=Kind.PAGE_VIEW, visitor_id=1, channel="Direct"
    )
    return Session(seen, prev_start)


def test_a_visit_over_midnight_belongs_to_the_day_it_began() -> None:
    """Whoever comes back the next day was last seen on the day before."""
    zone = Zone("UTC")
    night = session(20_000 * DAY - HOUR // 6)
    back = session(20_000 * DAY + 9 * HOUR, night.start_at)
    assert day_before(back, zone) == 19_999
    assert cells(back, zone)["sessions", 20_000, "19999"] == 1


@pytest.mark.parametrize(
    ("zone", "at", "day"),
    [
        ("UTC", 20_000 * DAY - 1, 19_999),
        ("UTC", 20_000 * DAY, 20_000),
        ("Europe/Berlin", 1_774_738_800_000, 20_541),  # midnight before the clocks go forward
        ("Europe/Berlin", 1_774_738_799_999, 20_540),
        ("Europe/Berlin", 1_774_821_600_000, 20_542),  # the day after has an hour less
        ("Europe/Berlin", 1_774_821_599_999, 20_541),
        ("America/New_York", 20_000 * DAY, 19_999),
        ("Asia/Kathmandu", 20_000 * DAY - 21_600_000 + 900_000, 20_000),
    ],
)
def test_days_follow_the_zone_at_that_moment(zone: str, at: int, day: int) -> None:
    """Also over a change of the clocks, and with quarter hours."""
    assert Zone(zone).day(at) == day


def test_change_is_minus_old_plus_new() -> None:
    """What stays the same is not written."""
    zone = Zone("UTC")
    before = cells(session(DAY), zone)
    moved = cells(session(2 * DAY), zone)
    assert change(before, before) == {}
    delta = change(before, moved)
    assert delta["sessions", 1, "-1"] == -1
    assert delta["sessions", 2, "-1"] == 1
