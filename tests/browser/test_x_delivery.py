"""Checklist C and D in every engine: what is told at the moment a page is left."""

from itertools import pairwise

from tests.browser.conftest import Either
from tests.browser.engines import Engine
from tests.browser.host import Host
from tests.browser.tracker import Tracker


def test_35_leaving_tells_the_page_that_is_left(either: Either) -> None:
    page = either.visit("/one")
    either.rows("page_view")
    page.evaluate("history.pushState(null, '', '/two')")
    either.rows("page_view", 2)
    page.go(either.host.origin + "/three")
    views = either.rows("page_view", 3)
    left = either.rows("engagement", 2)
    assert [row["url"] for row in left] == [row["url"] for row in views[:2]]
    assert [row["page_view"] for row in left] == [row["event_id"] for row in views[:2]]


def test_41_a_click_that_navigates_at_once_is_stored(either: Either) -> None:
    either.host.page("/", "<a href='/next' onclick=\"handraise('track', 'clicked')\">go</a>")
    page = either.visit("/")
    page.click("a")
    either.arrive("/next")
    assert either.row("track")["data"]["name"] == "clicked"


def test_42_an_event_made_in_pagehide_is_stored(either: Either) -> None:
    page = either.visit("/")
    either.rows("page_view")
    page.evaluate("addEventListener('pagehide', () => handraise('track', 'bye'), true)")
    page.evaluate("addEventListener('visibilitychange', () => 0)")
    page.go(either.host.origin + "/next")
    assert either.row("track")["data"]["name"] == "bye"


def test_44_more_than_may_be_in_flight_at_once_goes_without_a_pause(either: Either) -> None:
    """A browser counts what outlives its page until its answer is read, and one under load for
    longer: so only what is sent on leaving is to outlive it."""
    page = either.visit("/")
    either.rows("page_view")
    text = "'x'.repeat(600)"
    page.evaluate(
        f"() => {{ for (let n = 0; n < 200; n++) handraise('track', 'n', {{ x: {text} }}) }}"
    )
    for _ in range(4):  # a busy machine takes its time, but without a pause
        found = either.rows("track", 200)
        if len(found) == 200:
            break
    assert len(found) == 200
    assert sum(request.size for request in either.requests) > 2 * 65_536
    times = [request.at for request in either.requests]
    gaps = [after - before for before, after in pairwise(times)]
    assert max(gaps) < 2.9, "a request that failed is tried again after three seconds"


def test_15_an_error_told_late_fails_a_test_in_every_engine(
    tracker: Tracker, host: Host, engine: Engine
) -> None:
    """What the other tests rely on: nobody reads anything between the error and the end."""
    host.clear()
    tracker.gate.clear()
    either = Either(tracker, host, engine)
    either.visit("/")
    assert either.late_errors() == []
    either.page.evaluate("void setTimeout(() => { throw new Error('boom') })")
    found = either.late_errors()
    either.visitor.close()
    assert [text for text in found if "boom" in text] != []
