"""Somebody is erased: nothing of them is left, everything of the others is, and it stays so."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from server.app import Handraise, running
from server.settings import Settings
from server.storage.sqlite import SqliteDatabase
from server.web import eraser, erasure
from tests.engines import Place
from tests.leaving import CARL, EMAIL, LAPTOP, SHARED, WORDS, Zelda, table_traces, traces
from tests.office import Office, opened_office
from tests.tracking import DAY, MIN
from tests.web.erasing import CARLS, SITE, ask, erase, unlike

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


@pytest.fixture
async def office(place: Place, tmp_path: Path) -> AsyncIterator[Office]:
    """The database lies in the data folder, as where it is served from."""
    if place.engine == "sqlite":
        path = tmp_path / "data" / "handraise.db"
        path.parent.mkdir()
        place.make = lambda **options: SqliteDatabase(path, **options)
    async with opened_office(place, tmp_path) as ready:
        yield ready


def raw(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.iterdir() if path.is_file())


# ---------------------------------------------------------------- nothing is left


async def test_no_trace_is_left(
    zelda: Zelda, place: Place, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """In the database's files, its logs and the ledger; before, every word is found."""
    office, folder = zelda.office, tmp_path / "data"
    await office.world.pack()
    assert await office.world.packs()
    with caplog.at_level(logging.DEBUG, "handraise"):
        await office.app._flush()
        assert await table_traces(office, zelda.keys)
        if place.engine == "sqlite":
            before = "\n".join(traces(folder)).lower()
            assert [word for word in WORDS if word not in before] == []
            assert all(key in raw(folder) for key in zelda.keys)
        receipt = (await erase(office, zelda.ids[EMAIL]))["receipt"]
        assert await table_traces(office, zelda.keys) == []
        assert list(traces(folder, caplog.text)) == []
        assert not any(key in raw(folder) for key in zelda.keys)
    assert receipt["files_clean"] is (place.engine == "sqlite")
    assert receipt["visitors"] == 3
    assert receipt["reworded"] == 1
    assert receipt["tombstones"] == 6  # three browsers, two addresses, a user id
    assert await unlike(office) == {}
    await office.world.packs()


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
async def test_a_disk_that_is_nearly_full_stops_no_erasure(zelda: Zelda, tmp_path: Path) -> None:
    """Events are refused below the floor; whoever wants to be forgotten is."""
    office = zelda.office
    office.app.state.writer.has_room = lambda: False
    async with asyncio.timeout(30):
        await erase(office, zelda.ids[EMAIL])
    assert list(traces(tmp_path / "data")) == []


async def test_the_others_keep_what_is_theirs(zelda: Zelda) -> None:
    """Not a row of theirs changes, but for conflicts with her and what one said of her."""
    office = zelda.office
    mine = {int(zelda.ids[EMAIL][1:])}
    visitors = await visitors_of(office, mine)
    before = await of_others(office, mine, visitors)
    assert all(before.values())
    await erase(office, zelda.ids[EMAIL])
    after = await of_others(office, mine, visitors)
    for table, rows in before.items():
        assert [row for row in rows if row not in after[table]] == [], table
        assert [row for row in after[table] if row not in rows] == [], table


async def of_others(
    office: Office, person_ids: set[int], visitors: set[int]
) -> dict[str, list[Any]]:
    """What tables hold of everybody else, and the entries of these visitors."""
    keyed = {
        "persons": "person_id, email, name, company, level, created_at, owner, tags, standing",
        "identifiers": "person_id, type, value, level, at, seq",
        "stages": "person_id, seq, stage_from, stage_to, at, cause",
        "sessions": "person_id, session_id, visitor_id, state, start_at, end_at, page_views,"
        " events, landing, source, channel",
        "subjects": "subject_id, score, fit, engagement, stage, first_seen, last_seen, sessions",
    }
    found = {}
    for table, columns in keyed.items():
        where = "site_id = 1 AND kind = 1" if table == "subjects" else "site_id = 1"
        rows = await office.world.rows(table, columns, where)
        found[table] = [row for row in rows if row[0] not in person_ids | {0}]
    said = await office.world.rows(
        "entries", "seq, kind, at, visitor_id, data", "site_id = 1 AND kind > 0 AND kind <> 78"
    )
    named = f'"person":{min(person_ids)}'
    found["entries"] = [row for row in said if row[3] in visitors and named not in (row[4] or "")]
    return found


