"""Numbered canaries through every field and every door; every page is opened and none may run.

What a visitor, a client of the API or a colleague may write is hostile text. A canary that runs
calls `fired` with its number, which names the field and the door it came through.
"""

import base64
import os
import time
from itertools import count
from typing import Any

import httpx2
from playwright.sync_api import Browser

from tests.browser.desk.desk import NOTICE, Desk, opened
from tests.browser.serving import Served, until

FIRED = NOTICE + "\nwindow.fired = (number) => complaints.push(`canary ${number} has run`);"
SHAPES = (
    "<script>fired({n})</script>",
    '"><img src=x onerror=fired({n})>',
    "' onmouseover='fired({n})' autofocus onfocus='fired({n})",
    "javascript:fired({n})",
    "</script><svg onload=fired({n})>",
    "{{{{constructor.constructor('fired({n})')()}}}}",
)


class Flock:
    """Canaries in turn, one for each field, in every shape over the numbers."""

    def __init__(self) -> None:
        self.numbers = count(1)

    def __call__(self) -> str:
        number = next(self.numbers)
        return SHAPES[number % len(SHAPES)].format(n=number)


def new_id() -> str:
    return base64.urlsafe_b64encode(os.urandom(16)).decode().rstrip("=")


def event(kind: str, flock: Flock, page: str, **more: Any) -> dict[str, Any]:
    return {
        "i": new_id(), "y": kind, "t": time.time_ns() // 1_000_000,
        "u": f"{page}?utm_source={flock()}&utm_campaign={flock()}#{flock()}",
        "r": f"https://x.example/{flock()}", "n": flock(), **more,
    }  # fmt: skip


def events(flock: Flock, page: str) -> list[dict[str, Any]]:
    """One of every kind, a canary in every text."""
    kinds: list[tuple[str, dict[str, Any]]] = [
        ("page_view", {"d": {"l": flock(), "z": flock(), "sc": flock()}}),
        ("click", {"d": {"href": flock(), "text": flock()}}),
        ("download", {"d": {"href": f"https://x.example/{flock()}.pdf", "text": flock()}}),
        ("form_start", {"d": {"form": "demo", "fields": [flock()]}}),
        ("track", {"d": {"name": flock(), "props": {flock(): flock()}}}),
        ("consent", {"d": {"state": "granted", "text": flock(), "version": flock()}}),
    ]
    return [event(kind, flock, page, **more) for kind, more in kinds]


def submission(flock: Flock, number: int) -> dict[str, str]:
    return {
        "email": f"canary{number}@x.example", "name": flock(), "company": flock(),
        "job_title": flock(), "phone": flock(), "message": flock(), flock()[:30]: flock(),
    }  # fmt: skip


def release(desk: Desk, flock: Flock) -> None:
    """Send the flock in by every door."""
    served = desk.served
    key, page = desk.api("")["key"], f"{served.demo}/pricing"
    agent = {"User-Agent": f"Mozilla/5.0 {flock()} Chrome/150", "Origin": served.demo}
    sent = events(flock, page)
    given = {"form": "demo", "fields": submission(flock, 1), "consent": {"text": flock()}}
    sent.append(event("form_submit", flock, page, d=given))
    traits = {"title": flock(), "budget": flock(), flock()[:30]: flock()}
    known = {"email": "canary2@x.example", "user_id": flock(), "traits": traits}
    batch = {"x": 1, "k": key, "t": time.time_ns() // 1_000_000, "c": "granted", "f": 1}
    with httpx2.Client(base_url=served.url) as client:
        for some in (sent, [event("identify", flock, page, d=known)]):
            body = batch | {"v": new_id(), "s": "1", "e": some}
            answer = client.post("/e", json=body, headers=agent)
            assert (answer.status_code, answer.json()["dropped"]) == (202, [])
        form = client.post(
            f"/f/{key}/demo", data=submission(flock, 3), headers=agent | {"Referer": page}
        )
        assert form.status_code < 400, form.text
        pixel = {"u": f"{page}?{flock()}", "r": flock(), "n": flock()}
        assert client.get(f"/p/{key}.gif", params=pixel, headers=agent).status_code == 200
        client.headers["Authorization"] = f"Bearer {served.token}"
        api = batch | {"v": new_id(), "e": [*events(flock, page)]}
        assert client.post("/api/v1/sites/1/events", json=api).status_code == 202
        colleagues(client, flock)


def colleagues(client: httpx2.Client, flock: Flock) -> None:
    """What people who may sign in or hold a token can write."""
    site = "/api/v1/sites/1"
    found = until(
        lambda: client.get(f"{site}/people").json()["items"], lambda items: len(items) >= 3
    )
    person = f"{site}/people/{found[0]['id']}"
    filtered = {"name": flock(), "filter": {"source": [flock()], "tag": [flock()]}}
    webhook = {"kind": "webhook", "name": flock(), "url": "https://hooks.x.example/in"}
    written = [
        client.post(f"{person}/notes", json={"text": flock()}),
        client.post(f"{person}/tags", json={"add": [flock(), flock()]}),
        client.put(f"{person}/owner", json={"owner": flock()}),
        client.put(f"{person}/traits", json={"need": flock()}),
        client.post(f"{site}/segments", json=filtered),
        client.post(f"{site}/destinations", json=webhook),
        client.post(f"{site}/tokens", json={"scope": "read", "name": flock()}),
        client.post(f"{person}/merge", json={"other": found[1]["id"]}),
    ]
    assert [one.text for one in written if one.status_code >= 300] == []


def test_no_canary_runs(empty: Served, browser: Browser) -> None:
    with opened(empty, browser) as desk:
        desk.context.add_init_script(FIRED)
        flock = Flock()
        release(desk, flock)
        assert next(flock.numbers) > 60
        desk.go("/welcome")
        desk.page.get_by_label("Your name").fill(flock())
        desk.page.get_by_label("E-mail").fill("grace@office.example")
        desk.page.get_by_label("Password", exact=True).fill("four unrelated words")
        desk.page.get_by_role("button", name="Save and go on").click()
        people = [f"/people/{one['id']}" for one in desk.api("/people")["items"]]
        assert len(people) >= 2  # two of the three are one now
        searched = ["/people?who=everybody", f"/people?q={flock()}", f"/?source={flock()}"]
        for path in [*desk.paths(), *people, *searched]:
            page = desk.go(path)
            page.wait_for_load_state("networkidle")
            page.evaluate("document.querySelectorAll('details').forEach((d) => (d.open = true))")
            for name in ("mouseover", "focus", "click"):
                page.locator("[title], .plot, bdi").evaluate_all(
                    "(all, name) => all.forEach((one) => one.dispatchEvent(new Event(name)))", name
                )
            links = page.locator("a[href]").evaluate_all("(all) => all.map((one) => one.href)")
            assert [one for one in links if not one.startswith(("http://", "https://"))] == []
            assert page.evaluate("complaints") == [], path


def test_a_canary_would_be_noticed(desk: Desk) -> None:
    """The control of the test above: what a page lets run, or its policy stops, is told."""
    desk.context.add_init_script(FIRED)
    page = desk.go("/people")
    page.evaluate("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=fired(7)>')")
    noticed = "complaints.some((one) => one.startsWith('csp script-src'))"
    until(lambda: page.evaluate(noticed), bool)  # a wait in the page is stopped by its policy
    page.evaluate("fired(8)")
    assert page.evaluate("complaints").pop() == "canary 8 has run"
    desk.complaints.clear()
    page.evaluate("complaints.length = 0")
