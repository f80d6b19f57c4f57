"""The public doors: any bytes give a clear answer, and never harm a neighbour."""

import asyncio
import gzip
import json
import random
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from server.app import Handraise
from server.ingest.payload import write_id
from server.model import SiteSettings
from server.reports.delivery import delivery
from server.reports.refused import refused
from server.storage import sites
from tests.web.gated import guarded

pytestmark = pytest.mark.anyio
CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko)"
    " Chrome/142.0.0.0 Safari/537.36"
)
VISITOR = "Zm9vYmFyYmF6cXV4MTIzNA"


@pytest.fixture(params=["connection", "asgi"])
async def client(
    app: Handraise, request: pytest.FixtureRequest
) -> AsyncIterator[httpx2.AsyncClient]:
    """A browser's network, on a site with the key `k1`: batches are taken by the connection, or
    by the app where another server runs it."""
    now = app.state.clock()
    await app.state.writer.run(lambda: sites.add("Acme", "k1", "s", SiteSettings(), now))
    await app.state.reload()
    headers = {"User-Agent": CHROME}
    if request.param == "asgi":
        transport = httpx2.ASGITransport(app=app.asgi)
        async with httpx2.AsyncClient(
            transport=transport, base_url="http://t.example", headers=headers
        ) as ready:
            yield ready
        return
    async with (
        guarded(app) as port,
        httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=headers) as ready,
    ):
        yield ready


def view(number: int, now: int, **more: Any) -> dict[str, Any]:
    name = write_id(now.to_bytes(6, "big") + number.to_bytes(10, "big"))
    return {"i": name, "y": "page_view", "t": now, "u": "https://acme.example/"} | more


def body(app: Handraise, *events: Any, **more: Any) -> bytes:
    shape = {"k": "k1", "v": VISITOR, "t": app.state.clock(), "e": list(events)}
    return json.dumps(shape | more).encode()


async def stored(app: Handraise) -> int:
    rows = await app.database.fetch("SELECT count(*) FROM entries WHERE site_id = 1 AND kind < 64")
    return int(rows[0][0])


async def projected(app: Handraise) -> None:
    """Wait until the running projector has passed the head of the log."""
    head = (await app.database.fetch("SELECT seq FROM heads WHERE site_id = 1"))[0][0]
    async with asyncio.timeout(10):
        await app.state.projector.passed(1, head)


async def test_accepted_means_stored(app: Handraise, client: httpx2.AsyncClient) -> None:
    """202 with the counts; the same again is a duplicate."""
    sent = body(app, view(1, app.state.clock()), view(2, app.state.clock()))
    first = await client.post("/e", content=sent)
    assert (first.status_code, first.json()) == (
        202,
        {"accepted": 2, "duplicates": 0, "dropped": []},
    )
    again = await client.post("/e", content=gzip.compress(sent))
    assert again.json() == {"accepted": 0, "duplicates": 2, "dropped": []}
    assert await stored(app) == 2
    assert first.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in first.headers


async def test_a_refusal_is_named_and_its_neighbour_kept(
    app: Handraise, client: httpx2.AsyncClient
) -> None:
    """In the body, in the header, in the counters."""
    now = app.state.clock()
    answer = await client.post(
        "/e", content=body(app, view(1, now), view(2, now, u="javascript:alert(1)"), {"i": 3})
    )
    assert answer.status_code == 202
    assert answer.json()["accepted"] == 1
    assert sorted(d["reason"] for d in answer.json()["dropped"]) == ["bad_url", "unparsable"]
    assert answer.headers["handraise-dropped"] == "bad_url, unparsable"
    assert await stored(app) == 1
    taken = app.state.refused.take()
    assert taken is not None
    await app.state.writer.run(taken.script)
    rows = await app.database.fetch("SELECT reason, count FROM refusals ORDER BY reason")
    assert rows == [("bad_url", 1), ("unparsable", 1)]


