"""The pages of scoring: rules in words, a draft edited by forms, compared, tried out, published."""

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from server.project.backtest import Backtest, Bucket, Mover, Quality
from server.reports.backtest import Gathered
from server.reports.backtest_shapes import result_of
from server.storage.database import Query, Script
from server.web.pages.scoring_backtest import HEIGHT, WIDTH, histogram, thresholds
from tests.office import Office

pytestmark = [pytest.mark.anyio, pytest.mark.slow]
ONE_ENGINE = pytest.mark.parametrize("place", ["sqlite"], indirect=True)
SITE = "?site=1"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture
async def marketer(office: Office) -> AsyncIterator[httpx2.AsyncClient]:
    async with await office.browser("marketer") as ready:
        yield ready


@pytest.fixture
async def owner(office: Office) -> AsyncIterator[httpx2.AsyncClient]:
    async with await office.browser("owner") as ready:
        yield ready


async def seen(client: httpx2.AsyncClient, path: str, status: int = 200) -> str:
    """A page as people read it: markup taken out, spaces as one."""
    answer = await client.get(path + ("&" if "?" in path else "?") + "site=1")
    assert answer.status_code == status, answer.text
    return words(answer.text)


def words(html: str) -> str:
    text = re.sub(r"<[^>]+>", " ", html.partition("<main")[2])
    return " ".join(text.replace("&#39;", "'").split())


async def send(client: httpx2.AsyncClient, path: str, /, **fields: Any) -> httpx2.Response:
    return await client.post(path + SITE, data=fields)


async def draft(office: Office) -> dict[str, Any]:
    found: dict[str, Any] = await office.json("/rules/draft")
    return found


async def begun(office: Office, client: httpx2.AsyncClient, start: str = "published") -> str:
    """A draft, by its revision."""
    answer = await send(client, "/scoring/draft", start=start)
    assert answer.status_code == 303, answer.text
    return str((await draft(office))["revision"])


def rule(document: dict[str, Any], key: str) -> dict[str, Any]:
    found: dict[str, Any] = next(one for one in document["rules"] if one["key"] == key)
    return found


# ---------------------------------------------------------------- in force


@ONE_ENGINE
async def test_the_rules_in_force_are_said_in_words(office: Office) -> None:
    async with await office.browser("viewer") as viewer:
        page = await seen(viewer, "/scoring")
        assert "Version 1 default came with the site" in page
        assert "+10 Read the pricing page A page viewed on “pricing” pages · once a visit" in page
        assert "−50 Disposable e-mail email_class is “disposable”" in page
        assert "50 MQL becomes MQL; your destinations are told" in page
        assert "Change the rules" not in page
        file = await viewer.get("/scoring/versions/published/file?site=1")
        assert file.json() == (await office.json("/rules"))["document"]
        assert file.headers["content-disposition"] == 'attachment; filename="rules-published.json"'
        for closed in ("/scoring/draft", "/scoring/rule", "/scoring/bounds", "/scoring/json"):
            await seen(viewer, closed, 403)
        for missing in ("/scoring/versions/9", "/scoring/versions/x", "/scoring/versions/0"):
            await seen(viewer, missing, 404)


# ---------------------------------------------------------------- the draft


