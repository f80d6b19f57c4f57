"""Sites, settings and tokens: who may change what, and that it is in the log."""

from typing import Any

import msgspec
import pytest

from tests.office import BASE, Office

pytestmark = [pytest.mark.anyio, pytest.mark.slow]
ONE_ENGINE = pytest.mark.parametrize("place", ["sqlite"], indirect=True)
API = "/api/v1/sites"


async def test_options_of_the_tag_that_are_left_out_stay(office: Office) -> None:
    """As settings do: to switch one on does not switch another off."""
    asked = {"tcf": True, "exclude": ["/admin*"]}
    async with office.client(office.token) as client:
        for change in (asked, {"links": True}, {"tcf": False}):
            answer = await client.patch(f"{API}/1/settings", json={"widget": change})
            assert answer.status_code == 200, answer.text
        kept = (await client.get(f"{API}/1")).json()["settings"]["widget"]
    assert kept["links"] is True
    assert kept["tcf"] is False
    assert kept["exclude"] == ["/admin*"]


async def test_an_operator_adds_a_site_and_sees_all(office: Office) -> None:
    """With the tag to paste; its log begins with that decision."""
    async with office.client(operator=True) as client:
        made = await client.post(API, json={"name": "Shop", "origins": ["https://Shop.example/"]})
        assert made.status_code == 201
        site = made.json()
        assert site["snippet"] == f'<script async src="{BASE}/h/{site["key"]}.js"></script>'
        names = [row["name"] for row in (await client.get(API)).json()["items"]]
        assert names == ["Acme", "Other", "Shop"]
        detail = (await client.get(f"{API}/{site['id']}")).json()
        assert detail["settings"]["origins"] == ["https://shop.example"]
        lines = (await client.get(f"{API}/{site['id']}/log")).content.splitlines()
        assert msgspec.json.decode(lines[0])["kind"] == "site_created"


@ONE_ENGINE
async def test_a_token_sees_and_makes_only_its_own(office: Office) -> None:
    """No sites and no links for tokens; settings and tokens only with the scope admin."""
    async with office.client(office.token) as client:
        assert [r["name"] for r in (await client.get(API)).json()["items"]] == ["Acme"]
        assert (await client.post(API, json={"name": "x"})).status_code == 403
        assert (await client.post("/api/v1/operator/link")).status_code == 403
    async with office.client(office.reader) as client:
        for method, path, body in (
            ("PATCH", "settings", {"zone": "UTC"}),
            ("POST", "tokens", {"scope": "read"}),
            ("GET", "tokens", None),
            ("DELETE", "tokens/t1", None),
            ("POST", "events", {}),
        ):
            answer = await client.request(method, f"{API}/1/{path}", json=body)
            assert answer.status_code == 403, path
            assert "scope" in answer.json()["detail"]
    async with office.client(office.foreign) as client:
        for method, path in (("PATCH", "settings"), ("POST", "tokens"), ("DELETE", "tokens/t1")):
            answer = await client.request(method, f"{API}/1/{path}", json={})
            assert answer.status_code == 404, path


async def test_settings_are_changed_and_remembered(office: Office) -> None:
    """What is left out stays; the decision stands in the log, with its author."""
    change = {"zone": "Europe/Berlin", "consent": "ask", "page_groups": [], "goals": []}
    async with office.client(office.token) as client:
        answer = await client.patch(f"{API}/1/settings", json=change)
        assert answer.status_code == 200
        settings = (await client.get(f"{API}/1")).json()["settings"]
    assert settings == answer.json()["settings"]
    assert (settings["zone"], settings["consent"], settings["currency"]) == (
        "Europe/Berlin",
        "ask",
        "EUR",
    )
    log = (await office.get(f"{API}/1/log")).content.splitlines()
    decision = msgspec.json.decode(log[-1])
    assert decision["kind"] == "settings"
    assert decision["data"] == {"author": "token t1", "settings": change}
    assert (await office.json("/overview"))["zone"] == "Europe/Berlin"


NONSENSE: list[Any] = [
    {},
    {"zone": "Mars/Olympus"},
    {"zone": "../../etc/passwd"},
    {"zone": "localtime"},
    {"zones": "UTC"},
    {"consent": "maybe"},
    {"retention_days": 0},
    {"retention_days": 30},  # less than the lookback
    {"lookback_days": 401},
    {"bot_retention_days": 0},
    {"origins": ["example.com"]},
    {"origins": ["https://a.example/path"]},
    {"forms": [{"key": "a", "purpose": "fun"}]},
    {"forms": [{"key": "a"}, {"key": "a"}]},
    {"forms": [{"key": "a\x00"}]},
    [],
    "text",
]


@ONE_ENGINE
async def test_settings_that_make_no_sense_change_nothing(office: Office) -> None:
    """Each is refused with a sentence."""
    async with office.client(office.token) as client:
        before = (await client.get(f"{API}/1")).json()
        for change in NONSENSE:
            answer = await client.patch(f"{API}/1/settings", json=change)
            assert answer.status_code == 400, change
            assert answer.json()["detail"]
        assert (await client.get(f"{API}/1")).json() == before


@ONE_ENGINE
async def test_bodies_that_cannot_be_read(office: Office) -> None:
    """Broken JSON, deep JSON, no UTF-8, too much of it."""
    async with office.client(office.token) as client:
        for body in (b"", b"{", b"\xff", b"[" * 100_000, b'{"scope":"root"}', b"null"):
            answer = await client.post(f"{API}/1/tokens", content=body)
            assert answer.status_code == 400, body[:20]
        answer = await client.post(f"{API}/1/tokens", content=b" " * 200_000)
        assert answer.status_code == 413


async def test_a_token_is_shown_once_and_revoked_at_once(office: Office) -> None:
    """Lists show how it begins, never the token."""
    async with office.client(office.token) as client:
        made = (await client.post(f"{API}/1/tokens", json={"scope": "read", "name": "CRM"})).json()
        assert made["token"].startswith("hr_")
        listed = await client.get(f"{API}/1/tokens")
        assert made["token"] not in listed.text
        newest = listed.json()["items"][0]
        assert (newest["id"], newest["name"], newest["author"]) == (made["id"], "CRM", "token t1")
        assert (await office.get(f"{API}/1/people", made["token"])).status_code == 200
        assert (await client.delete(f"{API}/1/tokens/{made['id']}")).status_code == 204
        assert (await office.get(f"{API}/1/people", made["token"])).status_code == 401
        assert (await client.delete(f"{API}/1/tokens/{made['id']}")).status_code == 404
        assert (await client.get(f"{API}/1/tokens")).json()["items"][0]["revoked_at"]


async def test_a_server_sends_events_with_its_token(office: Office) -> None:
    """The scope write is needed; what was sent is on the timeline."""
    ada = office.world.browser(1)
    event = ada.event("track", "/app", d={"name": "invited"})
    body = {"k": "any", "t": office.world.now, "v": ada.visitor, "e": [event]}
    async with office.client(office.token) as client:
        answer = await client.post(f"{API}/1/events", json=body)
    assert (answer.status_code, answer.json()["accepted"]) == (202, 1)
    await office.world.project()
    items = (await office.json(f"/people/{office.known.ada}/timeline"))["items"]
    assert (items[0]["kind"], items[0]["data"]["name"]) == ("track", "invited")
