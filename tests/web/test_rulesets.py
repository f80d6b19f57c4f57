"""Rulesets over the API: read, drafted, checked, compared, published; and who may."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from server.model import Kind
from server.project.presets import PRESETS
from server.storage import tokens
from server.storage.database import Query, Script
from server.web import rulesets as routes
from tests.office import Office
from tests.tracking import DAY

pytestmark = [pytest.mark.anyio, pytest.mark.slow]
ONE_ENGINE = pytest.mark.parametrize("place", ["sqlite"], indirect=True)
API = "/api/v1/sites/1"
DRAFT = f"{API}/rules/draft"
AT = "2026-11-10T00:00:00.000Z"


@pytest.fixture
async def client(office: Office) -> AsyncIterator[httpx2.AsyncClient]:
    """Somebody with a token that may do anything."""
    async with office.client(office.token) as ready:
        yield ready


async def document(client: httpx2.AsyncClient, name: str = "seed") -> dict[str, Any]:
    answer = await client.get(f"{API}/rules/presets/{name}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()["document"]
    return found


async def fine(client: httpx2.AsyncClient, method: str, path: str, body: Any = None) -> Any:
    answer = await client.request(method, f"{API}{path}", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def everybody_scored(office: Office) -> None:
    async with asyncio.timeout(10):
        while (await office.json("/rules"))["rescoring"] is not None:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


# ---------------------------------------------------------------- reading


async def test_the_rules_in_force(office: Office, client: httpx2.AsyncClient) -> None:
    """A new site has the default ones, which nobody published."""
    found = await fine(client, "GET", "/rules")
    assert (found["version"], found["name"], found["author"]) == (1, "default", "")
    assert (found["event"], found["draft"], found["rescoring"]) == (None, False, None)
    assert found["document"] == await document(client, "default")
    demo = next(rule for rule in found["document"]["rules"] if rule["key"] == "demo_form")
    assert (demo["points"], demo["cap"]) == (40, 60)
    assert (await fine(client, "GET", "/rules/versions/1"))["document"] == found["document"]
    schema = await fine(client, "GET", "/rules/schema")
    assert "Rule" in schema["$defs"]


@ONE_ENGINE
async def test_presets(client: httpx2.AsyncClient) -> None:
    """Each can be read, and fits a new site as it is."""
    found = (await fine(client, "GET", "/rules/presets"))["items"]
    assert [one["name"] for one in found] == list(PRESETS)
    seed = next(one for one in found if one["name"] == "seed")
    assert (seed["rules"], seed["thresholds"]) == (5, ["MQL from 75 points"])
    for one in found:
        assert (await fine(client, "POST", "/rules/check", {"preset": one["name"]}))["valid"]
    answer = await client.get(f"{API}/rules/presets/seeds")
    assert answer.status_code == 404
    assert "choose of default, seed" in answer.json()["detail"]


# ---------------------------------------------------------------- drafts


@ONE_ENGINE
async def test_everything_that_is_wrong_is_told_at_once(client: httpx2.AsyncClient) -> None:
    """Each problem with its place and its rule, by `check` and by saving, which saves nothing."""
    broken = await document(client)
    broken["rules"][0]["points"] = 10.0001
    broken["rules"][2]["when"]["field"] = 7
    broken["rules"][4]["n"] = 1
    broken["thresholds"][0]["stage"] = "hot"
    checked = await fine(client, "POST", "/rules/check", broken)
    assert checked["valid"] is False
    assert {(one["pointer"], one["rule"]) for one in checked["errors"]} == {
        ("/rules/0/points", "pricing_page"),
        ("/rules/2/when/field", "vp_of_marketing"),
        ("/rules/4/n", "five_opens"),
        ("/thresholds/0/stage", ""),
    }
    answer = await client.put(DRAFT, json=broken)
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    told = answer.json()
    assert (told["code"], told["errors"]) == ("ruleset", checked["errors"])
    assert "3 more problems" in told["detail"]
    assert (await client.get(DRAFT)).status_code == 404


NO_RULESETS = (
    (b"{", "not JSON"),
    (b"[]", "must be an object"),
    (b'{"preset": "seeds"}', "no preset `seeds`"),
    (b'{"preset": 5}', "as a text"),
    (b'{"name": "a", "rules": [], "color": 1}', "does not exist"),
    (b'{"name": "a\\u0000", "rules": []}', "cannot be shown"),
    (b'{"name": "' + b"a" * 300_000 + b'"}', "at most 256,000 bytes"),
    (b'{"name": "' + b"a" * 600_000 + b'"}', "at most"),
)


@ONE_ENGINE
async def test_what_is_no_ruleset(client: httpx2.AsyncClient) -> None:
    """A sentence for each, and nothing saved."""
    for body, said in NO_RULESETS:
        answer = await client.put(DRAFT, content=body)
        assert answer.status_code in {400, 404, 413}, answer.text
        assert said in answer.json()["detail"]
    assert (await client.get(DRAFT)).status_code == 404


@ONE_ENGINE
async def test_a_rule_about_a_page_group_of_nobody(client: httpx2.AsyncClient) -> None:
    """It could never count. A group that goes while the draft waits is found when publishing."""
    strange = await document(client)
    strange["rules"][0]["when"]["groups"] = ["prices"]
    answer = await client.put(DRAFT, json=strange)
    assert answer.json()["errors"][0]["rule"] == "pricing_page"
    await fine(client, "PUT", "/rules/draft", {"preset": "seed"})
    groups = [{"name": "blog", "patterns": ["/blog*"]}]
    await fine(client, "PATCH", "/settings", {"page_groups": groups})
    answer = await client.post(f"{API}/rules/publish", json={})
    assert answer.status_code == 400
    assert "fits the site no more" in answer.json()["detail"]


async def test_a_draft_is_saved_compared_and_dropped(
    office: Office, client: httpx2.AsyncClient
) -> None:
    """From where it was begun, by whom; the difference in sentences."""
    mine = await document(client, "default")
    mine["rules"][0]["points"] = 12.5
    mine["rules"] = [rule for rule in mine["rules"] if rule["key"] != "careers_page"]
    saved = await client.put(DRAFT, json=mine, params={"note": "pricing matters"})
    assert saved.status_code == 200, saved.text
    draft = saved.json()
    assert (draft["base"], draft["stale"], draft["author"]) == (1, False, "token t1")
    assert draft["document"] == mine
    assert (await fine(client, "GET", "/rules/draft")) == draft
    assert (await fine(client, "GET", "/rules"))["draft"] is True
    diff = await fine(client, "GET", "/rules/diff")
    assert [one["sentence"] for one in diff["changes"]] == [
        "pricing_page: points 10 → 12.5",
        "rule careers_page removed",
    ]
    assert (diff["from"], diff["to"], diff["rereads"], diff["rescores"]) == (
        "published",
        "draft",
        True,
        True,
    )
    same = await fine(client, "GET", "/rules/diff?from=1&to=default")
    assert (same["changes"], same["rereads"], same["rescores"]) == ([], False, False)
    assert (await client.get(f"{API}/rules/diff?from=9")).status_code == 404
    assert (await client.delete(DRAFT)).status_code == 204
    assert (await client.delete(DRAFT)).status_code == 404
    assert (await client.put(f"{DRAFT}?base=2", json=mine)).status_code == 400


# ---------------------------------------------------------------- publishing


async def test_publishing_scores_everybody(office: Office, client: httpx2.AsyncClient) -> None:
    """The version, its entry and its author; then receipts by the new rules; the old one stays."""
    before = await office.json(f"/people/{office.known.ada}")
    assert before["ruleset"] == 1
    await fine(client, "PUT", "/rules/draft", {"preset": "seed"})
    found = await fine(client, "POST", "/rules/publish", {"note": "the example"})
    assert (found["version"], found["base"], found["author"]) == (2, 1, "token t1")
    assert (found["note"], found["notify"], found["draft"]) == ("the example", False, False)
    entry = await office.world.rows("entries", "kind", f"seq = {found['event'][1:]}")
    assert entry == [(int(Kind.RULESET),)]
    await everybody_scored(office)
    after = await office.json(f"/people/{office.known.ada}")
    assert after["ruleset"] == 2
    assert {line["rule"] for line in after["receipt"]} == {"pricing_page", "ebook"}
    assert sum(line["points"] for line in after["receipt"]) == after["score"] == 35
    stranger = await office.json(f"/visitors/{office.known.stranger}")
    assert (stranger["ruleset"], stranger["score"]) == (2, 10)
    past = await office.json(f"/people/{office.known.ada}", at="2026-11-05T00:00:00Z")
    assert past["ruleset"] == 2
    history = await fine(client, "GET", "/rules/history")
    assert [(one["version"], one["name"]) for one in history["items"]] == [
        (2, "seed"),
        (1, "default"),
    ]
    assert (await fine(client, "GET", "/rules/versions/1"))["name"] == "default"
    answer = await client.post(f"{API}/rules/publish", json={})
    assert (answer.status_code, answer.json()["detail"]) == (
        404,
        "there is no draft to publish: save one first",
    )


@ONE_ENGINE
async def test_history_is_paged(client: httpx2.AsyncClient) -> None:
    for name in ("seed", "default", "seed"):
        await fine(client, "PUT", "/rules/draft", {"preset": name})
        await fine(client, "POST", "/rules/publish", {})
    first = await client.get(f"{API}/rules/history?limit=3")
    assert [one["version"] for one in first.json()["items"]] == [4, 3, 2]
    following = first.headers["link"].split(";")[0].strip("<>")
    last = (await client.get(following)).json()
    assert ([one["version"] for one in last["items"]], last["next"]) == ([1], None)


@ONE_ENGINE
async def test_two_authors_at_one_moment(office: Office, client: httpx2.AsyncClient) -> None:
    """Whoever publishes what was begun from an older version, or a draft that is not the one that
    was looked at, is told so; nothing of either is lost silently."""
    mine = await fine(client, "PUT", "/rules/draft", {"preset": "seed"})
    async with office.client(operator=True) as other:
        await fine(other, "PUT", "/rules/draft", {"preset": "b2b_saas"})
        answer = await client.post(f"{API}/rules/publish", json={"draft": mine["revision"]})
        assert answer.status_code == 409
        assert answer.json()["detail"].startswith("operator saved another draft meanwhile")
        await fine(other, "POST", "/rules/publish", {})
    late = await client.put(f"{DRAFT}?base=1", json={"preset": "seed"})
    assert late.json()["stale"] is True
    answer = await client.post(f"{API}/rules/publish", json={})
    assert answer.status_code == 409
    assert "version 2 was published after the draft was begun from version 1" in answer.text


async def half_way(office: Office, *, begun: bool) -> None:
    """Leave the tables as they are in the middle of a walk to version 2."""
    walk = "walk_to = 2, walk_done = 5, walk_total = 8" if begun else "walk_to = 1"

    def script() -> Script[None]:
        yield Query(f"UPDATE cursors SET ruleset = 1, {walk} WHERE site_id = $1", (1,))
        yield Query("UPDATE subjects SET ruleset = 1 WHERE site_id = $1", (1,))

    await office.app.state.writer.run(script)


@ONE_ENGINE
async def test_what_lists_and_pages_say_meanwhile(
    office: Office, client: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As long as not everybody is scored: the share, everywhere; and nothing afterwards."""
    monkeypatch.setattr(routes, "WAIT_S", 0.0)
    await fine(client, "PUT", "/rules/draft", {"preset": "seed"})
    answer = await client.post(f"{API}/rules/publish", json={})
    assert answer.status_code == 202
    assert answer.json().keys() == {"seq"}
    await everybody_scored(office)
    async with await office.browser() as browser:
        for path in ("/people", "/visitors", "/overview"):
            assert "rescoring" not in await office.json(path)
        assert "by the rules published last" not in (await browser.get("/people?site=1")).text
        await half_way(office, begun=False)
        found = await office.json("/rules")
        assert found["rescoring"] == {"done": 0, "total": 4, "share": 0.0}
        assert (await office.json("/people"))["rescoring"] == 0.0
        assert "about to be scored" in (await browser.get("/people?site=1")).text
        await half_way(office, begun=True)
        for path in ("/people", "/visitors", "/overview"):
            assert (await office.json(path))["rescoring"] == 0.62, path
        for page in ("/people?site=1", "/people?site=1&who=visitors"):
            assert "62 % done" in (await browser.get(page)).text
        page = (await browser.get(f"/people/{office.known.ada}?site=1")).text
        assert "Scored by version 1 of the rules; version 2 is in force" in page


