"""What the routes of erasing answer: before, after, to whom, and by which name."""

import json

import pytest

from tests.leaving import EMAIL, WORDS, Zelda, table_traces
from tests.web.erasing import CARLS, ask, erase, unlike

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


async def test_what_would_go(zelda: Zelda) -> None:
    """The same numbers as in the receipt; which browsers go whole, and whom it touches."""
    office = zelda.office
    path = f"/people/{zelda.ids[EMAIL]}"
    preview = (await ask(office, "GET", f"{path}/erasure", office.reader)).json()
    assert [fate["whole"] for fate in preview["visitors"]] == [True, True, True, False]
    assert preview["others"] == [zelda.ids[CARLS]]
    receipt = (await erase(office, zelda.ids[EMAIL]))["receipt"]
    for name in ("events", "sessions", "claims", "decisions", "reworded"):
        assert preview[name] == receipt[name], name
    assert (await ask(office, "GET", f"{path}/erasure")).status_code == 404


async def test_everything_of_a_person(zelda: Zelda) -> None:
    """The export holds what the erasure takes: every personal word."""
    office = zelda.office
    answer = await ask(office, "GET", f"/people/{zelda.ids[EMAIL]}/export", office.reader)
    assert answer.status_code == 200
    found = answer.json()
    text = answer.text.lower()
    assert [word for word in WORDS if word not in text] == []
    preview = (await ask(office, "GET", f"/people/{zelda.ids[EMAIL]}/erasure")).json()
    assert len(found["entries"]) == preview["events"] + preview["decisions"]
    assert {"note", "tag", "set_stage", "page_view", "form_submit"} <= {
        entry["kind"] for entry in found["entries"]
    }
    assert {session["state"] for session in found["sessions"]} == {"active", "quarantined"}
    assert found["person"]["email"] == EMAIL
    assert {row["kind"] for row in found["conflicts"]} >= {"quarantined"}
    assert "carl" not in json.dumps(found["entries"]).lower()
    assert (await ask(office, "GET", "/people/p999999/export")).status_code == 404


async def test_erasing_twice_and_nobody(zelda: Zelda) -> None:
    """404 as for somebody who never was; a reader may not."""
    office = zelda.office
    path = f"/people/{zelda.ids[EMAIL]}"
    assert (await ask(office, "DELETE", path, office.reader)).status_code == 403
    assert (await ask(office, "DELETE", path, office.foreign)).status_code == 404
    first = await erase(office, zelda.ids[EMAIL])
    assert (await ask(office, "DELETE", path)).status_code == 404
    assert (await ask(office, "GET", path)).status_code == 404
    assert (await ask(office, "DELETE", "/visitors/v999999")).status_code == 404
    assert (await ask(office, "GET", "/erasures")).json() == {"items": [first]}
    assert (await ask(office, "GET", "/erasures/r1")).json() == first
    assert (await ask(office, "GET", "/erasures/r2")).status_code == 404
    assert (await ask(office, "GET", "/erasures/p2")).status_code == 400


async def test_a_merged_person_is_erased_under_the_other_name(zelda: Zelda) -> None:
    """The old id leads there, and everything of both goes."""
    office = zelda.office
    hers, his = zelda.ids[EMAIL], zelda.ids[CARLS]
    older, younger = sorted((hers, his), key=lambda one: int(one[1:]))
    await zelda.post(f"/people/{hers}/merge", {"other": his})
    await office.world.project()
    answer = await ask(office, "DELETE", f"/people/{younger}")
    assert answer.status_code == 308
    assert answer.headers["location"].endswith(f"/people/{older}")
    await erase(office, older)
    assert await table_traces(office, zelda.keys) == []
    assert await office.world.rows("persons", "email", f"email = '{CARLS}'") == []
    assert await unlike(office) == {}


async def test_a_visitor_is_erased(zelda: Zelda) -> None:
    """All of one browser; who was also elsewhere stays."""
    office, world = zelda.office, zelda.world
    rows = await world.rows("sessions", "visitor_id, person_id")
    hers = int(zelda.ids[EMAIL][1:])
    (shared,) = {v for v, p in rows if p == int(zelda.ids[CARLS][1:])} & {
        v for v, p in rows if p == hers
    }
    preview = (await ask(office, "GET", f"/visitors/v{shared}/erasure")).json()
    receipt = (await erase(office, f"v{shared}"))["receipt"]
    assert receipt["events"] == preview["events"] == 5
    assert await world.rows("session_events", "seq", f"visitor_id = {shared}") == []
    people = {row[0] for row in await world.rows("persons", "email")}
    assert {EMAIL, CARLS} <= people
    assert await unlike(office) == {}
    assert (await ask(office, "DELETE", f"/visitors/v{shared}")).status_code == 404