async def test_another_coding_is_named(app: Handraise, client: httpx2.AsyncClient) -> None:
    """A body that cannot be read for its packing; one that can be is taken, whatever it says."""
    packed = await client.post("/e", content=b"\x0b\x02", headers={"Content-Encoding": "br"})
    assert (packed.status_code, packed.json()["code"]) == (415, "coding")
    assert packed.headers["access-control-allow-origin"] == "*"
    sent = body(app, view(1, app.state.clock()))
    plain = await client.post("/e", content=sent, headers={"Content-Encoding": "br"})
    assert plain.json()["accepted"] == 1


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"", 400),
        (b"\x00" * 100, 400),
        (b"{" * 100_000, 400),
        (b'{"k":' + b"[" * 200_000, 400),
        (b"x" * 500_001, 413),
        (gzip.compress(b"0" * 2_000_000), 413),
        (b"\x1f\x8b" + b"junk", 400),
        (b'{"k":"nobody","t":1,"e":[]}', 403),
        (b'{"k":"k1","t":1,"e":[]}', 202),
        (b'{"k":"k1\\u0000","t":1,"e":[]}', 403),
        (b'{"k":"' + b"k" * 100_000 + b'","t":1,"e":[]}', 403),
    ],
    ids=["empty", "nul", "open", "deep", "big", "bomb", "gzip", "key", "none", "nul_key", "long"],
)
async def test_bad_bodies_are_clear_errors(
    app: Handraise, client: httpx2.AsyncClient, content: bytes, status: int
) -> None:
    """A problem document below 500, nothing stored, and the next request is served."""
    answer = await client.post("/e", content=content)
    assert answer.status_code == status
    if status != 202:
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["detail"]
    good = await client.post("/e", content=body(app, view(1, app.state.clock())))
    assert good.json()["accepted"] == 1
    assert await stored(app) == 1


POISON: list[tuple[str, Any]] = [
    ("nul", {"n": "a\u0000b"}),
    ("emoji", {"n": "😀 עברית"}),
    ("props", {"y": "track", "d": {"name": "x", "props": {str(i): i for i in range(10_000)}}}),
    ("digits", {"y": "track", "d": {"name": "x", "props": {"a": 10**4000}}}),
    ("64 bits", {"y": "track", "d": {"name": "x", "props": {"a": 2**70}}}),
    ("long", {"u": "https://acme.example/" + "x" * 20_000}),
    ("future", {"t": 4_000_000_000_000}),
    ("ancient", {"t": 1}),
    ("q", {"q": 10**18}),
    ("float", {"q": 1e300}),
    ("no page", {"p": "nonsense"}),
    ("reserved", {"y": "identify", "d": {"user_id": "undefined"}}),
    ("data", {"d": "text"}),
]


@pytest.mark.parametrize(("name", "change"), POISON, ids=[name for name, _ in POISON])
async def test_one_poisoned_event_never_costs_its_neighbours(
    app: Handraise, client: httpx2.AsyncClient, name: str, change: dict[str, Any]
) -> None:
    """Good, poisoned, good: both good ones are stored, and the projector passes all."""
    now = app.state.clock()
    content = body(app, view(1, now), view(2, now) | change, view(3, now))
    answer = await client.post("/e", content=content)
    assert answer.status_code == 202
    assert answer.json()["accepted"] + len(answer.json()["dropped"]) == 3
    assert answer.json()["accepted"] >= 2
    await projected(app)
    assert (await app.database.fetch("SELECT page_views FROM sessions"))[0][0] >= 2


async def test_a_lone_surrogate_is_stored(app: Handraise, client: httpx2.AsyncClient) -> None:
    """JSON.stringify escapes it; it becomes U+FFFD."""
    content = body(app, view(1, app.state.clock(), n="MARK")).replace(b"MARK", b"a\\ud800b")
    assert (await client.post("/e", content=content)).json()["accepted"] == 1
    rows = await app.database.fetch("SELECT text FROM strings WHERE text = $1", "a\ufffdb")
    assert len(rows) == 1


