"""The widget's optional part: who gets it, how it is served, the marks and cookies behind it."""

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

import httpx2
import msgspec
import pytest

from server.ingest.payload import Envelope, WireEvent, write_id
from server.model import Site, SiteSettings
from server.web.marks import FOLLOW_MS, LIFE_MS, MOST, Marks
from server.web.returning import NOBODY, recognise
from server.web.widget import optional_file, optional_hash, widget_body
from tests.office import Office
from tests.web.test_pages_settings import ONE_ENGINE, SITE, post, settings

pytestmark = pytest.mark.anyio

NOW = 1_800_000_000_000
ANN, BEN, CAT = (write_id(bytes([number]) * 16) for number in (1, 2, 3))
A = "a.example"
NEAR = {"sec-fetch-site": "same-origin", "origin": "https://shop.example"}


def site(**given: Any) -> Site:
    return Site(site_id=7, name="Acme", keys=("k1",), settings=SiteSettings(**given))


def batch(
    visitor: str | None,
    flags: int = 1,
    url: str = "",
    referrer: str | None = "https://a.example/x",
    **more: Any,
) -> Envelope:
    event = WireEvent(i=ANN, y="page_view", t=NOW, u=url or None, r=referrer)
    return Envelope(k="k1", t=NOW, e=[event], v=visitor, f=flags, **more)


# ------------------------------------------------------------ the file


@ONE_ENGINE
async def test_the_optional_part_is_kept_for_ever_under_its_own_name(office: Office) -> None:
    app = office.app.asgi
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=app), base_url="http://t.example"
    ) as client:
        now = await client.get(f"/h/c.{optional_hash()}.js")
        old = await client.get("/h/c.000000000000.js")
        assert now.text == old.text
        assert "immutable" in now.headers["cache-control"]
        assert "immutable" not in old.headers["cache-control"]
        assert now.headers["access-control-allow-origin"] == "*"
        assert now.headers["content-type"].startswith("text/javascript")


def test_the_widget_asks_for_the_very_file_that_is_served() -> None:
    body = optional_file("").body
    assert hashlib.sha256(body).hexdigest().startswith(optional_hash())
    assert f"c.{optional_hash()}.js".encode() in widget_body({"key": "k", "links": True})
    assert b"c." + optional_hash().encode() not in widget_body({"key": "k"})


@ONE_ENGINE
async def test_the_options_are_set_on_the_site_s_page(office: Office) -> None:
    async with await office.browser("owner") as client:
        shown = (await client.get("/settings")).text
        assert 'name="tag_links"' in shown
        given = {
            "tag_links": "1",
            "tag_containers": "1",
            "tag_handover": "1",
            "tag_exclude": "/admin*\n/cart",
        }
        done = await post(client, "/settings", **SITE | given)
        assert done.headers["location"] == "/settings?said=saved"
        widget = (await settings(office))["widget"]
        assert (widget["links"], widget["handover"], widget["downloads"]) == (True, True, False)
        assert widget["containers"] is True
        assert widget["exclude"] == ["/admin*", "/cart"]
        log = (await office.get("/api/v1/sites/1/log")).text
        assert (await post(client, "/settings", **SITE | given)).status_code == 303
        assert (await office.get("/api/v1/sites/1/log")).text == log, "nothing was changed"
        key = (await office.get("/api/v1/sites/1")).json()["key"]
        tag = (await client.get(f"/h/{key}.js")).text
        assert '"links":true' in tag


@ONE_ENGINE
async def test_a_page_of_the_server_s_own_origin_gets_what_reads_the_answer(office: Office) -> None:
    key = (await office.get("/api/v1/sites/1")).json()["key"]
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=office.app.asgi), base_url="http://t.example"
    ) as client:
        near = await client.get(f"/h/{key}.js", headers={"Sec-Fetch-Site": "same-origin"})
        far = await client.get(f"/h/{key}.js", headers={"Sec-Fetch-Site": "cross-site"})
    assert '"mirror":true' in near.text
    assert "mirror" not in far.text
    assert "Sec-Fetch-Site" in far.headers["vary"]


# ------------------------------------------------------------ marks


