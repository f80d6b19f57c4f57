"""A draft edited by forms: every type of rule, order, thresholds, or a document as a whole."""

import re

import httpx2
import pytest

from tests.office import Office
from tests.web.scoring_forms import begun, draft, seen, send, sent, words

pytestmark = [pytest.mark.anyio, pytest.mark.slow]
ONE_ENGINE = pytest.mark.parametrize("place", ["sqlite"], indirect=True)


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
