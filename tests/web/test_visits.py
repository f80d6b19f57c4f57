"""A timeline folded into visits: what followed from a visit stands above it, whatever its hour."""

from datetime import UTC, datetime
from typing import Any

from server.reports.shapes import TimelineItem, iso
from server.web.visits import visits_of

DAY = 86_400_000
NOON = 1_700_000_000_000


def item(number: int, at: int, kind: str, session: str | None = None, **data: Any) -> TimelineItem:
    return TimelineItem(
        id=f"e{number}",
        at=iso(at),
        kind=kind,
        url="https://acme.example/",
        path="/",
        title="Home",
        session=session,
        visitor="v1" if session else None,
        link=None,
        signals=[],
        data=data,
    )


def moved(number: int, at: int, cause: int, caused: int, to: str) -> TimelineItem:
    return item(number, at, "stage_moved", cause=f"e{cause}", cause_at=iso(caused), to=to)


def order(items: list[TimelineItem]) -> list[str]:
    newest_first = sorted(items, key=lambda one: one.at, reverse=True)
    return [visit.session or visit.steps[0].what for visit in visits_of(newest_first, {}, UTC)]


def test_a_move_in_the_middle_of_a_visit_stands_above_it() -> None:
    assert order(
        [
            item(1, NOON, "page_view", "s1"),
            moved(2, NOON + 1_000, 1, NOON, "lead"),
            item(3, NOON + 60_000, "page_view", "s1"),
        ]
    ) == ["Became Lead", "s1"]


def test_moves_of_events_told_late_stand_at_their_visits() -> None:
    """Back-dated events move the stage now; the moves keep their order at the visit."""
    now = NOON + 9 * DAY
    assert order(
        [
            item(1, NOON, "page_view", "s1"),
            item(2, NOON + 3 * DAY, "page_view", "s2"),
            moved(3, now, 1, NOON, "lead"),
            moved(4, now + 1, 1, NOON, "mql"),
        ]
    ) == ["s2", "Became MQL", "Became Lead", "s1"]


def test_a_move_whose_cause_is_no_visit_stands_where_it_lies_in_time() -> None:
    """Such as a published ruleset, or a visit that another page of the timeline holds."""
    assert order(
        [
            item(5, NOON, "page_view", "s1"),
            item(6, NOON + 3 * DAY, "page_view", "s2"),
            moved(9, NOON + 2 * DAY, 7, NOON + 2 * DAY, "mql"),
            moved(8, NOON + 4 * DAY, 1, NOON - DAY, "lead"),
        ]
    ) == ["s2", "Became MQL", "s1", "Became Lead"]


def test_a_move_by_reading_stands_above_the_visit_that_was_read_in() -> None:
    """Engagement is folded into its page, and is its visit's all the same."""
    assert order(
        [
            item(1, NOON, "page_view", "s1"),
            item(2, NOON + 30_000, "engagement", "s1"),
            moved(3, NOON + 31_000, 2, NOON + 30_000, "lead"),
            item(4, NOON + 60_000, "page_view", "s1"),
            item(5, NOON + DAY, "page_view", "s2"),
        ]
    ) == ["s2", "Became Lead", "s1"]


def test_merges_say_what_each_was_known_by() -> None:
    found = visits_of(
        [item(9, NOON, "merge", persons=["p3", "p7"])], {}, UTC, {3: "ada@lovelace.example"}
    )
    assert found[0].steps[0].what == "Merged: ada@lovelace.example and p7"
    assert found[0].begun == datetime.fromtimestamp(NOON / 1000, UTC)