def test_a_mark_is_good_once_and_for_two_minutes() -> None:
    marks = Marks("secret")
    mark = marks.make(7, ANN, A, NOW)
    assert ANN not in mark
    assert marks.redeem(7, mark, BEN, A, NOW + LIFE_MS) == ""
    assert marks.redeem(8, mark, BEN, A, NOW) == "", "of another site"
    assert Marks("other").redeem(7, mark, BEN, A, NOW) == ""
    for host in ("", "evil.example", "www.a.example"):
        assert marks.redeem(7, mark, BEN, host, NOW) == "", "come from elsewhere"
    assert marks.redeem(7, mark, BEN, A, NOW + LIFE_MS - 1) == ANN
    assert marks.redeem(7, mark, BEN, A, NOW) == ANN, "the answer may have been lost"
    assert marks.redeem(7, mark, CAT, A, NOW) == ""


def test_who_gave_up_an_id_is_followed_for_ten_minutes() -> None:
    marks = Marks("secret")
    assert not marks
    marks.give_up(7, BEN, ANN, NOW)
    assert marks
    assert marks.follow(7, BEN, NOW + FOLLOW_MS - 1) == ANN
    assert marks.follow(7, BEN, NOW + FOLLOW_MS) == marks.follow(8, BEN, NOW) == ""
    for number in range(MOST):
        marks.give_up(8, str(number), ANN, NOW)
    assert marks.follow(7, BEN, NOW) == "", "the oldest gives way"
    assert marks.follow(8, "0", NOW) == ANN
    marks.give_up(9, BEN, ANN, NOW + FOLLOW_MS)
    assert marks.follow(8, str(MOST - 1), NOW) == "", "what is over is forgotten"
    assert marks.follow(9, BEN, NOW + FOLLOW_MS) == ANN


def test_marks_are_forgotten_and_never_too_many() -> None:
    marks = Marks("secret")
    first = marks.make(7, ANN, A, NOW)
    for _ in range(MOST):
        marks.make(7, BEN, A, NOW)
    assert len(marks) == MOST
    assert marks.redeem(7, first, CAT, A, NOW) == ""
    marks.make(7, BEN, A, NOW + LIFE_MS)
    assert len(marks) == 1


@ONE_ENGINE
async def test_a_mark_is_given_where_the_site_hands_over(office: Office) -> None:
    found = (await office.get("/api/v1/sites/1")).json()
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=office.app.asgi), base_url="http://t.example"
    ) as client:

        async def ask(body: str, origin: str = "https://www.a.example") -> httpx2.Response:
            return await client.post("/h/mark", content=body, headers={"Origin": origin})

        wanted = json.dumps({"k": found["key"], "v": ANN})
        assert (await ask(wanted)).status_code == 403
        change = {"widget": {"handover": True}, "own_hosts": [A, "*.b.example"]}
        async with office.client(office.token) as owner:
            done = await owner.patch("/api/v1/sites/1/settings", json=change)
        assert done.status_code == 200
        given = await ask(wanted)
        assert given.status_code == 200
        assert given.headers["access-control-allow-origin"] == "*"
        state = office.app.state
        mark = given.json()["m"]
        assert state.marks.redeem(1, mark, BEN, "www.a.example", state.clock()) == ANN
        for origin in ("https://evil.example", "https://b.example", "null", "", "https://["):
            refused = await ask(wanted, origin)
            assert (refused.status_code, refused.json()["code"]) == (403, "other_host")
        assert (await ask(wanted, "https://shop.b.example:8443")).status_code == 200
        for wrong in (
            "",
            "[]",
            '{"k":"k1"}',
            json.dumps({"k": found["key"], "v": "x"}),
            "x" * 2_000,
        ):
            answer = await ask(wrong)
            assert answer.status_code in {400, 413}
            assert answer.json()["detail"]


# ------------------------------------------------------------ who returns


@pytest.mark.parametrize(
    ("headers", "more", "cookie"),
    [
        (NEAR, {}, ANN),
        (NEAR, {"c": "granted"}, ANN),
        ({}, {}, None),
        ({"sec-fetch-site": "same-site"}, {}, None),
        (NEAR | {"sec-gpc": "1"}, {}, None),
    ],
)
def test_the_cookie_mirrors_the_script_s_id(
    headers: Mapping[str, str], more: dict[str, Any], cookie: str | None
) -> None:
    back = recognise(site(), batch(ANN, **more), headers, Marks("s"), NOW)
    assert back.visitor == ""
    if cookie is None:
        assert back is NOBODY
    else:
        text = back.cookie.decode()
        assert text.startswith(f"hr7={cookie}; ")
        assert re.search(r"Max-Age=34128000; HttpOnly; SameSite=Lax; Secure$", text)


