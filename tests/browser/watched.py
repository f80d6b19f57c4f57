"""A site whose stored events a test reads, whatever browser its pages run in."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Protocol

from server.model import FormRule, Site, SiteSettings
from tests.browser.host import Host
from tests.browser.tracker import PATIENCE_S, Request, Row, Tracker

FORMS = tuple(FormRule(key) for key in ("contact", "demo", "form", "inner", "outer"))


class Scripted(Protocol):
    """A page that can be asked to run a line of script."""

    def evaluate(self, script: str, argument: Any = None, /) -> Any: ...


class Watched(ABC):
    """One site on the real server: its settings, its tag, its rows."""

    def __init__(self, tracker: Tracker, host: Host) -> None:
        self.tracker = tracker
        self.gate = tracker.gate
        self.host = host
        self.site: Site
        self.configure()

    @abstractmethod
    def _wait(self, seconds: float) -> None:
        """Lets the browser go on; its page errors are heard meanwhile."""

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

    def rows(self, kind: str, count: int = 1, where: Callable[[Row], object] = bool) -> list[Row]:
        """Rows of a kind, waited for; see `Tracker.rows`."""
        return self.tracker.rows(self.site, kind, count, where, self._wait)

    def until(self, there: Callable[[], object]) -> None:
        """Wait until something besides the stored rows is there, as long as rows are waited for."""
        late = time.monotonic() + PATIENCE_S
        while not there() and time.monotonic() < late:
            self._wait(0.03)

    def row(self, kind: str, where: Callable[[Row], object] = bool) -> Row:
        found = self.rows(kind, 1, where)
        assert len(found) == 1, [dict(row) for row in found]
        return found[0]

    def all_after(self, page: Scripted, kind: str = "") -> list[Row]:
        """What is stored once an event made after everything else has arrived: to prove a lack."""
        name = f"mark {time.monotonic_ns()}"
        page.evaluate("(name) => handraise('track', name)", name)
        assert self.rows("track", 1, lambda row: row["data"]["name"] == name)
        found = self.tracker.read(self.site, kind)
        return [row for row in found if not str(row["data"].get("name", "")).startswith("mark ")]

    def paths(self, rows: list[Row]) -> list[str]:
        return [row["url"].removeprefix(self.host.origin) for row in rows]

    @property
    def requests(self) -> list[Request]:
        """What this site's pages posted; a page closed by the test before may still arrive."""
        return [r for r in self.gate.requests if r.batch.get("k") == self.site.keys[0]]

    def sent(self) -> list[dict[str, Any]]:
        """The events that reached the gate, in order."""
        return [event for request in self.requests for event in request.batch.get("e", [])]
