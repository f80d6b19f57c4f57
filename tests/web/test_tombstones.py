"""At every door somebody erased stays erased, and nobody outside can tell."""

import json
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import anyio
import httpx2
import pytest

from server.app import Handraise
from server.errors import Overloaded, Refusal
from server.ingest.payload import write_id
from server.ingest.tombstones import Tombstone
from server.model import SiteSettings
from server.storage import sites, tokens, tombstones
from server.storage.database import Query, Script

pytestmark = [pytest.mark.anyio, pytest.mark.slow]
NOW = 1_790_000_000_000
ANN, BEN = b"ann's browser 01", b"ben's browser 02"
EMAIL = "ann@brew.example"
SHOWN = ("content-type", "access-control-allow-origin", "handraise-dropped", "cache-control")


class Door:
    """Two sites that know nothing of each other, and time that stands still at NOW."""

    def __init__(self, app: Handraise, client: httpx2.AsyncClient, token: str) -> None:
        self.app = app
        self.client = client
        self.token = token
        self.number = 0

    def events(self, kind: str, *times: int, **data: Any) -> list[dict[str, Any]]:
        """One event of a kind at each of these times."""
        found = []
        for at in times:
            self.number += 1
            name = write_id(NOW.to_bytes(6, "big") + self.number.to_bytes(10, "big"))
            page = {"u": "https://acme.example/"}
            found.append({"i": name, "y": kind, "t": at, "d": data} | page)
        return found

    async def send(
        self, events: list[dict[str, Any]], *, api: bool = False, key: str = "k1", who: bytes = ANN
    ) -> httpx2.Response:
        body = {"k": key, "v": write_id(who), "t": NOW, "e": events}
        path = "/api/v1/sites/1/events" if api else "/e"
        headers = {"Authorization": f"Bearer {self.token}"} if api else {}
        return await self.client.post(path, content=json.dumps(body).encode(), headers=headers)

    async def bury(self, kind: Any, value: bytes | str, at: int = NOW) -> None:
        state = self.app.state
        await state.bury(1, [state.tombstones.mark(1, kind, value)], at)

    async def stored(self, site_id: int = 1) -> list[int]:
        """When each stored event happened."""
        rows = await self.app.database.fetch(
            "SELECT at FROM entries WHERE site_id = $1 AND kind > 0 AND kind < 64 ORDER BY at",
            site_id,
        )
        return [row[0] for row in rows]

    def vanished(self) -> int:
        """How many the owner's counter says."""
        counts = self.app.state.refused.counts
        return sum(n for (_, reason, _), n in counts.items() if reason == Refusal.TOMBSTONE)


@pytest.fixture
async def door(app: Handraise) -> AsyncIterator[Door]:
    state, token = app.state, tokens.new_token()
    state.clock = lambda: NOW
    for name, key in (("Acme", "k1"), ("Brew", "k2")):
        await state.writer.run(partial(sites.add, name, key, "s", SiteSettings(), NOW))
    await state.writer.run(lambda: tokens.add(1, token, "write", "", "t", NOW))
    await state.reload()
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=app.asgi),
        base_url="http://t.example",
        headers={"User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Firefox/140.0"},
    ) as client:
        yield Door(app, client, token)


def seen(answer: httpx2.Response) -> tuple[Any, ...]:
    """All that somebody outside sees of an answer."""
    return answer.status_code, answer.content, [answer.headers.get(name) for name in SHOWN]


@pytest.mark.parametrize("api", [False, True], ids=["/e", "events API"])
async def test_an_erased_visitor(door: Door, api: bool) -> None:
    """Up to the moment nothing is stored, later it is, and each answer is that of a taken event."""
    taken = seen(await door.send(door.events("page_view", NOW), api=api, who=BEN))
    await door.bury("visitor", ANN, NOW - 10)
    for at in (NOW - 11, NOW - 10):
        assert seen(await door.send(door.events("page_view", at), api=api)) == taken
    assert await door.stored() == [NOW]
    assert door.vanished() == 2
    assert seen(await door.send(door.events("page_view", NOW - 9), api=api)) == taken
    assert await door.stored() == [NOW - 9, NOW]


@pytest.mark.parametrize("api", [False, True], ids=["/e", "events API"])
async def test_sent_again_it_is_a_duplicate(door: Door, api: bool) -> None:
    """As anybody's event would be: twice in a batch, and once more in another."""
    ordinary, buried = door.events("page_view", NOW - 20), door.events("page_view", NOW - 20)
    known = [seen(await door.send(ordinary * n, api=api, who=BEN)) for n in (2, 1)]
    await door.bury("visitor", ANN, NOW - 10)
    assert [seen(await door.send(buried * n, api=api)) for n in (2, 1)] == known
    assert door.vanished() == 1


@pytest.mark.parametrize("api", [False, True], ids=["/e", "events API"])
@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("form_submit", {"form": "demo", "fields": {"email": "Ann@brew.example"}}),
        ("identify", {"email": EMAIL}),
        ("email_click", {"message": "m1", "email": EMAIL}),
    ],
)
async def test_an_erased_address(door: Door, api: bool, kind: str, data: dict[str, Any]) -> None:
    """From any browser; a new submission after the erasure is a new person."""
    await door.bury("email", EMAIL, NOW - 10)
    sent = door.events(kind, NOW - 11, NOW - 10, NOW - 9, **data)
    answer = await door.send([*sent, *door.events("page_view", NOW - 11)], api=api, who=BEN)
    assert answer.json() == {"accepted": 4, "duplicates": 0, "dropped": []}
    assert "handraise-dropped" not in answer.headers
    assert await door.stored() == [NOW - 11, NOW - 9]


