"""The page on which the widget's weight is weighed, and how a visit to it is measured.

It is loaded without a tag, with the widget, and with a script that is heavy on purpose: what does
not show that one would not show the widget either.
"""

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from playwright.sync_api import Browser, BrowserContext, CDPSession, Page, sync_playwright

from tests.bench.table import Lacking
from tests.browser.engines import find_chromium, launch
from tests.browser.host import Page as Plain
from tests.browser.host import serve_host
from tests.browser.tracker import serve_tracker
from tests.browser.watched import Watched

SLOWER = 4
TRACED = "devtools.timeline,disabled-by-default-devtools.timeline,v8"
VITALS = """<script>
window.vitals = { lcp: 0, cls: 0, inp: 0 };
const see = (type, read) =>
  new PerformanceObserver((list) => list.getEntries().forEach(read))
    .observe({ type, buffered: true, durationThreshold: 16 });
see('largest-contentful-paint', (one) => { vitals.lcp = one.startTime });
see('layout-shift', (one) => { if (!one.hadRecentInput) vitals.cls += one.value });
see('event', (one) => {
  if (one.interactionId) vitals.inp = Math.max(vitals.inp, one.duration);
});
</script>"""
BODY = """<style>body { font: 16px sans-serif } h1 { font-size: 72px } li { margin: 4px }</style>
<h1>Coffee machines for offices of ten to two hundred people</h1>
<p id="late"></p>
<form id="contact"><input name="email" type="email"><input name="name"><button>Send</button></form>
<button id="more" type="button">More</button><ul></ul>
<script>
const list = document.querySelector('ul');
const fill = (count) => {
  for (let n = 0; n < count; n++)
    list.append(Object.assign(document.createElement('li'), { textContent: 'Machine ' + n }));
};
fill(300);
setTimeout(() => { late.textContent = 'A notice that comes late and moves what is below it.' }, 50);
more.onclick = () => { history.pushState(null, '', '/more/' + list.children.length); fill(20) };
document.forms[0].onsubmit = (event) => event.preventDefault();
</script>"""
HEAVY = """(() => {
  const work = (time) => { for (const end = performance.now() + time; performance.now() < end;); };
  work(400);
  for (const type of ['keydown', 'click']) addEventListener(type, () => work(150), true);
  // What moves before the first picture of the page was shown has moved for nobody.
  const shown = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
  addEventListener('load', async () => {
    while (!performance.getEntriesByName('first-contentful-paint').length) await shown();
    document.body.prepend(
      Object.assign(document.createElement('div'), { style: 'height: 300px' }));
    await shown();
    window.moved = true;
  });
})();"""


class Vitals(NamedTuple):
    """Of one visit: largest paint (ms), layout shift (no unit), slowest interaction (ms)."""

    lcp: float
    cls: float
    inp: float


class Work(NamedTuple):
    """Of one visit, in ms at a quarter of the speed: what running the file took of the thread, by
    the clock on the wall, everything of ours until the end, and its longest piece."""

    run: float
    wall: float
    all: float
    longest: float


class Flat(NamedTuple):
    """What a thousand navigations left behind: listeners, and bytes of the heap."""

    listeners: float
    heap: float