async def visitors_of(office: Office, person_ids: set[int]) -> set[int]:
    """Visitors of others that she never used."""
    rows = await office.world.rows("sessions", "visitor_id, person_id")
    hers = {visitor for visitor, person in rows if person in person_ids}
    return {visitor for visitor, _ in rows} - hers - {0}


async def test_figures_are_as_if_it_had_never_been(office: Office) -> None:
    """Every rollup, where she shared nothing with anybody."""
    zelda = Zelda(office)
    before = await office.world.rows("rollups", "name, day, key, value", "value <> 0")
    await zelda._browses()
    await office.world.project()
    await office.world.pack()
    assert before != await office.world.rows("rollups", "name, day, key, value", "value <> 0")
    rows = await office.world.rows("persons", "person_id", f"email = '{EMAIL}'")
    await erase(office, f"p{rows[0][0]}")
    assert before == await office.world.rows("rollups", "name, day, key, value")
    await office.world.packs()


# ---------------------------------------------------------------- what comes later


async def test_a_shared_browser_stays_shared(zelda: Zelda) -> None:
    """A visit on it is nobody's, also after everything is read again; Carl keeps his."""
    office, world = zelda.office, zelda.world
    shared = world.browser(SHARED)
    await erase(office, zelda.ids[EMAIL])
    world.now += DAY
    await shared.view("/later")
    await world.project()
    rows = await world.rows("sessions", "landing, person_id", "landing IN ('/later', '/docs')")
    carl = int(zelda.ids[CARLS][1:])
    assert sorted(rows) == [("/docs", carl), ("/later", 0)]
    stubs = await world.rows("entries", "visitor_id, data", "kind = 0 AND visitor_id > 0")
    assert len(stubs) == 1
    assert stubs[0][1] is None
    assert await unlike(office) == {}


async def test_what_waited_vanishes_and_what_is_new_is_a_new_person(zelda: Zelda) -> None:
    """Scenario o; up to the moment of the erasure nothing comes back."""
    office, world = zelda.office, zelda.world
    laptop = world.browser(LAPTOP)
    waiting = laptop.event("page_view", "/queued", n="Queued Zelda")
    form = {"form": "demo", "fields": {"email": EMAIL}}
    elsewhere = world.browser(CARL).event("form_submit", "/queued", d=form)
    await erase(office, zelda.ids[EMAIL])
    world.now += MIN
    await zelda.collect(laptop, waiting)
    await zelda.collect(world.browser(CARL), elsewhere)
    await world.project()
    assert await table_traces(office, zelda.keys) == []

    await zelda.collect(laptop, laptop.event("page_view", "/new"))
    await world.project()
    assert await world.rows("sessions", "person_id", "landing = '/new'") == [(0,)]
    await zelda.collect(laptop, laptop.event("form_submit", "/new", d=form))
    await world.project()
    (new,) = await world.rows("persons", "person_id, name", f"email = '{EMAIL}'")
    assert new[0] > int(zelda.ids[EMAIL][1:])
    assert new[1] == ""
    assert await world.rows("sessions", "person_id", "landing = '/new'") == [(new[0],)]
    await erase(office, f"p{new[0]}")
    assert await table_traces(office, zelda.keys) == []


@pytest.mark.parametrize("setting", ["cut", "erase"])
async def test_consent_withdrawn(office: Office, setting: str) -> None:
    """Scenario q: what was seen is nobody's from then on, or gone, as the site decides."""
    world = office.world
    async with office.client(office.token) as client:
        answer = await client.patch(f"{SITE}/settings", json={"on_withdrawal": setting})
    assert answer.status_code == 200, answer.text
    world.site = office.app.state.sites.by_id[1]
    before = await world.rows("rollups", "name, day, key, value", "value <> 0")
    browser = world.browser(77)
    await browser.view("/pricing")
    await browser.submit("demo", email="quinn@stays.example")
    refusal = browser.event("consent", "/pricing", d={"state": "denied"})
    await Zelda(office).collect(browser, refusal, c="denied")
    await world.project()
    if setting == "cut":
        rows = await world.rows("sessions", "person_id, page_views", "landing = '/pricing'")
        assert (0, 1) in rows
        assert await world.rows("erasures", "erasure_id") == []
        return
    ((number,),) = await world.rows("erasures", "erasure_id")
    async with asyncio.timeout(10):
        await office.app.state.eraser.wait(1, number)
    (item,) = (await ask(office, "GET", "/erasures")).json()["items"]
    assert item["id"].startswith("w")
    assert item["receipt"]["events"] == 3
    assert (await ask(office, "GET", f"/erasures/{item['id']}")).json() == item
    assert await world.rows("persons", "person_id", "email = 'quinn@stays.example'") == []
    assert before == await world.rows("rollups", "name, day, key, value")
    world.now += 1  # whatever happened up to the erasure is gone
    await browser.view("/back")
    await world.project()
    assert await world.rows("sessions", "person_id", "landing = '/back'") == [(0,)]
    assert await unlike(office) == {}


