"""A real browser, the real server, a website of our own; `lab` holds the three for one test."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, sync_playwright

from tests.browser.engines import Chromium, Engine, EnginePage, find_chromium, launch
from tests.browser.firefox import Firefox, find_firefox, run_firefox
from tests.browser.host import Host, serve_host
from tests.browser.tracker import Tracker, serve_tracker
from tests.browser.watched import Watched


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
        pytest.skip("NOT RUN: no Chromium here: set CHROMIUM to its path")
    browser = launch(playwright, path)
    yield browser
    browser.close()


class Lab(Watched):
    """One site, one visitor: open pages, read what was stored. Page errors fail the test."""

    def __init__(self, tracker: Tracker, host: Host, browser: Browser) -> None:
        super().__init__(tracker, host)
        self.browser = browser
        self.errors: list[str] = []
        self.contexts: list[BrowserContext] = []
        self.context = self.new_visitor()

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

    def _wait(self, seconds: float) -> None:
        """The browser's events are read meanwhile: a page error is noticed, a route answered."""
        pages = [page for context in self.contexts for page in context.pages]
        if pages:
            pages[0].wait_for_timeout(seconds * 1000)
        else:
            time.sleep(seconds)


class Either(Watched):
    """The same in any engine, with the ten verbs alone: `page` is the visitor's first tab."""

    def __init__(self, tracker: Tracker, host: Host, engine: Engine) -> None:
        super().__init__(tracker, host)
        self.visitor = engine.new_visitor()
        self.page = self.visitor.new_page()

    def visit(self, path: str = "/") -> EnginePage:
        """Open a path of the site and wait until the widget is there."""
        self.page.go(self.host.origin + path)
        self.settle()
        return self.page

    def settle(self) -> None:
        self.page.until("() => !!(window.handraise && handraise.b)")

    def arrive(self, path: str) -> None:
        """Wait until the page is at a path, its query left aside, and the widget is there."""
        self.page.until("(path) => location.pathname == path", path)
        self.settle()

    def late_errors(self) -> list[str]:
        """Errors that nobody caught, also those that the browser tells only now.

        What it told before the answer to a question is read with that answer.
        """
        self.page.until("() => new Promise((done) => setTimeout(() => done(true)))")
        self.page.wait(0.05)
        return list(self.visitor.errors)

    def _wait(self, seconds: float) -> None:
        self.page.wait(seconds)


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


@pytest.fixture(scope="session")
def firefox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Firefox]:
    program = find_firefox()
    if program is None:
        pytest.skip("NOT RUN: no Firefox here: set FIREFOX to its path")
    with run_firefox(program, tmp_path_factory.mktemp("firefox")) as running:
        yield running


@pytest.fixture(params=["chromium", "firefox"])
def engine(request: pytest.FixtureRequest) -> Engine:
    """Each browser in turn, started by the first test that needs it."""
    if request.param == "firefox":
        firefox: Firefox = request.getfixturevalue("firefox")
        return firefox
    return Chromium(request.getfixturevalue("browser"))


@pytest.fixture
def either(tracker: Tracker, host: Host, engine: Engine) -> Iterator[Either]:
    host.clear()
    tracker.gate.clear()
    either = Either(tracker, host, engine)
    yield either
    tracker.gate.clear()
    errors = either.late_errors()
    either.visitor.close()
    assert errors == []
