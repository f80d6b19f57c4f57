"""A signed-in browser that notes every error, violation of the policy, and dialogue."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
from playwright.sync_api import Browser, BrowserContext, Dialog, Page

from server.web.pages.table import PAGES
from tests.browser.serving import Served

AXE = Path(__file__).parent.parent / "vendor" / "axe-4.14.1.min.js"
NOTICE = """window.complaints = [];
addEventListener('securitypolicyviolation',
  (e) => complaints.push(`csp ${e.violatedDirective} ${e.blockedURI} ${e.sample}`));
addEventListener('error', (e) => complaints.push(`error ${e.message}`));"""
#: Pages whose answer is a file, a stream, or only a part of another.
APART = re.compile(r"/(status|segments|stream|export|curve|progress|file)$|stream|\.csv$")


@dataclass
class Desk:
    served: Served
    browser: Browser
    context: BrowserContext
    page: Page
    complaints: list[str] = field(default_factory=list)
    contexts: list[BrowserContext] = field(default_factory=list)

    def go(self, path: str, page: Page | None = None) -> Page:
        page = page or self.page
        answer = page.goto(self.served.url + path)
        assert answer is not None
        assert answer.status == 200, (path, answer.status)
        return page

    def looking(self, **options: Any) -> Page:
        """A page of the same person in another look: a phone, dark …"""
        context = self.browser.new_context(storage_state=self.context.storage_state(), **options)
        self.contexts.append(context)
        return self.watched(context)

    def watched(self, context: BrowserContext) -> Page:
        context.set_default_timeout(8000)
        context.add_init_script(NOTICE)
        page = context.new_page()
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("dialog", self._dismissed)
        page.on(
            "console",
            lambda one: self.complaints.append(one.text) if one.type == "error" else None,
        )
        return page

    def _dismissed(self, dialog: Dialog) -> None:
        self.complaints.append(dialog.message)
        dialog.dismiss()

    def check(self, page: Page) -> None:
        """Nothing has been complained of on this page."""
        assert page.evaluate("complaints") == []
        assert self.complaints == []

    def axe(self, page: Page) -> list[str]:
        """What axe-core finds wrong, a line each."""
        page.evaluate(AXE.read_text("utf-8"))  # as a debugger does: the page's policy stays
        found = page.evaluate(
            "axe.run(document, {resultTypes: ['violations']}).then((r) => r.violations)"
        )
        return [
            f"{one['id']}: {node['target']} {node['failureSummary'][:200]}"
            for one in found
            for node in one["nodes"]
        ]

    def api(self, path: str) -> Any:
        headers = {"Authorization": f"Bearer {self.served.token}"}
        answer = httpx2.get(f"{self.served.url}/api/v1/sites/1{path}", headers=headers)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def paths(self) -> list[str]:
        """Every page of the route table, with ids of somebody who is there."""
        person = self.api("/people?limit=1")["items"][0]["id"]
        visitor = self.api("/visitors?limit=1")["items"][0]["id"]
        ids = {"person_id": person, "visitor_id": visitor, "version": "1"}
        told = self.api("/destinations")["items"]
        if told:
            ids["destination_id"] = told[0]["id"]
        found = []
        for row in PAGES:
            named = set(re.findall(r"{(\w+)}", row.path))
            if row.method == "GET" and not APART.search(row.path) and named <= ids.keys():
                found.append(re.sub(r"{(\w+)}", lambda m: ids[m[1]], row.path))
        return [one for one in found if one != "/visitors"]


@contextmanager
def opened(served: Served, browser: Browser) -> Iterator[Desk]:
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    desk = Desk(served, browser, context, None)  # type: ignore[arg-type]
    desk.page = desk.watched(context)
    desk.page.goto(served.new_link())
    try:
        yield desk
        desk.check(desk.page)
    finally:
        for one in (context, *desk.contexts):
            one.close()