async def test_a_draft_from_beginning_to_end(
    office: Office, marketer: httpx2.AsyncClient, owner: httpx2.AsyncClient
) -> None:
    """Begun, edited by forms, compared in words, published by an owner; the history knows."""
    assert "What do you want to begin with?" in await seen(marketer, "/scoring/draft")
    revision = await begun(office, marketer)
    made = await send(
        marketer,
        "/scoring/rule",
        do="save",
        type="event",
        revision=revision,
        label="Opened the docs",
        points="2.5",
        kinds="page_view",
        page="/docs/*",
        counted="once_per_day",
        decay="window",
        decay_days="30",
    )
    assert made.headers["location"].startswith("/scoring/draft?"), words(made.text)
    now = await draft(office)
    assert now["author"].startswith("user u")
    assert rule(now["document"], "opened_the_docs") == {
        "key": "opened_the_docs",
        "label": "Opened the docs",
        "points": 2.5,
        "when": {"type": "event", "kinds": ["page_view"], "page": "/docs/*"},
        "counted": "once_per_day",
        "decay": {"kind": "window", "days": 30},
    }
    gone = await send(
        marketer, "/scoring/rules/careers_page/remove", revision=(await draft(office))["revision"]
    )
    assert gone.status_code == 303
    page = await seen(marketer, "/scoring/draft")
    assert "added: Opened the docs +2.5 points: a page viewed on /docs/*, once a day" in page
    assert "removed: Looked at the careers page −10 points" in page
    assert "An owner of this site publishes it" in page
    now = await draft(office)
    refused = await send(marketer, "/scoring/publish", revision=now["revision"])
    assert refused.status_code == 403
    done = await send(
        owner, "/scoring/publish", revision=now["revision"], note="docs matter", notify="1"
    )
    assert (done.status_code, "published" in done.headers["location"]) == (303, True)
    found = await office.json("/rules")
    assert (found["version"], found["note"], found["notify"]) == (2, "docs matter", True)
    assert "Version 2" in await seen(owner, "/scoring")
    history = await seen(owner, "/scoring/history")
    assert "Version 2 default, 15 rules in force docs matter" in history
    version = await seen(owner, "/scoring/versions/2")
    assert "What version 2 changed added: Opened the docs" in version
    assert "Draft from this" in version
    again = await send(marketer, "/scoring/draft", start="1")
    assert again.status_code == 303
    assert rule((await draft(office))["document"], "careers_page")["points"] == -10


async def test_somebody_was_faster(
    office: Office, marketer: httpx2.AsyncClient, owner: httpx2.AsyncClient
) -> None:
    """Nothing is overwritten without being told, and nothing typed is lost."""
    mine = await begun(office, marketer)
    edited = {"type": "event", "was": "pricing_page", "key": "pricing_page", "do": "save"}
    edited |= {"label": "Prices", "points": "11", "kinds": "page_view", "groups": "pricing"}
    theirs = await send(owner, "/scoring/rule", **{**edited, "points": "12"}, revision=mine)
    assert theirs.status_code == 303
    clash = await send(marketer, "/scoring/rule", **edited, revision=mine)
    assert clash.status_code == 409
    assert "Somebody was faster" in clash.text
    assert 'value="11"' in clash.text
    assert rule((await draft(office))["document"], "pricing_page")["points"] == 12
    for path in ("/scoring/rules/ebook/remove", "/scoring/draft/drop", "/scoring/draft/base"):
        told = await send(marketer, path, revision=mine)
        assert told.headers["location"].startswith("/scoring/draft?clash=1"), path
    over = await send(marketer, "/scoring/draft", start="seed", revision=mine)
    assert "clash=1" in over.headers["location"]
    assert "Somebody was faster" in await seen(marketer, "/scoring/draft?clash=1")
    bounds = await send(marketer, "/scoring/bounds", name="x", revision=mine)
    assert bounds.status_code == 409
    text = await send(marketer, "/scoring/json", document='{"name":"x","rules":[]}', revision=mine)
    assert (text.status_code, "Somebody was faster" in text.text) == (409, True)
    shown = re.search(r'name="revision" value="(\w+)"', clash.text)
    assert shown
    saved = await send(marketer, "/scoring/rule", **edited, revision=shown[1])
    assert saved.status_code == 303
    assert rule((await draft(office))["document"], "pricing_page")["points"] == 11
    late = await send(owner, "/scoring/publish", revision=mine)
    assert (late.status_code, "saved another draft meanwhile" in late.text) == (409, True)
    assert (await office.json("/rules"))["version"] == 1


@ONE_ENGINE
async def test_a_version_was_published_meanwhile(
    office: Office, marketer: httpx2.AsyncClient, owner: httpx2.AsyncClient
) -> None:
    """The page says what the draft does not have; publishing waits until somebody has looked."""
    await begun(office, marketer, "seed")
    async with office.client(office.token) as client:
        await client.post("/api/v1/sites/1/rules/publish", json={})
        saved = await client.put("/api/v1/sites/1/rules/draft?base=1", json={"preset": "b2b_saas"})
    revision = saved.json()["revision"]
    page = await seen(marketer, "/scoring/draft")
    assert "Version 2 was published after this draft was begun from version 1" in page
    refused = await send(owner, "/scoring/publish", revision=revision)
    assert refused.status_code == 409
    assert (await send(marketer, "/scoring/draft/base", revision=revision)).status_code == 303
    now = await draft(office)
    assert (now["base"], now["stale"], now["name"]) == (2, False, "b2b_saas")
    done = await send(owner, "/scoring/publish", revision=now["revision"])
    assert done.status_code == 303


