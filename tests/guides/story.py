"""One visitor's way through an application, the same in all of them, driven with the ten verbs.

Nothing is judged here: whatever the tracker does, the way is gone to its end, as an application
must not care whether its tracker answers.
"""

import json
import time
from collections.abc import Callable
from enum import Enum
from typing import Any
from urllib.parse import urlsplit

from server.model import Site
from tests.browser.conftest import Either
from tests.browser.engines import Engine
from tests.browser.host import Host, Page
from tests.browser.tracker import Row, Tracker
from tests.guides.applications import App
from tests.guides.building import Files

#: A form that is gone is confirmed after five seconds.
PATIENCE_S = 9.0
#: How long is waited for anything more once something did not come in time.
GONE_S = 0.6
AGAIN = """(src) => new Promise((done) => {
  const tag = document.createElement('script');
  tag.src = src;
  tag.onload = tag.onerror = () => done(true);
  document.head.append(tag);
})"""


BREAK = """() => {
  delete window.handraise;
  setTimeout(() => { throw new Error('thrown by the control') });
}"""


class Way(Enum):
    """How the tag is: as the guide says, or broken so that the checks must notice."""

    WHOLE = "as the guide says"
    BLOCKED = "nothing can arrive"
    DOUBLED = "two widgets run at once, and something throws"


class Story(Either):
    """A visitor of one application, and what is stored of them."""

    def __init__(
        self, tracker: Tracker, host: Host, engine: Engine, app: App, site: Site, way: Way
    ) -> None:
        self.given = site
        host.clear()
        tracker.gate.clear()
        super().__init__(tracker, host, engine)
        self.app = app
        self.way = way
        self.patience = PATIENCE_S if way != Way.BLOCKED else GONE_S
        self.before = max((row["seq"] for row in tracker.read(site)), default=0)
        self.email = f"ann.{self.before}@brew.example"
        self.typed = {"name": "Ann", "email": self.email, "message": "Two bags, please"}
        # A path of its own, for the browser may send a report after the row that it is of.
        self.told = f"/violations/{time.monotonic_ns()}"
        self.expected: list[tuple[str, str, str]] = []

    def configure(self, widget: dict[str, Any] | None = None, **settings: Any) -> None:
        """The application was built for this site."""
        del widget, settings
        self.site = self.given

    def serve(self, files: Files, policed: bool) -> None:
        """The application's files and what its forms and calls are answered."""
        blocked = self.way == Way.BLOCKED
        here = "" if blocked else self.tracker.base
        policy = self.app.policy.format(here=here, reports=self.told)
        if blocked and not policed:
            self.gate.answers.extend([400] * 1_000)
        for path, file in files.items():
            headers = {"Content-Type": file.kind}
            if policed and file.kind.startswith("text/html"):
                headers["Content-Security-Policy"] = policy
            self.host.pages[path] = Page(file.text, headers=headers)
        answer = {"Content-Type": "application/json"}
        session = json.dumps({"email": self.email})
        self.host.pages["/api/session"] = Page(session, headers=answer)
        self.host.pages[self.told] = Page()
        # The application without a build sends its form as browsers do, and is led on.
        self.host.pages["/api/contact"] = Page("{}", "" if self.app.build else "/thanks", answer)

    def go(self) -> None:
        """All of it."""
        self.page.go(self.host.origin + "/")
        self._seen("/")
        self.page.evaluate("() => void (window.first = true)")
        self._click("/pricing")
        self._click("/contact")
        self.page.back()
        self._seen("/pricing")
        self.page.forward()
        self._seen("/contact")
        self._send()
        self.page.click("#sign-in")
        self._come("identify")
        self._click("/")
        self._second_tag()
        self._click("/pricing")
        if self.app.demo:
            self._ask()
        self.page.click("#sign-out")
        self._click("/contact")
        # Numbered after all before it in this tab: what is not stored with it never will be.
        self.page.evaluate("() => void window.handraise?.('track', 'end')")
        self._until(lambda: any(row["kind"] == "track" for row in self.stored()))

    def stored(self, kind: str = "") -> list[Row]:
        """What is stored of this visitor."""
        rows = self.tracker.read(self.site, kind)
        return [row for row in rows if row["seq"] > self.before]

    @property
    def reports(self) -> list[str]:
        """What the policy forbade: directive and address, as the browser reports it."""
        bodies = [json.loads(one.body) for one in self.host.posted if one.path == self.told]
        said = [body["csp-report"] for body in bodies]
        return [f"{one['violated-directive']} {one['blocked-uri']}" for one in said]

    @property
    def missing(self) -> list[str]:
        """Files that were asked for and are not there."""
        paths = {urlsplit(path).path for path in self.host.got}
        return sorted(paths - set(self.host.pages) - {"/favicon.ico"})

    def _click(self, path: str) -> None:
        self.page.click(f'nav a[href="{path}"]')
        self._seen(path)

    def _seen(self, path: str) -> None:
        """The application shows a route, and its page view has been sent."""
        title = path[1:].capitalize() or "Home"
        self.page.until(
            "([path, title]) => location.pathname == path"
            " && document.querySelector('h1')?.textContent == title",
            [path, title],
        )
        before = self.expected[-1][0] if self.expected else ""
        self.expected.append((path, title, before))
        self._come("page_view", len(self.expected))

    def _send(self) -> None:
        for name, text in self.typed.items():
            self.page.type(f"#contact [name={name}]", text)
        self.page.click("#contact button")
        self.page.until(self.app.sent)
        if self.app.thanks:
            self._seen("/thanks")
        self._come("form_confirm")

    def _ask(self) -> None:
        self.page.type("#demo [name=company]", "Brew")
        self.page.click("#demo button")
        self.page.until("() => !!document.querySelector('#asked')")
        self._come("form_confirm", 2)

    def _second_tag(self) -> None:
        """The tag again, as when a template and a tag manager both have it."""
        if self.way == Way.DOUBLED:
            self.page.evaluate(BREAK)
        self.page.evaluate(AGAIN, self.script)

    def _come(self, kind: str, count: int = 1) -> None:
        """Wait until so many events of a kind were sent, as a visitor gives a page its time."""
        self._until(lambda: len({one["i"] for one in self.sent() if one["y"] == kind}) >= count)

    def _until(self, there: Callable[[], object]) -> None:
        late = time.monotonic() + self.patience
        while not there():
            if time.monotonic() > late:
                self.patience = GONE_S
                return
            self._wait(0.03)
