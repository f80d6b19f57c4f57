"""The pages for people: what they show, what they never let through, how one gets in."""

import re
from html.parser import HTMLParser

import httpx2
import pytest

from server.web.headers import PAGE_CSP
from server.web.pages.table import PAGES
from server.web.problems import FAULT
from server.web.visits import ago, span
from tests.office import BASE, Office
from tests.storage.world import statement
from tests.tracking import DAY, HOUR

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


async def test_the_list_shows_who_is_hot(office: Office) -> None:
    """Names, stages, grades, signals in words, and how to find somebody."""
    async with await office.browser() as client:
        page = (await client.get("/people?site=1")).text
        assert page.index("Ada Lovelace") < page.index("eve@evil.example") < page.index("Ben")
        assert "Read the pricing page" in page
        assert f'href="/people/{office.known.ada}?site=1"' in page
        found = (await client.get("/people?site=1&q=love")).text
        assert "Ada" in found
        assert "Ben" not in found
        assert "Nobody fits" in (await client.get("/people?site=1&q=zzz")).text
        empty = (await client.get("/people?site=2")).text
        assert "Nobody has raised a hand yet" in empty
        assert "h/k2.js&#34;&gt;&lt;/script&gt;" in (await client.get("/install?site=2")).text
        assert (await client.get("/people?site=3")).status_code == 404
        wrong = await client.get("/people?site=1&sort=up")
        assert wrong.status_code == 400
        assert "valid are" in wrong.text
        assert 'aria-label="Main"' in wrong.text  # within the frame, with a way back
        led = {"Referer": f"{client.base_url}/people?site=1&stage=lead&said=saved"}
        wrong = await client.get("/people?site=1&min_score=many", headers=led)
        assert "“Score from”: a number belongs here" in wrong.text
        assert 'href="/people?site=1&amp;stage=lead"' in wrong.text
        foreign = {"Referer": "https://elsewhere.example/people?site=1&stage=lead"}
        wrong = await client.get("/?site=1&from=2026-11-02&to=2026-11-01", headers=foreign)
        assert "“From” lies after" in wrong.text
        assert "stage=lead" not in wrong.text


async def test_a_fault_that_nobody_foresaw_is_a_page(office: Office) -> None:
    """A row that is damaged, for example; what it was stays in the log."""
    spoil = lambda: statement("UPDATE entries SET data = '{'")  # noqa: E731
    await office.app.state.writer.run(spoil)
    signed_in = await office.browser()
    transport = httpx2.ASGITransport(app=office.app.asgi, raise_app_exceptions=False)
    async with httpx2.AsyncClient(
        transport=transport, base_url=BASE, cookies=signed_in.cookies, headers=signed_in.headers
    ) as client:
        page = f"/people/{office.known.ada}?site=1"
        answer = await client.get(page, headers={"Accept": "text/html"})
    assert answer.status_code == 500
    assert "<h1>That did not work</h1>" in answer.text
    assert FAULT[1:] in answer.text
    assert "JSON" not in answer.text


async def test_a_person_in_full(office: Office) -> None:
    """The story folded into visits, the receipt with its sum, and how they are known."""
    async with await office.browser() as client:
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
        moved = await client.get("/visitors?site=1")
        assert "Anonymous visitors" in (await client.get(moved.headers["location"])).text
        for missing in ("/people/p9999", "/people/x", "/visitors/v1", "/visitors/p1"):
            assert (await client.get(f"{missing}?site=1")).status_code == 404


class Handlers(HTMLParser):
    """Collects what would run: `on…` attributes and javascript: links."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            runs = name.startswith("on") or (value or "").strip().lower().startswith("javascript:")
            if runs and name != "value":
                self.found.append(f"{tag} {name}={value}")


def handlers(html: str) -> list[str]:
    parser = Handlers()
    parser.feed(html)
    return parser.found


async def test_hostile_text_stays_text(office: Office) -> None:
    """Titles, names and fields that are markup arrive as letters; no page runs anything."""
    known = office.known
    ids = {"person_id": known.eve, "visitor_id": known.stranger}
    pages = [
        re.sub(r"\{(\w+)\}", lambda m: str(ids[m[1]]), page.path) + "?site=1"
        for page in PAGES
        if page.method == "GET"
        and not page.path.endswith("/stream")
        and page.path != "/visitors"  # leads to the list
        and set(re.findall(r"\{(\w+)\}", page.path)) <= set(ids)
    ]
    async with await office.browser() as client:
        for path in (*pages, "/people?site=1&q=%22%3E%3Cb%3E"):
            answer = await client.get(path)
            assert answer.status_code == 200, path
            assert "<img src=x" not in answer.text
            scripts = re.findall(r"<script[^>]*>", answer.text.lower())
            assert all('src="/static/' in tag or '"application/json"' in tag for tag in scripts)
            assert " style=" not in answer.text
            assert handlers(answer.text) == []
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


async def test_weeks_begin_on_the_day_of_the_site(office: Office) -> None:
    """The chart of twelve months, on both engines; what is counted adds up to the same."""
    async with await office.browser("owner") as client, office.client(office.token) as api:
        settings = "/api/v1/sites/1/settings"
        for number, day in ((1, "Mon"), (4, "Thu"), (7, "Sun")):
            changed = await api.patch(settings, json={"week_start": number})
            assert changed.status_code == 200, changed.text
            page = (await client.get("/?site=1&range=12m")).text
            weeks = re.findall(r'<th scope="row">Week from (\w+), [^<]*</th>', page)
            assert len(weeks) >= 53
            assert set(weeks) == {day}
            assert page.count(", so far</th>") == 1


async def test_weeks_of_any_days_are_weeks_of_the_site(office: Office) -> None:
    """Days that begin on a Wednesday and end on a Tuesday stay as they are; what is left of their
    first and last week says so, on the page and by the API."""
    days = "from=2026-01-07&to=2026-06-30"
    async with await office.browser("owner") as client, office.client(office.token) as api:
        page = (await client.get(f"/?site=1&{days}")).text
        weeks = re.findall(r'<th scope="row">(Week from [^<]*)</th>', page)
        assert weeks[0] == "Week from Wed, 7 Jan 2026 (5 days of it)"
        assert weeks[1] == "Week from Mon, 12 Jan 2026"
        assert weeks[-1] == "Week from Mon, 29 Jun 2026 (2 days of it)"
        found = (await api.get(f"/api/v1/sites/1/overview?{days}")).json()
        assert (found["from"], found["to"]) == ("2026-01-07", "2026-06-30")
        assert found["trend"]["dates"][:2] == ["2026-01-07", "2026-01-12"]
        assert found["trend"]["dates"][-1] == "2026-06-29"
        assert len(found["trend_before"]["dates"]) == len(weeks)