# ---------------------------------------------------------------- jobs


class Power:
    """Cuts it after so many transactions of the eraser: what comes then waits for ever."""

    def __init__(self, app: Handraise, transactions: int) -> None:
        self.left = transactions
        self.cut = asyncio.Event()
        self.run = app.state.writer.run
        app.state.writer.run = self.instead  # type: ignore[method-assign]

    async def instead(self, *args: Any, **options: Any) -> Any:
        task = asyncio.current_task()
        if task is not None and task.get_name() == "handraise-eraser":
            if not self.left:
                self.cut.set()
                await asyncio.Event().wait()
            self.left -= 1
        return await self.run(*args, **options)


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
@pytest.mark.parametrize("transactions", range(13))
async def test_a_job_goes_on_where_the_power_was_cut(
    zelda: Zelda, place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, transactions: int
) -> None:
    """After any of its transactions; the next start finishes it, once."""
    monkeypatch.setattr(eraser, "STUBS", 8)
    monkeypatch.setattr(erasure, "WAIT_S", 0.01)
    office = zelda.office
    power = Power(office.app, transactions)
    answer = await ask(office, "DELETE", f"/people/{zelda.ids[EMAIL]}")
    assert answer.status_code == 202
    assert answer.json() == {"erasure": "r1"}
    async with asyncio.timeout(10):
        await power.cut.wait()
    again = await ask(office, "DELETE", f"/people/{zelda.ids[EMAIL]}")
    assert again.json() == {"erasure": "r1"}
    await office.app.stop()

    settings = Settings(data=str(tmp_path / "data"), disk_floor_mb=1)
    app = Handraise(settings, database=place.make(), clock=lambda: zelda.world.now)
    async with running(app):
        async with asyncio.timeout(15):
            job = await app.state.eraser.wait(1, 1)
        assert json.loads(job.receipt)["events"] > 10
        zelda.office.app, zelda.world.database = app, app.database
        assert await table_traces(zelda.office, zelda.keys) == []
        assert list(traces(tmp_path / "data")) == []
        assert await unlike(zelda.office) == {}
        people = {row[0] for row in await zelda.world.rows("persons", "email")}
        assert {CARLS, "hugo@stays.example"} <= people
        erased = await zelda.world.rows("entries", "seq", "kind = 78")
        assert len(erased) == 1


async def test_a_restored_backup_is_erased_again_before_it_is_served(
    zelda: Zelda, place: Place, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It is as if the backup had been made after the erasure."""
    if place.engine != "sqlite":
        pytest.skip("a backup of PostgreSQL is its own tools' affair")
    office, data = zelda.office, tmp_path / "data"
    copy = tmp_path / "copy.db"
    await office.app.database.backup(str(copy))
    await erase(office, zelda.ids[EMAIL])
    await office.app.stop()
    for suffix in ("-wal", "-shm"):
        (data / f"handraise.db{suffix}").unlink(missing_ok=True)
    copy.replace(data / "handraise.db")
    assert list(traces(data))

    settings = Settings(data=str(data), disk_floor_mb=1)
    app = Handraise(settings, database=place.make(), clock=lambda: zelda.world.now + DAY)
    with caplog.at_level(logging.WARNING):
        async with running(app):
            zelda.office.app, zelda.world.database = app, app.database
            assert list(traces(data)) == []
            assert await table_traces(zelda.office, zelda.keys) == []
            people = await zelda.world.rows("persons", "email")
            assert {(CARLS,), ("hugo@stays.example",)} <= set(people)
            assert (EMAIL,) not in people
            assert await unlike(zelda.office) == {}
            await zelda.world.project()
    lines = [r.message for r in caplog.records if r.levelno >= logging.WARNING]
    assert lines == ["6 erasures are newer than this database: re-applying"]