class Weighed(Watched):
    """The site with the reference page: `/` without a tag, `/widget` and `/heavy` with one."""

    def __init__(self, *parts: Any, browser: Browser) -> None:
        super().__init__(*parts)
        self.browser = browser
        self.page: Page
        js = {"Content-Type": "text/javascript"}
        self.host.pages["/heavy.js"] = Plain(HEAVY, headers=js)
        tags = {"/": "", "/widget": self.host.tag, "/heavy": "<script src='/heavy.js'></script>"}
        for path, self.host.tag in tags.items():
            self.host.page(path, BODY, title="Coffee", head=VITALS)

    def _wait(self, seconds: float) -> None:
        self.page.wait_for_timeout(seconds * 1000)

    @contextmanager
    def visitor(self) -> Iterator[tuple[BrowserContext, CDPSession]]:
        """A browser without a past, in a process of its own."""
        context = self.browser.new_context()
        try:
            self.page = context.new_page()
            yield context, context.new_cdp_session(self.page)
        finally:
            context.close()

    def visit(self, path: str) -> None:
        """What a visitor does: looks, types, presses, sends."""
        self.page.goto(self.host.origin + path, wait_until="load")
        if path == "/widget":
            self.page.wait_for_function("() => window.handraise && handraise.b")
        if path == "/heavy":  # a shift soon after somebody types is not counted
            self.page.wait_for_function("() => window.moved")
        self.page.wait_for_timeout(300)
        self.page.locator("[name=email]").press_sequentially("a@b.example")
        for _ in range(3):
            self.page.click("#more")
        self.page.click("form button")
        self.page.evaluate(
            "() => new Promise((done) => requestAnimationFrame(() => setTimeout(done, 100)))"
        )

    def vitals(self, path: str) -> Vitals:
        with self.visitor() as (_, session):
            session.send("Emulation.setCPUThrottlingRate", {"rate": SLOWER})
            self.visit(path)
            return Vitals(**self.page.evaluate("vitals"))

    def work(self) -> Work:
        with self.visitor() as (_, session):
            told: list[dict[str, Any]] = []
            over: list[object] = []
            session.on("Tracing.dataCollected", lambda part: told.extend(part["value"]))
            session.on("Tracing.tracingComplete", lambda done: over.append(done))  # noqa: PLW0108 - Playwright marks what it calls
            session.send("Emulation.setCPUThrottlingRate", {"rate": SLOWER})
            session.send("Tracing.start", {"categories": TRACED, "transferMode": "ReportEvents"})
            self.visit("/widget")
            session.send("Tracing.end")
            while not over:
                self.page.wait_for_timeout(20)
        return worked(told)

    def flat(self, path: str, navigations: int) -> Flat:
        """After a first two hundred navigations, for what is set up once is not what grows."""
        with self.visitor() as (_, session):
            session.send("Performance.enable")
            self.visit(path)
            self._navigate(200)
            before = self._weigh(session)
            self._navigate(navigations)
            after = self._weigh(session)
        return Flat(after.listeners - before.listeners, after.heap - before.heap)

    def _navigate(self, count: int) -> None:
        """Then wait until all that was to be told is stored: a queue is no leak."""
        self.page.evaluate(
            """async (count) => {
              for (let n = 0; n < count; n++) {
                history.pushState(null, '', '/route/' + (n % 50));
                await new Promise((done) => setTimeout(done));
              }
            }""",
            count,
        )
        told, quiet = -1, 0
        while quiet < 30:  # tenths of a second without another batch
            quiet = quiet + 1 if told == len(self.gate.requests) else 0
            told = len(self.gate.requests)
            self.page.wait_for_timeout(100)

    def _weigh(self, session: CDPSession) -> Flat:
        for _ in range(3):
            session.send("HeapProfiler.collectGarbage")
        found = {
            one["name"]: one["value"] for one in session.send("Performance.getMetrics")["metrics"]
        }
        return Flat(found["JSEventListeners"], found["JSHeapUsedSize"])


def worked(trace: list[dict[str, Any]]) -> Work:
    """Of a browser's trace what is ours: the file's evaluation, and calls of functions in it."""
    ours = [
        one
        for one in trace
        if one["name"] in {"EvaluateScript", "FunctionCall"}
        and one["ph"] == "X"
        and "/h/" in json.dumps(one["args"])
    ]
    (run,) = (one for one in ours if one["name"] == "EvaluateScript")
    took = [one["tdur"] / 1000 for one in ours]
    return Work(run["tdur"] / 1000, run["dur"] / 1000, sum(took), max(took))


@contextmanager
def weighed(scratch: Path) -> Iterator[Weighed]:
    """The site, served. Raises `Lacking` where there is no Chromium."""
    program = find_chromium()
    if program is None:
        raise Lacking("no Chromium here: set CHROMIUM to its path")
    folder = Path(tempfile.mkdtemp(dir=scratch))
    with serve_tracker(folder) as tracker, serve_host() as host, sync_playwright() as playwright:
        browser = launch(playwright, program)
        yield Weighed(tracker, host, browser=browser)
        browser.close()
