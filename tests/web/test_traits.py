"""Traits given by hand over the API: what is taken, what is refused, what erasing takes."""

import httpx2
import pytest

from tests.office import Office

pytestmark = pytest.mark.anyio
ONE_ENGINE = pytest.mark.parametrize("place", ["sqlite"], indirect=True)
API = "/api/v1/sites/1"


async def put(client: httpx2.AsyncClient, person: str, **traits: object) -> httpx2.Response:
    return await client.put(f"{API}/people/{person}/traits", json=traits)


@ONE_ENGINE
async def test_bant_by_hand(office: Office) -> None:
    """Every plain type; the detail says who gave it, the timeline and the page show it."""
    async with office.client(office.token) as client:
        given = {"budget": "50k", "authority": True, "seats": 60, "margin": 0.5}
        answer = await put(client, office.known.ada, **given)
        assert answer.status_code == 200, answer.text
        found = answer.json()
        assert found["traits"].items() >= given.items()
        sources = {one["name"]: one for one in found["trait_sources"]}
        assert (sources["budget"]["level"], sources["budget"]["author"]) == ("decided", "token t1")
        assert (sources["title"]["level"], sources["title"]["author"]) == ("claimed", "")
        assert (await put(client, office.known.ada, budget=None)).status_code == 200
    items = (await office.json(f"/people/{office.known.ada}/timeline", kind="trait"))["items"]
    assert [one["data"]["traits"] for one in items] == [{"budget": None}, given]
    exported = await office.json(f"/people/{office.known.ada}/export")
    assert {"seats", "authority"} <= {one["name"] for one in exported["traits"]}
    async with await office.browser() as browser:
        page = (await browser.get(f"/people/{office.known.ada}?site=1")).text
    assert "by hand" in page
    assert "Budget: taken back" in page


REFUSED = (
    (b"[]", "does not fit"),
    (b"{}", "name 1 to 50 traits"),
    (b'{"Budget": 1}', "`Budget` is no name of a trait"),
    (b'{"' + b"a" * 41 + b'": 1}', "is no name"),
    (b'{"email": "a@b.example"}', "verify it"),
    (b'{"need": " "}', "1 to 1,000 characters"),
    (b'{"need": "' + b"a" * 1_001 + b'"}', "1 to 1,000 characters"),
    (b'{"need": "a\\u0000"}', "1 to 1,000 characters"),
    (b'{"need": {"a": 1}}', "does not fit"),
    (b'{"seats": 99999999999999999999}', "too large"),
)


@ONE_ENGINE
async def test_what_is_no_trait(office: Office) -> None:
    """Refused with a sentence, and nothing is appended."""
    before = await office.world.rows("heads", "seq")
    async with office.client(office.token) as client:
        for body, said in REFUSED:
            path = f"{API}/people/{office.known.ada}/traits"
            answer = await client.put(path, content=body)
            assert (answer.status_code, said in answer.json()["detail"]) == (400, True), body
        many = {f"t{number}": 1 for number in range(51)}
        assert (await put(client, office.known.ada, **many)).status_code == 400
        assert await office.world.rows("heads", "seq") == before
        for part in range(2):
            several = {f"t{part}_{number}": 1 for number in range(50)}
            assert (await put(client, office.known.ada, **several)).status_code == 200
        full = await put(client, office.known.ada, one_more=1)
        assert (full.status_code, "at most 100" in full.json()["detail"]) == (409, True)
        assert (await put(client, office.known.ada, one_more=1, t1_3=None)).status_code == 200
    async with office.client(office.reader) as reader:
        assert (await put(reader, office.known.ada, budget=1)).status_code == 403


async def test_erased_with_the_person(office: Office) -> None:
    """The decision is blanked as notes are; nothing is left of what it said."""
    async with office.client(office.token) as client:
        assert (await put(client, office.known.eve, budget="secretsum")).status_code == 200
        assert (await put(client, office.known.eve, budget=None)).status_code == 200
        answer = await client.delete(f"{API}/people/{office.known.eve}")
        assert answer.status_code in {200, 202}
        await office.app.state.eraser.wait(1, 1)
    told = await office.world.rows("entries", "seq, data", "site_id = 1 AND data IS NOT NULL")
    assert not [row for row in told if "secretsum" in row[1] or '"budget"' in row[1]]
    assert await office.world.rows("traits", "name", "site_id = 1 AND level = 4") == []
    await office.world.verify()