async def test_a_form_without_javascript(door: Door) -> None:
    """The same page of thanks; the next submission after the erasure is taken."""
    taken = seen(await door.client.post("/f/k1/contact", data={"email": "ben@brew.example"}))
    await door.bury("email", EMAIL)
    form = {"email": EMAIL, "name": "Ann"}
    assert seen(await door.client.post("/f/k1/contact", data=form)) == taken
    assert len(await door.stored()) == 1
    later = NOW + 3_600_000  # sooner the same fields are the same submission
    door.app.state.clock = lambda: later
    assert seen(await door.client.post("/f/k1/contact", data=form)) == taken
    assert await door.stored() == [NOW, later]


async def test_the_pixel_names_nobody(door: Door) -> None:
    """A view without a visitor is nobody's, so it is counted as before."""
    await door.bury("visitor", ANN)
    answer = await door.client.get("/p/k1.gif", params={"u": "https://acme.example/"})
    assert answer.status_code == 200
    assert await door.stored() == [NOW]
    assert door.vanished() == 0


async def test_the_other_site_is_not_concerned(door: Door) -> None:
    """The same visitor id and the same address there are somebody else's."""
    await door.bury("visitor", ANN)
    await door.bury("email", EMAIL)
    sent = [*door.events("page_view", NOW - 5), *door.events("identify", NOW - 4, email=EMAIL)]
    assert (await door.send(sent, key="k2")).json()["accepted"] == 2
    assert await door.stored(2) == [NOW - 5, NOW - 4]
    assert (await door.send(sent)).json()["accepted"] == 2
    assert await door.stored(1) == []


async def test_what_vanishes_is_counted_without_a_sample(door: Door) -> None:
    """A number per hour, and nothing that could say who."""
    await door.bury("visitor", ANN)
    await door.send(door.events("page_view", NOW - 2, NOW - 1))
    taken = door.app.state.refused.take()
    assert taken is not None
    await door.app.state.writer.run(taken.script)
    fetch = door.app.database.fetch
    assert await fetch("SELECT reason, count FROM refusals") == [("tombstone", 2)]
    assert await fetch("SELECT reason FROM refused_samples") == []


async def test_what_is_wrong_with_an_event_is_told_as_ever(door: Door) -> None:
    """A bad neighbour is dropped by name, whoever sent it."""
    await door.bury("visitor", ANN)
    bad = door.events("page_view", NOW)[0] | {"u": "javascript:alert(1)"}
    answers = [
        await door.send([*door.events("page_view", NOW), bad], who=who) for who in (BEN, ANN)
    ]
    assert seen(answers[0]) == seen(answers[1])
    assert answers[0].headers["handraise-dropped"] == "bad_url"


async def test_an_overloaded_server_says_so_to_all(door: Door) -> None:
    """An event of somebody erased is not the one that a full disk takes."""
    await door.bury("visitor", ANN)
    door.app.state.writer.has_room = lambda: False
    answers = [await door.send(door.events("page_view", NOW), who=who) for who in (BEN, ANN)]
    assert seen(answers[0]) == seen(answers[1])
    assert answers[0].status_code == 503


async def test_bury_writes_everywhere(door: Door) -> None:
    """Ledger, memory and table; what is to be committed with the tombstones is, and is answered."""
    state = door.app.state
    mark = state.tombstones.mark(1, "visitor", ANN)

    def erasing() -> Script[int]:
        rows = yield Query("SELECT count(*) FROM tombstones WHERE site_id = $1", (1,))
        return int(rows[0][0])

    assert await state.bury(1, [mark], NOW, erasing) == 1
    assert await state.bury(1, [mark], NOW - 5) is None
    assert state.tombstones.erased_at(1, "visitor", ANN) == NOW
    async with door.app.database.snapshot() as reader:
        table = await tombstones.load(reader)
    witness = Tombstone(tombstones.WITNESS_SITE, state.tombstones.witness(), 0)
    assert table == [witness, (1, mark, NOW)]
    assert state.ledger.read() == [witness, (1, mark, NOW), (1, mark, NOW - 5)]


async def test_what_passed_the_check_before_is_there_to_be_erased(door: Door) -> None:
    """Events that wait for the writer while somebody is buried are stored before the erasing."""
    state = door.app.state

    def erasing() -> Script[int]:
        rows = yield Query("SELECT count(*) FROM entries WHERE site_id = 1 AND kind = 1")
        return int(rows[0][0])

    await door.bury("visitor", BEN)
    waiting = [door.events("page_view", *[NOW - 1] * 400) for _ in range(8)]  # two turns
    mark = state.tombstones.mark(1, "visitor", ANN)
    async with anyio.create_task_group() as group:
        for events in waiting:
            group.start_soon(door.send, events)
        found = await state.bury(1, [mark], NOW, erasing)
    assert found == len(await door.stored())
    rows = await door.app.database.fetch("SELECT seq FROM entries WHERE site_id = 1 AND kind = 0")
    assert found + len(rows) == 8 * 400
    if state.writer.buried is None:  # where other nodes may erase, appending takes some out itself
        assert door.vanished() == len(rows)


async def test_a_ledger_that_cannot_be_written_stops_the_erasure(door: Door) -> None:
    """Nothing may be taken for erased that the next restore would bring back."""
    state = door.app.state
    state.ledger.path = state.ledger.path.parent / "nowhere" / "erasures.jsonl"
    with pytest.raises(Overloaded):
        await door.bury("visitor", ANN)
    assert (await door.send(door.events("page_view", NOW))).json()["accepted"] == 1
    assert await door.stored() == [NOW]
