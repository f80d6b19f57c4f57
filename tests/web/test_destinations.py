"""Destinations by API: who may, what is refused and in which words, and that secrets stay so."""

import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from server.storage import tokens
from tests.engines import Place
from tests.tell.desk import Desk, opened_desk
from tests.tell.receivers import Answer, until

pytestmark = pytest.mark.anyio
ONE_ENGINE = pytest.mark.parametrize("place", ["sqlite"], indirect=True)
HOOK = "https://crm.example.com/hooks/handraise"


@pytest.fixture
async def desk(place: Place, tmp_path: Path) -> AsyncIterator[Desk]:
    async with opened_desk(place, tmp_path) as ready:
        yield ready


async def test_a_destination_from_beginning_to_end(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    """Added, changed, tested, disabled, removed: each an audit line and a decision, none with the
    secret, which is shown once and by its own route."""
    caplog.set_level(logging.DEBUG)
    made = await desk.webhook(HOOK, name=" CRM \n of  Acme ")
    secret = made.pop("secret")
    assert secret.startswith("whsec_")
    assert (made["id"], made["name"], made["enabled"]) == ("d1", "CRM of Acme", True)
    assert made["wants"] == {
        "kinds": ["crossed", "stage_moved", "retracted"],
        "stages": ["mql", "pql", "sql", "customer"],
        "thresholds": None,
    }
    assert await desk.ask("GET", "/destinations") == {"items": [made], "next": None}
    wants = {"kinds": ["crossed"], "thresholds": ["mql"]}
    changed = await desk.ask("PATCH", "/destinations/d1", {"name": "Hub", "wants": wants})
    assert changed["wants"]["thresholds"] == ["mql"]
    assert (changed["name"], changed["url"]) == ("Hub", HOOK)
    shown = await desk.ask("GET", "/destinations/d1/secret")
    assert shown == {"secret": secret, "before": None, "before_until": None}
    assert (await desk.ask("POST", "/destinations/d1/disable"))["reason"] == "disabled by hand"
    assert (await desk.ask("POST", "/destinations/d1/enable", {}))["enabled"]
    await desk.ask("DELETE", "/destinations/d1", status=204)
    await desk.ask("GET", "/destinations/d1", status=404)
    await desk.ask("DELETE", "/destinations/d1", status=404)
    assert (await desk.webhook(HOOK))["id"] == "d2"  # a number is used once

    audit = await desk.world.rows("audit", "audit_id, author, action, detail")
    done = ["added", "changed", "disabled", "enabled", "removed"]
    assert [row[2:] for row in audit][:5] == [(f"destination_{what}", "d1") for what in done]
    assert {row[1] for row in audit} == {"token t1"}
    log = await desk.world.rows("entries", "seq, data", "kind = 65")
    assert [f'"did":"{what}"' in data for what, (_, data) in zip(done, log, strict=False)]
    stored = repr(audit) + repr(log) + caplog.text
    assert secret not in stored
    assert "crm.example.com" not in stored
    rows = await desk.world.rows("destinations", "settings", "destination_id = 1")
    assert rows == [("{}",)]


REFUSED: list[tuple[Any, str]] = [
    ({"kind": "webhook"}, "needs a `url`"),
    ({"kind": "webhook", "url": HOOK, "to": ["olga@acme.example"]}, "no addresses"),
    ({"kind": "mail", "url": HOOK, "to": ["olga@acme.example"]}, "no `url`"),
    ({"kind": "mail"}, "needs addresses"),
    ({"kind": "mail", "to": ["olga"]}, "no e-mail address"),
    ({"kind": "mail", "to": ["olga@acme.example\r\nBcc: x@evil.example"]}, "no e-mail address"),
    ({"kind": "mail", "to": [f"a{n}@acme.example" for n in range(11)]}, "length <= 10"),
    ({"kind": "pager", "url": HOOK}, "Invalid enum value"),
    ({"kind": "webhook", "url": "http://crm.example.com/"}, "must begin with https://"),
    ({"kind": "webhook", "url": "https://localhost/"}, "public addresses only"),
    ({"kind": "webhook", "url": "https://169.254.169.254/"}, "HANDRAISE_TELL_EXEMPT"),
    ({"kind": "webhook", "url": "https://t.acme.example/"}, "this server itself"),
    ({"kind": "webhook", "url": HOOK, "wants": {"kinds": []}}, "length >= 1"),
    ({"kind": "webhook", "url": HOOK, "wants": {"stages": ["hot"]}}, "Invalid enum value"),
    ({"kind": "webhook", "url": HOOK, "wants": {"thresholds": ["MQL!"]}}, "keys of the ruleset"),
    ({"kind": "webhook", "url": HOOK, "secret": "mine"}, "unknown field"),
    ({"kind": "webhook", "url": HOOK, "name": "a\x07"}, "control character"),
]


@ONE_ENGINE
async def test_what_makes_no_sense_is_refused_in_words(desk: Desk) -> None:
    """And leaves nothing behind."""
    for body, words in REFUSED:
        answer = await desk.ask("POST", "/destinations", body, 400)
        assert words in answer["detail"], body
    await desk.webhook(HOOK)
    for body in ({}, {"url": "http://x.example"}, {"to": ["olga@acme.example"]}, {"kind": "mail"}):
        await desk.ask("PATCH", "/destinations/d1", body, 400)
    for body in ({}, {"event": "e1", "since": "e1"}, {"event": "91"}, {"since": "yesterday"}):
        await desk.ask("POST", "/destinations/d1/replay", body, 400)
    await desk.ask("POST", "/destinations/d1/replay", {"event": "e9999"}, 404)
    await desk.ask("GET", "/destinations/d1/deliveries?state=lost", status=400)
    await desk.mail()
    await desk.ask("GET", "/destinations/d2/secret", status=404)
    await desk.ask("POST", "/destinations/d2/secret/rotate", status=409)
    assert len((await desk.ask("GET", "/destinations"))["items"]) == 2


@ONE_ENGINE
async def test_only_an_admin_touches_destinations(desk: Desk) -> None:
    """A URL may hold a secret: reading needs the scope as well."""
    await desk.webhook(HOOK)
    writer = tokens.new_token()
    await desk.app.state.writer.run(lambda: tokens.add(1, writer, "write", "", "t", 0))
    await desk.app.state.reload()
    for method, path in (
        ("GET", ""),
        ("POST", ""),
        ("GET", "/d1"),
        ("PATCH", "/d1"),
        ("DELETE", "/d1"),
        ("GET", "/d1/secret"),
        ("POST", "/d1/test"),
        ("GET", "/d1/deliveries"),
        ("POST", "/d1/replay"),
    ):
        await desk.ask(method, f"/destinations{path}", {}, 403, writer)


@ONE_ENGINE
async def test_mail_needs_a_mail_server(place: Place, tmp_path: Path) -> None:
    """The answer names the setting."""
    async with opened_desk(place, tmp_path, smtp_host="") as desk:
        body = {"kind": "mail", "to": ["olga@acme.example"]}
        answer = await desk.ask("POST", "/destinations", body, 400)
        assert "HANDRAISE_SMTP_HOST" in answer["detail"]


@ONE_ENGINE
async def test_a_test_says_what_came_of_it(desk: Desk) -> None:
    """A made-up person, marked as such, signed like any other; nothing is recorded as told."""
    made = await desk.webhook()
    assert await desk.ask("POST", "/destinations/d1/test") == {
        "ok": True,
        "words": "answered 200 OK",
        "status": 200,
        "answer": "",
    }
    got = desk.receiver.got[0]
    assert got.signed_by(made["secret"])
    assert got.id.startswith("msg_test_")
    assert got.json["data"]["test"] is True
    desk.receiver.usual = Answer(500, body=b"out of order")
    failed = await desk.ask("POST", "/destinations/d1/test")
    assert (failed["ok"], failed["status"], failed["answer"]) == (False, 500, "out of order")
    await desk.webhook("https://crm.example.com:8443/hook")
    nowhere = await desk.ask("POST", "/destinations/d2/test")
    assert (nowhere["ok"], nowhere["status"]) == (False, 0)
    await desk.mail("olga@acme.example")
    assert (await desk.ask("POST", "/destinations/d3/test"))["words"] == "taken"
    subject = desk.post.got[0].message["Subject"]
    assert subject == "[Test] Ann Example (Brew) is an MQL: 77 points"
    desk.post.answers = {"RCPT": ["550 no such user"]}
    refused = await desk.ask("POST", "/destinations/d3/test")
    assert (refused["status"], refused["answer"]) == (550, "no such user")
    assert await desk.rows() == []
    audit = await desk.world.rows("audit", "action", "action = 'destination_tested'")
    assert len(audit) == 5


async def test_deliveries_by_pages(desk: Desk) -> None:
    """The newest first, each with its attempts; a state narrows the list."""
    await desk.webhook()
    # Only the last one fails: time goes on between them, and a failed one would be tried again.
    desk.receiver.answers = [*[Answer()] * 5, Answer(503, body=b"later")]
    for number in range(1, 4):
        await desk.becomes_mql(f"person{number}", number)
    rows = await desk.settled(6)
    await until(lambda: len(desk.receiver.got) == 6)
    seen: list[str] = []
    cursor = ""
    while True:
        page = await desk.ask("GET", f"/destinations/d1/deliveries?limit=4&cursor={cursor}")
        seen += [one["event"] for one in page["items"]]
        cursor = page["next"]
        if not cursor:
            break
    assert seen == [f"e{row[0]}" for row in reversed(rows)]
    waiting = await desk.ask("GET", "/destinations/d1/deliveries?state=waiting")
    (one,) = waiting["items"]
    assert (one["state"], one["attempts"]) == ("waiting", 1)
    assert "answer" not in one
    assert one["words"] == "answered 503 Service Unavailable"
    assert [each["status"] for each in one["tries"]] == [503]
    assert one["next_at"] > one["tries"][0]["at"]
    counts = (await desk.ask("GET", "/destinations/d1"))["deliveries"]
    assert counts == {"waiting": 1, "delivered": 5, "dead": 0, "dropped": 0}


@ONE_ENGINE
async def test_a_site_has_so_many_destinations(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each costs connections."""
    monkeypatch.setattr("server.tell.changes.MOST", 2)
    await desk.webhook(HOOK)
    await desk.webhook(HOOK)
    body = {"kind": "webhook", "url": HOOK}
    answer = await desk.ask("POST", "/destinations", body, 409)
    assert "at most 2 destinations" in answer["detail"]
