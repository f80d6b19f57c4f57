"""A real browser, the real server, a website of our own; `lab` holds the three for one test."""

import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, sync_playwright

from server.model import FormRule, Site, SiteSettings
from tests.browser.host import Host, serve_host
from tests.browser.tracker import PATIENCE_S, Request, Row, Tracker, serve_tracker

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
#: Playwright turns the back/forward cache off by default; one of our tests is about it.
UNWANTED = ["--disable-back-forward-cache"]
FORMS = tuple(FormRule(key) for key in ("contact", "demo", "form", "inner", "outer"))


def find_chromium() -> str | None:
    """An installed Chromium: `CHROMIUM`, or one of the usual names on the path."""
    named = os.environ.get("CHROMIUM")
    names = ("chromium", "chromium-browser", "google-chrome")
    return named or next((path for name in names if (path := shutil.which(name))), None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def tracker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tracker]:
    with serve_tracker(tmp_path_factory.mktemp("data")) as running:
        yield running


@pytest.fixture(scope="session")
def host() -> Iterator[Host]:
    with serve_host() as running:
        yield running


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as running:
        yield running


@pytest.fixture(scope="session")
def browser(playwright: Playwright) -> Iterator[Browser]:
    path = find_chromium()
    if path is None:
        pytest.skip("no Chromium here: set CHROMIUM to its path")
    browser = playwright.chromium.launch(
        executable_path=path, args=FLAGS, ignore_default_args=UNWANTED
    )
    yield browser
    browser.close()


class Lab:
    """One site, one visitor: open pages, read what was stored. Page errors fail the test."""

    def __init__(self, tracker: Tracker, host: Host, browser: Browser) -> None:
        self.tracker = tracker
        self.gate = tracker.gate
        self.host = host
        self.browser = browser
        self.errors: list[str] = []
        self.contexts: list[BrowserContext] = []
        self.context = self.new_visitor()
        self.site: Site
        self.configure()

    def configure(self, widget: dict[str, Any] | None = None, **settings: Any) -> None:
        """A site with these settings; its tag goes into every page made after this."""
        given: dict[str, Any] = {
            "allow_localhost": True,
            "allow_automation": True,
            "forms": FORMS,
            "widget": widget or {},
        }
        self.site = self.tracker.add_site(SiteSettings(**(given | settings)))
        self.host.tag = f'<script async src="{self.script}"></script>'

    def rotate_key(self) -> None:
        """A new public key; the one before stays good. Pages made after this have the new one."""
        self.site = self.tracker.rotate_key(self.site)
        self.host.tag = f'<script async src="{self.script}"></script>'

    @property
    def script(self) -> str:
        return f"{self.tracker.base}/h/{self.site.keys[0]}.js"

    def new_visitor(self, **options: Any) -> BrowserContext:
        """Another browser: no cookies, no storage."""
        context = self.browser.new_context(**options)
        context.set_default_timeout(8000)
        self.contexts.append(context)
        return context

    def new_page(self, context: BrowserContext | None = None) -> Page:
        page = (context or self.context).new_page()
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        return page

    def visit(self, path: str = "/", page: Page | None = None, **options: Any) -> Page:
        """Open a path of the site and wait until the widget is there."""
        page = page or self.new_page()
        page.goto(self.host.origin + path, **options)
        self.settle(page)
        return page

    def settle(self, page: Page) -> None:
        page.wait_for_function("() => window.handraise && handraise.b")

    def rows(self, kind: str, count: int = 1, where: Callable[[Row], object] = bool) -> list[Row]:
        """Rows of a kind, waited for; see `Tracker.rows`."""
        return self.tracker.rows(self.site, kind, count, where, self._wait)

    def until(self, there: Callable[[], object]) -> None:
        """Wait until something besides the stored rows is there, as long as rows are waited for."""
        late = time.monotonic() + PATIENCE_S
        while not there() and time.monotonic() < late:
            self._wait(0.03)

    def _wait(self, seconds: float) -> None:
        """The browser's events are read meanwhile: a page error is noticed, a route answered."""
        pages = [page for context in self.contexts for page in context.pages]
        if pages:
            pages[0].wait_for_timeout(seconds * 1000)
        else:
            time.sleep(seconds)

    def row(self, kind: str, where: Callable[[Row], object] = bool) -> Row:
        found = self.rows(kind, 1, where)
        assert len(found) == 1, [dict(row) for row in found]
        return found[0]

    def all_after(self, page: Page, kind: str = "") -> list[Row]:
        """What is stored once an event made after everything else has arrived: to prove a lack."""
        name = f"mark {time.monotonic_ns()}"
        page.evaluate("(name) => handraise('track', name)", name)
        assert self.rows("track", 1, lambda row: row["data"]["name"] == name)
        found = self.tracker.read(self.site, kind)
        return [row for row in found if not str(row["data"].get("name", "")).startswith("mark ")]

    @property
    def requests(self) -> list[Request]:
        """What this site's pages posted; a page closed by the test before may still arrive."""
        return [r for r in self.gate.requests if r.batch.get("k") == self.site.keys[0]]

    def sent(self) -> list[dict[str, Any]]:
        """The events that reached the gate, in order."""
        return [event for request in self.requests for event in request.batch.get("e", [])]


@pytest.fixture
def lab(tracker: Tracker, host: Host, browser: Browser) -> Iterator[Lab]:
    host.clear()
    tracker.gate.clear()
    lab = Lab(tracker, host, browser)
    yield lab
    tracker.gate.clear()
    for context in lab.contexts:
        context.close()
    assert lab.errors == []
