"""The pages for people: what they show, what they never let through, how one gets in."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
import pytest

from server.storage.sign_ins import IDLE_MS, LINK_MS
from server.web.headers import PAGE_CSP
from server.web.sign_in import new_link
from server.web.visits import ago, span
from tests.office import BASE, Office
from tests.tracking import DAY, HOUR

pytestmark = [pytest.mark.anyio, pytest.mark.slow]
ONE_ENGINE = pytest.mark.parametrize("place", ["sqlite"], indirect=True)


@asynccontextmanager
async def signed_in(office: Office) -> AsyncIterator[httpx2.AsyncClient]:
    """A browser that opened a fresh link."""
    async with office.client() as client:
        answer = await client.get(await new_link(office.app.state))
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        yield client


async def test_a_link_opens_the_pages_once(office: Office) -> None:
    """Only its first use, only from a browser that comes to stay, and no longer than a day."""
    state = office.app.state
    async with office.client() as client:
        locked = await client.get("/")
        assert locked.status_code == 401
        assert "link from your terminal" in locked.text
        link = await new_link(state)
        assert (await client.head(link)).status_code == 204
        prefetched = await client.get(link, headers={"Sec-Purpose": "prefetch"})
        assert prefetched.status_code == 204
        opened = await client.get(link)
        cookie = opened.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "samesite=lax" in cookie.lower()
        assert "secure" not in cookie.lower()
        assert (await client.get("/")).status_code == 200
    async with office.client() as other:
        again = await other.get(link)
        assert again.status_code == 401
        assert "used before" in again.text
        late = await new_link(state)
        office.world.now += LINK_MS
        assert (await other.get(late)).status_code == 401
        assert (await other.get("/open/nonsense")).status_code == 401


async def test_a_sign_in_ends(office: Office) -> None:
    """Kept by use, lost after two weeks without, and by signing out."""
    async with signed_in(office) as client:
        for _ in range(3):
            office.world.now += IDLE_MS - HOUR
            assert (await client.get("/")).status_code == 200
        cookie = dict(client.cookies)
        assert (await client.post("/sign-out")).status_code == 303
        assert (await client.get("/")).status_code == 401
        client.cookies.update(cookie)
        assert (await client.get("/")).status_code == 401
    async with signed_in(office) as client:
        office.world.now += IDLE_MS
        assert (await client.get("/")).status_code == 401


@ONE_ENGINE
async def test_the_cookie_is_bound_to_https_where_there_is_https(office: Office) -> None:
    """In the clear only on this machine; behind a TLS proxy with the host prefix."""
    state = office.app.state
    path = (await new_link(state)).removeprefix(BASE)
    async with office.client() as client:
        refused = await client.get(f"http://stats.example{path}")
        assert refused.status_code == 403
        assert "HANDRAISE_PUBLIC_URL" in refused.text
        state.base_url = "https://stats.example"
        opened = await client.get(f"http://stats.example{path}")
        assert opened.headers["set-cookie"].startswith("__Host-handraise=")
        assert "Secure" in opened.headers["set-cookie"]


ORIGINS: list[tuple[dict[str, str], int]] = [
    ({"Sec-Fetch-Site": "cross-site"}, 403),
    ({"Sec-Fetch-Site": "same-site"}, 403),
    ({"Origin": "https://evil.example"}, 403),
    ({"Origin": "null"}, 403),
    ({"Sec-Fetch-Site": "same-origin"}, 201),
    ({"Origin": BASE}, 201),
    ({}, 201),
]


@ONE_ENGINE
async def test_another_sites_page_changes_nothing(office: Office) -> None:
    """A cookie counts for a change only where our own page sent it."""
    async with signed_in(office) as client:
        for headers, status in ORIGINS:
            body = {"scope": "read"}
            answer = await client.post("/api/v1/sites/1/tokens", json=body, headers=headers)
            assert answer.status_code == status, headers


async def test_the_list_shows_who_is_hot(office: Office) -> None:
    """Names, stages, grades, signals in words, and how to find somebody."""
    async with signed_in(office) as client:
        page = (await client.get("/?site=1")).text
        assert page.index("Ada Lovelace") < page.index("eve@evil.example") < page.index("Ben")
        assert "Read the pricing page" in page
        assert f'href="/people/{office.known.ada}?site=1"' in page
        found = (await client.get("/?site=1&q=love")).text
        assert "Ada" in found
        assert "Ben" not in found
        assert "Nobody fits" in (await client.get("/?site=1&q=zzz")).text
        empty = (await client.get("/?site=2")).text
        assert "h/k2.js&#34;&gt;&lt;/script&gt;" in empty
        assert (await client.get("/?site=3")).status_code == 404
        wrong = await client.get("/?site=1&sort=up")
        assert wrong.status_code == 400
        assert "valid are" in wrong.text


async def test_a_person_in_full(office: Office) -> None:
    """The story folded into visits, the receipt with its sum, and how they are known."""
    async with signed_in(office) as client:
        page = (await client.get(f"/people/{office.known.ada}?site=1")).text
        assert page.count('<details class="visit') == 3
        assert "Became SQL" in page
        assert "Sent the form “demo”" in page
        assert "read 1 min 10 s, scrolled 90 %" in page
        assert "ada@lovelace.example" in page
        assert "Visitor 1" in page
        lines = re.findall(r'<td class="number[^"]*">([^<]*)</td>', page)
        *parts, total = [float(text.replace("−", "-").replace("+", "")) for text in lines]
        assert sum(round(part * 1000) for part in parts) == round(total * 1000)
        visitor = (await client.get(f"/visitors/{office.known.stranger}?site=1")).text
        assert "Nobody has said who this is" in visitor
        assert "Anonymous visitors" in (await client.get("/visitors?site=1")).text
        for missing in ("/people/p9999", "/people/x", "/visitors/v1", "/visitors/p1"):
            assert (await client.get(f"{missing}?site=1")).status_code == 404


async def test_hostile_text_stays_text(office: Office) -> None:
    """Titles, names and fields that are markup arrive as letters; no page runs anything."""
    async with signed_in(office) as client:
        for path in ("/?site=1", f"/people/{office.known.eve}?site=1", "/?site=1&q=%22%3E%3Cb%3E"):
            answer = await client.get(path)
            assert "<img src=x" not in answer.text
            assert "<script" not in answer.text.lower()
            assert " style=" not in answer.text
            assert not re.search(r"<[^>]+\son\w+=", answer.text)
            assert answer.headers["content-security-policy"] == PAGE_CSP
            assert answer.headers["x-frame-options"] == "DENY"
            assert answer.headers["referrer-policy"] == "same-origin"
            assert answer.headers["cache-control"] == "no-store"
        person = (await client.get(f"/people/{office.known.eve}?site=1")).text
        assert "&lt;img src=x onerror=alert(2)&gt;" in person
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in person


async def test_the_style_sheet_is_served(office: Office) -> None:
    async with office.client() as client:
        answer = await client.get("/static/app.css")
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/css")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59.9, "59 s"), (60, "1 min"), (70, "1 min 10 s"), (3_600, "1 h 0 min")],
)
def test_spans_in_words(seconds: float, text: str) -> None:
    assert span(seconds) == text


@pytest.mark.parametrize(
    ("ms", "text"),
    [(0, "just now"), (60_000, "1 minute ago"), (5 * HOUR, "5 hours ago"), (2 * DAY, "2 days ago")],
)
def test_long_ago_in_words(ms: int, text: str) -> None:
    from datetime import UTC, datetime, timedelta

    now = datetime(2026, 11, 20, tzinfo=UTC)
    assert ago(now - timedelta(milliseconds=ms), now) == text