@ONE_ENGINE
async def test_what_is_wrong_stands_beside_its_field(
    office: Office, marketer: httpx2.AsyncClient
) -> None:
    """Everything at once, what was typed is kept, and nothing is saved."""
    revision = await begun(office, marketer)
    answer = await send(
        marketer,
        "/scoring/rule",
        do="save",
        type="event",
        revision=revision,
        label='Bad "rule" <b>',
        points="many",
        kinds=["page_view", "click"],
        seconds="60",
        counted="count",
        n="1",
    )
    assert answer.status_code == 400
    assert 'value="Bad &#34;rule&#34; &lt;b&gt;"' in answer.text
    assert 'value="many"' in answer.text
    for field in ("points",):
        assert f'id="{field}-wrong"' in answer.text
    assert "This must be a number, and is “many”." in answer.text
    fixed = await send(
        marketer,
        "/scoring/rule",
        do="save",
        type="event",
        revision=revision,
        label="Bad",
        points="5",
        kinds=["page_view", "click"],
        seconds="60",
        counted="count",
        n="1",
    )
    for field in ("kinds", "n", "within_days"):
        assert f'id="{field}-wrong"' in fixed.text, field
    assert "names the event" not in fixed.text
    assert (await draft(office))["revision"] == revision
    assert (await send(marketer, "/scoring/rule")).status_code == 400
    assert (await marketer.get("/scoring/rule?site=1&key=nobody")).status_code == 404
    assert (await marketer.get("/scoring/rule?site=1&type=magic")).status_code == 404


@ONE_ENGINE
async def test_a_form_for_every_type(office: Office, marketer: httpx2.AsyncClient) -> None:
    """Every rule of every preset opens in its form and is saved as the same rule."""
    for preset in ("default", "seed", "b2b_saas", "account_engagement"):
        found = await office.json(f"/rules/presets/{preset}")
        now = await marketer.get("/scoring/draft?site=1")
        shown = re.search(r'name="revision" value="(\w*)"', now.text)
        assert shown
        started = await send(marketer, "/scoring/draft", start=preset, revision=shown[1])
        assert "clash" not in started.headers["location"]
        for one in found["document"]["rules"]:
            page = await marketer.get(f"/scoring/rule?site=1&key={one['key']}")
            assert page.status_code == 200
            fields = sent(page.text)
            saved = await marketer.post("/scoring/rule?site=1", data=fields | {"do": "save"})
            assert saved.status_code == 303, words(saved.text)
        assert (await draft(office))["document"] == found["document"]
    for kind in ("event", "sequence", "session", "form_left", "inactivity", "property"):
        assert "A new rule" in await seen(marketer, f"/scoring/rule?type={kind}")
    like = await marketer.get("/scoring/rule?site=1&like=form")
    assert 'value="form_2"' in like.text
    assert 'value="Sent a form (copy)"' in like.text


def sent(html: str) -> dict[str, list[str]]:
    """The fields of the form as a browser would send them, without any script."""
    form = html[html.index('class="rule-form"') :].partition("</form>")[0]
    found: dict[str, list[str]] = {}
    for tag in re.findall(r"<input[^>]*>", form):
        given = dict(re.findall(r'(\w+)="([^"]*)"', tag))
        if given.get("type") in {"checkbox", "radio"} and " checked" not in tag:
            continue
        found.setdefault(given["name"], []).append(plain(given.get("value", "")))
    for name, inside in re.findall(r'<textarea name="(\w+)"[^>]*>([^<]*)</textarea>', form):
        found.setdefault(name, []).append(plain(inside))
    for name, inside in re.findall(r'<select name="(\w+)"[^>]*>(.*?)</select>', form, re.S):
        options = re.findall(r'<option value="([^"]*)"( selected)?', inside)
        chosen = [value for value, mark in options if mark] or [options[0][0]]
        found.setdefault(name, []).append(plain(chosen[0]))
    return found