async def test_random_bytes_never_break_it(app: Handraise, client: httpx2.AsyncClient) -> None:
    """300 mutations of a good batch: below 500 each, and the server goes on."""
    rng = random.Random(3)
    good = body(app, view(1, app.state.clock()))
    for _ in range(300):
        broken = bytearray(good)
        for _ in range(rng.randrange(1, 6)):
            broken[rng.randrange(len(broken))] = rng.randrange(256)
        assert (await client.post("/e", content=bytes(broken))).status_code < 500
    assert (await client.get("/readyz")).status_code == 200


async def test_other_methods(client: httpx2.AsyncClient) -> None:
    """A preflight is answered, the rest is told what to send."""
    preflight = await client.request("OPTIONS", "/e")
    assert preflight.status_code == 204
    assert "POST" in preflight.headers["access-control-allow-methods"]
    assert (await client.get("/e")).status_code == 405


async def test_an_overloaded_writer_says_when_to_come_back(
    app: Handraise, client: httpx2.AsyncClient
) -> None:
    """503 with Retry-After, and nothing is stored."""
    app.state.writer.queue_events = 0
    answer = await client.post("/e", content=body(app, view(1, app.state.clock())))
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0
    assert await stored(app) == 0


async def test_a_full_disk_refuses_events_and_serves_the_rest(
    app: Handraise, client: httpx2.AsyncClient
) -> None:
    """Below the floor."""
    app.state.writer.has_room = lambda: False
    answer = await client.post("/e", content=body(app, view(1, app.state.clock())))
    assert answer.status_code == 503
    assert (await client.get("/livez")).status_code == 200


async def test_the_pixel_counts_a_view_and_no_visitor(
    app: Handraise, client: httpx2.AsyncClient
) -> None:
    """For mails and pages without JavaScript."""
    answer = await client.get("/p/k1.gif", params={"u": "https://acme.example/x"})
    assert answer.headers["content-type"] == "image/gif"
    assert answer.content.startswith(b"GIF89a")
    await projected(app)
    assert await app.database.fetch("SELECT count(*) FROM visitors") == [(0,)]
    rows = await app.database.fetch("SELECT name, value FROM rollups")
    assert rows == [("cookieless_views", 1)]
    assert (await client.get("/p/nobody.gif")).status_code == 403


async def test_a_form_without_javascript(app: Handraise, client: httpx2.AsyncClient) -> None:
    """Sent, thanked, once; the person is there."""
    now = app.state.clock() // 600_000 * 600_000  # both clicks within the same ten minutes
    app.state.clock = lambda: now
    form = {"email": "ann@brew.example", "name": "Ann"}
    headers = {"Referer": "https://acme.example/contact"}
    first = await client.post("/f/k1/contact", data=form, headers=headers)
    assert first.status_code == 200
    assert "Thank you" in first.text
    assert "https://acme.example/contact" in first.text
    await client.post("/f/k1/contact", data=form, headers=headers)
    assert await stored(app) == 1
    await projected(app)
    assert await app.database.fetch("SELECT email, name FROM persons") == [
        ("ann@brew.example", "Ann")
    ]


async def test_the_form_door_keeps_robots_out(app: Handraise, client: httpx2.AsyncClient) -> None:
    """The hidden field, a forged token, one sent back at once."""
    trapped = await client.post("/f/k1/contact", data={"email": "a@x.example", "_website": "spam"})
    assert trapped.status_code == 200  # a robot learns nothing
    forged = await client.post("/f/k1/contact", data={"email": "a@x.example", "_token": "x.y.z"})
    assert forged.status_code == 400
    assert 'role="alert"' in forged.text
    page = (await client.get("/f/k1/contact")).text
    token = page.split('name="_token" value="')[1].split('"')[0]
    hasty = await client.post("/f/k1/contact", data={"email": "a@x.example", "_token": token})
    assert hasty.status_code == 400
    assert await stored(app) == 0