@ONE_ENGINE
async def test_who_may(office: Office) -> None:
    """Reading needs read; drafts, checks need write; publishing needs admin."""
    body = {"preset": "seed"}
    async with office.client(office.reader) as reader:
        assert (await reader.get(f"{API}/rules")).status_code == 200
        assert (await reader.get(f"{API}/rules/diff?to=seed")).status_code == 200
        for method, path in (("PUT", "draft"), ("POST", "check"), ("POST", "publish")):
            answer = await reader.request(method, f"{API}/rules/{path}", json=body)
            assert answer.status_code == 403, path
    made = await office.app.state.writer.run(_writer_token)
    await office.app.state.reload()
    async with office.client(made) as writer:
        assert (await writer.put(DRAFT, json=body)).status_code == 200
        answer = await writer.post(f"{API}/rules/publish", json={})
        assert answer.status_code == 403
        assert "admin is needed" in answer.json()["detail"]
    async with office.client(office.foreign) as stranger:
        assert (await stranger.get(f"{API}/rules")).status_code == 404


def _writer_token() -> Script[str]:
    secret = tokens.new_token()
    yield from tokens.add(1, secret, "write", "", "t", DAY)
    return secret


# ---------------------------------------------------------------- backtests


@ONE_ENGINE
async def test_a_backtest_is_asked_for_and_told(
    office: Office, client: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One at a time; too few people are a sentence and no number; nothing in the future."""
    path = f"{API}/rules/backtest"
    assert (await client.get(path)).json()["state"] == "never"
    assert (await client.post(path, json={})).status_code == 404  # no draft
    await fine(client, "PUT", "/rules/draft", {"preset": "seed"})
    answer = await client.post(path, json={"at": "2098-01-01T00:00:00Z"})
    assert (answer.status_code, "future" in answer.text) == (400, True)
    go_on = asyncio.Event()
    monkeypatch.setattr(office.app.state.backtests, "pause", go_on.wait)
    started = await client.post(path, json={"to": "seed", "at": AT})
    assert started.status_code == 202, started.text
    again = await client.post(path, json={})
    assert (again.status_code, "under way" in again.json()["detail"]) == (409, True)
    go_on.set()
    async with asyncio.timeout(10):
        await office.app.state.backtests.last[1].ended.wait()
    found = (await client.get(path)).json()
    assert (found["state"], found["done"], found["total"], found["detail"]) == ("done", 3, 3, "")
    assert (found["from"], found["to"], found["at"]) == ("published", "seed", AT)
    result = found["result"]
    assert (result["people"], result["customers"], result["everybody"]) == (3, 0, 3)
    assert result["sentence"].startswith("There are 0 customers and 3 others")
    assert (result["buckets"], result["movers"], result["before"]["rules"]) == ([], [], [])
    async with office.client(office.reader) as reader:
        assert (await reader.post(path, json={})).status_code == 403
        assert (await reader.get(path)).status_code == 200