def plain(text: str) -> str:
    for mark, letter in (("&#34;", '"'), ("&#39;", "'"), ("&lt;", "<"), ("&amp;", "&")):
        text = text.replace(mark, letter)
    return text


@ONE_ENGINE
async def test_steps_and_tests_without_a_script(
    office: Office, marketer: httpx2.AsyncClient
) -> None:
    """Buttons of the form give one more step or test and take a step out; nothing is saved."""
    page = await marketer.get("/scoring/rule?site=1&key=pricing_then_demo")
    fields = sent(page.text)
    more = await marketer.post("/scoring/rule?site=1", data=fields | {"do": "step"})
    assert (more.status_code, more.text.count("<legend>Step ")) == (200, 3)
    fields = sent(more.text) | {"s2_kinds": ["download"]}
    fields = sent((await marketer.post("/scoring/rule?site=1", data=fields | {"do": "step"})).text)
    assert fields["s2_kinds"] == ["download"]
    less = await marketer.post("/scoring/rule?site=1", data=fields | {"do": "drop_0"})
    left = sent(less.text)
    assert (left["s1_kinds"], "s2_kinds" in left) == (["download"], False)
    tested = left | {"s0_t0_field": ["plan"], "s0_t0_op": ["exists"]}
    shown = await marketer.post("/scoring/rule?site=1", data=tested | {"do": "test"})
    assert 'name="s0_t1_field"' in shown.text
    assert (await office.get("/api/v1/sites/1/rules/draft")).status_code == 404


@ONE_ENGINE
async def test_rules_are_moved_within_their_axis(
    office: Office, marketer: httpx2.AsyncClient
) -> None:
    await begun(office, marketer, "seed")

    async def order(key: str, deed: str) -> list[str]:
        revision = (await draft(office))["revision"]
        answer = await send(marketer, f"/scoring/rules/{key}/{deed}", revision=revision)
        assert answer.status_code == 303
        return [one["key"] for one in (await draft(office))["document"]["rules"]]

    first = ["pricing_page", "ebook", "vp_of_marketing", "gmail", "five_opens"]
    assert await order("pricing_page", "up") == first
    assert await order("five_opens", "up") == [
        "pricing_page",
        "five_opens",
        "ebook",
        "vp_of_marketing",
        "gmail",
    ]
    assert (await order("vp_of_marketing", "down"))[-2:] == ["gmail", "vp_of_marketing"]
    for path in ("ebook/sideways", "nobody/up"):
        revision = (await draft(office))["revision"]
        answer = await send(marketer, f"/scoring/rules/{path}", revision=revision)
        assert answer.status_code == 404


@ONE_ENGINE
async def test_thresholds_and_bounds_by_form(office: Office, marketer: httpx2.AsyncClient) -> None:
    """A lower threshold finds its place; what is wrong stands beside its field."""
    page = await marketer.get("/scoring/bounds?site=1")
    fields = sent(page.text)
    assert fields["threshold0_points"] == ["50"]
    wrong = await marketer.post("/scoring/bounds?site=1", data=fields | {"fit_floor": "5"})
    assert (wrong.status_code, 'id="fit_floor-wrong"' in wrong.text) == (400, True)
    more = {"name": "ours", "threshold1_points": "30", "threshold1_notify": []}
    saved = await marketer.post("/scoring/bounds?site=1", data=fields | more)
    assert saved.status_code == 303, words(saved.text)
    found = (await draft(office))["document"]
    assert found["name"] == "ours"
    assert found["thresholds"] == [
        {"key": "at_30", "stage": "", "points": 30, "notify": False},
        {"key": "mql", "stage": "mql", "points": 50, "hysteresis": 10},
    ]
    fields = sent((await marketer.get("/scoring/bounds?site=1")).text)
    await marketer.post("/scoring/bounds?site=1", data=fields | {"threshold0_gone": "1"})
    assert [one["key"] for one in (await draft(office))["document"]["thresholds"]] == ["mql"]


