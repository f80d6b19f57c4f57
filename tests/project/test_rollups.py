"""Daily figures: what a session adds, on which day."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.model import Kind
from server.project.rollups import DIMENSIONS, Counted, cells_of, change, moved
from server.project.rows import counted, day_before, session_row
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
    assert cells_of(counted(session_row(back, zone)))["sessions", 20_000, "19999"] == 1


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
    before = counted(session_row(session(DAY), zone))
    after = counted(session_row(session(2 * DAY), zone))
    assert moved(before, before) == {}
    delta = moved(before, after)
    assert delta["sessions", 1, "-1"] == -1
    assert delta["sessions", 2, "-1"] == 1


sessions = st.builds(
    Counted,
    visitor_id=st.integers(0, 1),
    day=st.integers(1, 2),
    before=st.sampled_from((-1, 0, 1)),
    alone=st.integers(0, 1),
    **{name: st.sampled_from(("", "a")) for name in DIMENSIONS},
    **{name: st.integers(0, 2) for name in ("page_views", "engaged_ms", "leads")},
)


@given(sessions, sessions)
def test_a_short_way_to_a_change_is_the_long_one(old: Counted, new: Counted) -> None:
    """A session that goes on as it was changes its sums alone; by cells it comes to the same."""
    assert moved(old, new) == change(cells_of(old), cells_of(new))
    assert moved(None, new) == cells_of(new)
