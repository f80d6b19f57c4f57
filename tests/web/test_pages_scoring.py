"""The pages of scoring: rules in words, a draft compared, tried out, published."""

import asyncio
import re

import httpx2
import pytest

from server.project.backtest import Backtest, Bucket, Mover, Quality
from server.reports.backtest import Gathered
from server.reports.backtest_shapes import result_of
from server.storage.database import Query, Script
from server.web.pages.scoring_backtest import HEIGHT, WIDTH, histogram, thresholds
from tests.office import Office
from tests.web.scoring_forms import begun, draft, rule, seen, send, words

pytestmark = [pytest.mark.anyio, pytest.mark.slow]
ONE_ENGINE = pytest.mark.parametrize("place", ["sqlite"], indirect=True)


# ---------------------------------------------------------------- in force


@ONE_ENGINE
async def test_the_rules_in_force_are_said_in_words(office: Office) -> None:
    async with await office.browser("viewer") as viewer:
        page = await seen(viewer, "/scoring")
        assert "Version 1 default came with the site" in page
        assert "+10 Read the pricing page A page viewed on “pricing” pages · once a visit" in page
        assert "−50 Disposable e-mail Email class is “disposable”" in page
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