@ONE_ENGINE
async def test_a_document_is_brought_and_taken_along(
    office: Office, marketer: httpx2.AsyncClient
) -> None:
    bad = await send(marketer, "/scoring/json", document='{"name": "x", "rules": [{"key": "a"}]}')
    assert bad.status_code == 400
    assert "/rules/0/points" in bad.text
    assert "&#34;name&#34;: &#34;x&#34;" in bad.text
    file = (await marketer.get("/scoring/versions/seed/file?site=1")).text
    assert (await send(marketer, "/scoring/json", document=file)).status_code == 303
    assert (await draft(office))["name"] == "seed"
    assert (await marketer.get("/scoring/versions/draft/file?site=1")).text == file
    dropped = await send(
        marketer, "/scoring/draft/drop", revision=(await draft(office))["revision"]
    )
    assert dropped.status_code == 303
    assert (await office.get("/api/v1/sites/1/rules/draft")).status_code == 404


# ---------------------------------------------------------------- progress and backtests


@ONE_ENGINE
async def test_while_everybody_is_scored_anew_the_page_asks_again(
    office: Office, owner: httpx2.AsyncClient
) -> None:
    """The part asks for itself every two seconds, and stops when it is done."""
    await office.app.state.writer.run(_half_way)
    page = (await owner.get("/scoring?site=1")).text
    assert "Rescoring 62 %" in page
    assert 'hx-get="/scoring/status' in page
    await office.app.state.writer.run(_done)
    part = (await owner.get("/scoring/status?site=1")).text
    assert "hx-get" not in part
    assert part.strip().startswith("<div id=")


def _half_way() -> Script[None]:
    yield Query(
        "UPDATE cursors SET ruleset = 0, walk_to = 1, walk_done = 5, walk_total = 8"
        " WHERE site_id = $1",
        (1,),
    )


def _done() -> Script[None]:
    yield Query("UPDATE cursors SET ruleset = 1 WHERE site_id = $1", (1,))


@ONE_ENGINE
async def test_a_backtest_from_the_page(office: Office, marketer: httpx2.AsyncClient) -> None:
    """Without a draft there is nothing to try; with too few people there is a sentence."""
    assert "There is no draft to try" in await seen(marketer, "/scoring/backtest")
    refused = await send(marketer, "/scoring/backtest")
    assert (refused.status_code, "There is no draft" in refused.text) == (404, True)
    await begun(office, marketer, "seed")
    assert (await send(marketer, "/scoring/backtest", days="-1")).status_code == 400
    assert (await send(marketer, "/scoring/backtest", days="0")).status_code == 303
    await asyncio.wait_for(office.app.state.backtests.last[1].ended.wait(), 10)
    part = await marketer.get("/scoring/backtest/status?site=1")
    assert "Too few to say" in part.text
    assert "There are 0 customers" in part.text
    assert "hx-get" not in part.text
    async with await office.browser("viewer") as viewer:
        page = await seen(viewer, "/scoring/backtest")
        assert "Too few to say" in page
        assert (await send(viewer, "/scoring/backtest")).status_code == 403


def test_figures_of_a_backtest() -> None:
    """Every threshold of either side, and bars no higher than the drawing."""
    movers = (Mover(7, True, 10_000, 60_000, "", "mql", "", "mql"),)
    buckets = (Bucket(0, 10_000, 30, 1, 10, 0), Bucket(10_000, 20_000, 0, 0, 20, 1))
    old = (Quality("mql", 50_000, 10, 5, 40, 100),)
    new = (Quality("warm", 30_000, 50, 20, 40, 100), Quality("mql", 50_000, 20, 10, 40, 100))
    found = Backtest("", 100, 40, movers, buckets, old, new)
    result = result_of(found, Gathered())
    assert [(key, bool(a), bool(b)) for key, a, b in thresholds(result)] == [
        ("mql", True, True),
        ("warm", False, True),
    ]
    drawn = histogram(result.buckets)
    bars = [bar for column in drawn["columns"] for bar in column]
    assert [bar[0] for bar in bars] == ["before", "after"] * 2
    assert [bar[3] for bar in bars] == [HEIGHT, round(HEIGHT / 3, 2), 0, round(HEIGHT * 2 / 3, 2)]
    assert all(x >= 0 and x + width <= WIDTH for _, x, width, _ in bars)
    assert (drawn["least"], drawn["most"]) == (0, 20)