@pytest.mark.parametrize("mode", ["ask", "off"])
def test_where_nothing_may_be_kept_a_cookie_of_before_ends(mode: str) -> None:
    wire = batch(BEN)
    back = recognise(site(consent=mode), wire, NEAR | {"cookie": f"hr7={ANN}"}, Marks("s"), NOW)
    assert wire.v == BEN
    assert back.cookie.startswith(b"hr7=; Path=/; Max-Age=0;")


@pytest.mark.parametrize(
    ("cookie", "flags", "known"),
    [
        (f"a=1; hr7={ANN}; b=2", 1, ANN),
        (f"hr7={ANN}", 0, ""),
        (f"xhr7={ANN}", 1, ""),
        (f"hr71={ANN}", 1, ""),
        ("hr7=short", 1, ""),
        (f"hr7={'A' * 22}", 1, ""),
        ("", 1, ""),
    ],
)
def test_only_a_brand_new_id_gives_way_to_the_cookie(cookie: str, flags: int, known: str) -> None:
    wire = batch(BEN, flags)
    back = recognise(site(), wire, NEAR | {"cookie": cookie}, Marks("s"), NOW)
    assert (back.visitor, wire.v) == (known, known or BEN)
    assert wire.f == (0 if known else flags)
    assert back.cookie.startswith(f"hr7={known or BEN};".encode())


def test_a_refusal_ends_the_cookie_with_the_id_it_comes_with() -> None:
    wire = batch(ANN, 0)
    wire.e.append(WireEvent(i=BEN, y="consent", t=NOW, d=msgspec.Raw(b'{"state":"denied"}')))
    for headers in (NEAR | {"cookie": f"hr7={ANN}"}, NEAR):
        back = recognise(site(), wire, headers, Marks("s"), NOW)
        assert back.cookie.startswith(b"hr7=;")
    assert recognise(site(), wire, {"cookie": f"hr7={ANN}"}, Marks("s"), NOW) is NOBODY


@pytest.mark.parametrize("mode", ["on", "ask", "off"])
def test_who_has_refused_gets_the_cookie_taken_away_also_before_it_is_there(mode: str) -> None:
    back = recognise(site(consent=mode), batch(None, 0, c="denied"), NEAR, Marks("s"), NOW)
    assert back.cookie.startswith(b"hr7=; Path=/; Max-Age=0;")


def test_a_page_that_never_heard_of_its_cookie_is_followed() -> None:
    """Its brand-new id is stored by then, and the next page takes it for an old one."""
    marks = Marks("s")
    headers = NEAR | {"cookie": f"hr7={ANN}"}
    assert recognise(site(), batch(BEN), headers, marks, NOW).visitor == ANN
    later = batch(BEN, 0)
    back = recognise(site(), later, headers, marks, NOW + 60_000)
    assert (back.visitor, later.v) == (ANN, ANN)
    assert back.cookie.startswith(f"hr7={ANN};".encode())


@pytest.mark.parametrize("referrer", ["https://evil.example/", "", None, "https://b.example/", "["])
def test_a_mark_is_good_only_for_who_comes_from_where_it_was_asked_for(
    referrer: str | None,
) -> None:
    marks = Marks("s")
    url = f"https://b.example/?_hr={marks.make(7, ANN, A, NOW)}"
    headers = {"referer": "https://a.example/", "origin": "https://a.example"}
    wire = batch(BEN, url=url, referrer=referrer)
    assert recognise(site(), wire, headers, marks, NOW).visitor == ""
    assert wire.v == BEN
    assert recognise(site(), batch(CAT, url=url), {}, marks, NOW).visitor == ANN, "still good"


def test_a_mark_is_followed_by_what_its_page_sends_later() -> None:
    marks = Marks("s")
    url = f"https://b.example/?a=1&_hr={marks.make(7, ANN, A, NOW)}#x"
    for wire in (batch(BEN, url=url), batch(BEN, 0), batch(BEN, url=url)):
        assert recognise(site(), wire, {}, marks, NOW).visitor == ANN
        assert wire.v == ANN
    assert recognise(site(), batch(CAT, url=url), {}, marks, NOW).visitor == ""
    known = batch(CAT, 0, url=f"https://b.example/?_hr={marks.make(7, ANN, A, NOW)}")
    assert recognise(site(), known, {}, marks, NOW) is NOBODY or known.v == CAT


@ONE_ENGINE
async def test_types_are_given_out_as_text(office: Office) -> None:
    answer = await office.get("/h/handraise.d.ts")
    assert answer.headers["content-type"].startswith("text/plain")
    assert "command: 'identify'" in answer.text
