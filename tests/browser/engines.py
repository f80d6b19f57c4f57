"""What a test that runs in every engine may ask of a browser: ten verbs, a backend per engine.

A visitor is a browser profile of its own: `new_visitor`, `cookies`, `close`; a page of theirs has
`go`, `back`, `forward`, `evaluate`, `until`, `click`, `type` and `press`. Selectors are CSS and
reach into open shadow roots. Script is an expression, or a function that gets one argument.
"""

import os
import shutil
import sys
from pathlib import Path
from typing import Any, Protocol

from playwright.sync_api import Browser, BrowserContext, Playwright
from playwright.sync_api import Page as PlaywrightPage

PATIENCE_MS = 8_000
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


def find_chromium() -> str | None:
    """`CHROMIUM`, one of the usual names on the path, or the newest that Playwright has fetched."""
    named = os.environ.get("CHROMIUM")
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    return (
        named
        or next((path for name in names if (path := shutil.which(name))), None)
        or next(iter(fetched()), None)
    )


def fetched() -> list[str]:
    """What `playwright install chromium` has left here, the newest first."""
    cache = os.environ.get("PLAYWRIGHT_BROWSERS_PATH", "")
    folder = Path(cache or Path.home() / ".cache" / "ms-playwright")
    found = [path for path in folder.glob("chromium-*/chrome-linux*/chrome") if path.is_file()]
    number = lambda path: int("0" + "".join(filter(str.isdigit, path.parts[-3])))  # noqa: E731
    return [str(path) for path in sorted(found, key=number, reverse=True)]


def launch(playwright: Playwright, program: str) -> Browser:
    return playwright.chromium.launch(
        executable_path=program, args=FLAGS, ignore_default_args=UNWANTED
    )


class EnginePage(Protocol):
    """A tab."""

    def go(self, url: str) -> None:
        """Opens an address and waits until the page has loaded."""

    def back(self) -> None: ...
    def forward(self) -> None: ...
    def evaluate(self, script: str, argument: Any = None) -> Any: ...

    def until(self, script: str, argument: Any = None) -> None:
        """Waits until the script's value is true, also across navigations."""

    def click(self, selector: str) -> None: ...

    def type(self, selector: str, text: str) -> None:
        """Clicks into a field and types, key by key."""

    def press(self, key: str) -> None:
        """One key where the focus is, by its name, such as `Enter`."""

    def wait(self, seconds: float) -> None:
        """Lets the browser go on; its page errors are heard meanwhile."""


class Visitor(Protocol):
    """A profile without a past."""

    @property
    def errors(self) -> list[str]:
        """Errors of scripts that nobody caught, of all pages."""

    def new_page(self) -> EnginePage: ...
    def cookies(self) -> list[dict[str, Any]]: ...
    def close(self) -> None: ...


class Engine(Protocol):
    """A running browser."""

    @property
    def name(self) -> str: ...
    def new_visitor(self) -> Visitor: ...


class ChromiumPage:
    def __init__(self, page: PlaywrightPage) -> None:
        self.page = page

    def go(self, url: str) -> None:
        self.page.goto(url)

    def back(self) -> None:
        """A page from the back/forward cache has no `load` to wait for."""
        self.page.go_back(wait_until="commit")

    def forward(self) -> None:
        self.page.go_forward(wait_until="commit")

    def evaluate(self, script: str, argument: Any = None) -> Any:
        return self.page.evaluate(script, argument)

    def until(self, script: str, argument: Any = None) -> None:
        self.page.wait_for_function(script, arg=argument)

    def click(self, selector: str) -> None:
        self.page.click(selector)

    def type(self, selector: str, text: str) -> None:
        self.page.click(selector)
        self.page.keyboard.type(text)

    def press(self, key: str) -> None:
        self.page.keyboard.press(key)

    def wait(self, seconds: float) -> None:
        self.page.wait_for_timeout(seconds * 1000)


class ChromiumVisitor:
    def __init__(self, context: BrowserContext) -> None:
        self.context = context
        self.errors: list[str] = []
        context.set_default_timeout(PATIENCE_MS)

    def new_page(self) -> ChromiumPage:
        page = self.context.new_page()
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        return ChromiumPage(page)

    def cookies(self) -> list[dict[str, Any]]:
        return [dict(one) for one in self.context.cookies()]

    def close(self) -> None:
        self.context.close()


class Chromium:
    """Through Playwright."""

    name = "chromium"

    def __init__(self, browser: Browser) -> None:
        self.browser = browser

    def new_visitor(self) -> ChromiumVisitor:
        return ChromiumVisitor(self.browser.new_context())


if __name__ == "__main__":  # tests/install_browser.sh asks whether there is one
    sys.exit(find_chromium() is None)