@pytest.mark.parametrize(
    "path", ["/f/nobody/contact", "/f/k1/%00", "/h/nobody.js", "/nothing", "/e/x", "/p/.gif"]
)
async def test_paths_that_lead_nowhere(client: httpx2.AsyncClient, path: str) -> None:
    """Below 500, and a document that says so."""
    answer = await client.get(path)
    assert answer.status_code in {200, 403, 404}


async def test_form_door_with_hostile_bodies(client: httpx2.AsyncClient) -> None:
    """Files, endless fields, broken multipart, no body."""
    for content, kind in [
        (b"", "application/x-www-form-urlencoded"),
        (b"a=1&" * 5_000, "application/x-www-form-urlencoded"),
        (b"--x\r\nbroken", "multipart/form-data; boundary=x"),
        (b"--x\r\n", "multipart/form-data"),
        (b"x" * 100_000, "application/x-www-form-urlencoded"),
        (b"\xff\xfe=%ff%00", "application/x-www-form-urlencoded"),
    ]:
        answer = await client.post("/f/k1/contact", content=content, headers={"Content-Type": kind})
        assert answer.status_code < 500


async def test_the_hosted_form_works_where_origins_are_listed(
    app: Handraise, client: httpx2.AsyncClient
) -> None:
    """Our own page is known by its token; any other page's form is told that it was not taken."""
    shop = SiteSettings(origins=("https://shop.example",))
    await app.state.writer.run(lambda: sites.add("Shop", "k2", "s", shop, app.state.clock()))
    await app.state.reload()
    page = (await client.get("/f/k2/contact")).text
    token = page.split('name="_token" value="')[1].split('"')[0]
    later = app.state.clock() + 5_000
    app.state.clock = lambda: later
    form = {"email": "ann@brew.example", "name": "Ann"}
    own = await client.post(
        "/f/k2/contact", data=form | {"_token": token}, headers={"Origin": "http://t.example"}
    )
    assert own.status_code == 200
    foreign = await client.post("/f/k2/contact", data=form, headers={"Origin": "https://x.example"})
    assert foreign.status_code == 400
    assert "not sent" in foreign.text
    rows = await app.database.fetch("SELECT count(*) FROM entries WHERE site_id = 2 AND kind = 6")
    assert rows == [(1,)]


async def test_hostile_headers_are_below_500(client: httpx2.AsyncClient) -> None:
    """An address with an open bracket, in every header that is read."""
    form = {"email": "ann@brew.example"}
    for headers in ({"Referer": "http://[x"}, {"Origin": "http://["}, {"Sec-Fetch-Site": "x"}):
        assert (await client.post("/f/k1/contact", data=form, headers=headers)).status_code < 500
        assert (await client.post("/sign-out", headers=headers)).status_code < 500
        assert (await client.get("/p/k1.gif", headers=headers)).status_code < 500
    assert (await client.get("/api/v1/sites/%C2%B2/people")).status_code < 500


async def test_what_came_twice_is_counted_and_is_no_refusal(
    app: Handraise, client: httpx2.AsyncClient
) -> None:
    """Numbers 1, 2 and 4 of a tab; the batch comes again, for its answer got lost."""
    now = app.state.clock()
    sent = body(app, *(view(n, now, q=n) for n in (1, 2, 4)), s="AAAAAAAAAAE")
    for _ in range(2):
        assert (await client.post("/e", content=sent)).status_code == 202
    taken = app.state.refused.take()
    assert taken is not None
    await app.state.writer.run(taken.script)
    (site,) = app.state.sites.all
    async with app.database.snapshot() as reader:
        found = await delivery(reader, site, app.state.tools.agents)
        told = await refused(reader, site, 0)
    assert (found.tabs, found.events, found.missing, found.late) == (1, 3, 1, 0)
    assert found.duplicates == 3
    assert [row.duplicates for row in (*found.browsers, *found.pages)] == [3, 3]
    assert [row.name for row in found.browsers] == ["Chrome"]
    assert told.items == []
    assert 'reason="duplicate"' not in (await client.get("/metrics")).text
