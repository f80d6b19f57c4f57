"""Signals, refused events and the log itself."""

import msgspec
import pytest

from server.errors import Refusal
from server.ingest.payload import read_id
from server.model import Class
from server.project.ruleset import DEFAULT
from server.reports.log import log_lines
from server.reports.paging import Paging
from server.reports.refused import MEANINGS, refused
from server.reports.shapes import iso
from server.reports.signals import signals
from server.storage import refusals
from tests.acme import Known, crowd
from tests.tracking import HOUR, MIN, NOON, World

pytestmark = pytest.mark.anyio
LABELS = {rule.key: rule.label for rule in DEFAULT.rules}


async def test_signals_come_with_their_person_and_page(world: World, known: Known) -> None:
    """Newest first; a stranger's have no person."""
    async with world.database.snapshot() as reader:
        found = await signals(reader, world.site, LABELS, 0, world.now, Paging(200))
    assert [row.rule for row in found.items][:2] == ["lead_magnet", "pricing_page"]
    newest = found.items[0]
    assert newest.person is not None
    assert newest.person.email == "ada@lovelace.example"
    assert newest.label == LABELS["lead_magnet"]
    assert newest.url == "https://acme.example/pricing"
    strangers = [row for row in found.items if row.person is None]
    assert [(row.visitor, row.rule) for row in strangers] == [(known.stranger, "pricing_page")]


async def test_signals_since_a_moment_page_by_page(world: World) -> None:
    """All of them once, whatever shares a moment."""
    await crowd(world, 12)
    async with world.database.snapshot() as reader:
        whole = (await signals(reader, world.site, LABELS, 0, world.now, Paging(200))).items
        seen: list[object] = []
        page = Paging(5)
        while True:
            found = await signals(reader, world.site, LABELS, 0, world.now, page)
            seen += found.items
            if found.next is None:
                break
            page = Paging(5, found.next)
        assert seen == whole
        middle = await signals(reader, world.site, LABELS, NOON + 3 * MIN, world.now, Paging(200))
    assert 0 < len(middle.items) < len(whole)


async def test_a_form_left_is_a_signal_once_the_visit_is_over(world: World) -> None:
    """Half an hour after the last event, not before."""
    browser = world.browser()
    await browser.send(
        browser.event("form_start", "/demo", d={"form": "demo", "fields": ["email"]})
    )
    await world.project()
    rules = []
    for passed in (10 * MIN, HOUR):
        async with world.database.snapshot() as reader:
            found = await signals(reader, world.site, LABELS, 0, NOON + passed, Paging())
        rules.append([row.rule for row in found.items])
    assert rules[0] == []
    assert len(rules[1]) == 1


async def test_refused_events_are_explained(world: World) -> None:
    """Counts, samples and words for every reason; that somebody was erased is never told."""
    hour = NOON // HOUR
    counts = {(1, "origin", hour): 3, (1, "class_bot", hour): 5, (1, "tombstone", hour): 9}
    samples = {(1, "origin"): [(NOON + 7 * MIN, '{"origin":"https://else.example"}')]}
    await world.writer.run(lambda: refusals.add(counts, samples))
    async with world.database.snapshot() as reader:
        found = await refused(reader, world.site, 0)
        later = await refused(reader, world.site, NOON + 2 * HOUR)
    assert [(row.reason, row.count, row.stored) for row in found.items] == [
        ("class_bot", 5, True),
        ("origin", 3, False),
    ]
    assert found.items[1].samples[0].sample == {"origin": "https://else.example"}
    assert [row.last for row in found.items] == [iso(hour * HOUR), iso(NOON + 7 * MIN)]
    assert all(row.meaning for row in found.items)
    assert later.items == []


def test_every_reason_has_a_meaning() -> None:
    """A reason added without words for the owner fails here."""
    reasons = {str(reason) for reason in Refusal} - {"tombstone"}
    classes = {f"class_{one.name.lower()}" for one in Class if one is not Class.HUMAN}
    assert set(MEANINGS) == reasons | classes


async def test_the_log_is_written_in_words(world: World, known: Known) -> None:
    """Every entry, in order, gapless, without an interned id."""
    text = b"".join([part async for part in log_lines(world.database.snapshot, world.site, 0)])
    lines = [msgspec.json.decode(line) for line in text.splitlines()]
    head = (await world.rows("heads", "seq"))[0][0]
    assert [line["seq"] for line in lines] == list(range(1, head + 1))
    first = lines[0]
    assert first["kind"] == "page_view"
    assert first["url"] == "https://acme.example/"
    assert first["referrer"] == "https://www.google.com/"
    assert first["title"] == "Home"
    assert first["agent"].startswith("Mozilla/5.0")
    assert read_id(first["visitor_key"]) == (1).to_bytes(16, "big")
    assert first["at"] == "2026-11-03T12:00:00.000Z"
    forms = [line for line in lines if line["kind"] == "form_submit"]
    assert forms[0]["data"]["form"] == "demo"
    assert {line["kind"] for line in lines} >= {"stage_moved", "crossed"}
    rest = b"".join([part async for part in log_lines(world.database.snapshot, world.site, 3)])
    assert rest.splitlines() == text.splitlines()[3:]
