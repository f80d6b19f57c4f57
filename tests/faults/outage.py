"""The server is away for ten minutes; what visitors did meanwhile arrives once, of all who return.

A real browser, its clock moved by hand. Meanwhile a visitor reads on, goes from page to page and
closes a tab; another tab stays open. Every other outage nobody answers at all; else it is 503.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import BrowserContext, Error, Page, Route, sync_playwright

from tests.browser.conftest import Lab
from tests.browser.engines import find_chromium, launch
from tests.browser.host import serve_host
from tests.browser.test_delivery import ANSWERED, pass_time
from tests.browser.tracker import serve_tracker
from tests.faults.row import CannotRun, Fault, Outcome

OUTAGE_MS = 600_000
LONGEST_WAIT_MS = 300_000  # a widget's longest between two tries
FORGETFUL = """Object.defineProperty(window, 'localStorage', {
  get() { throw new DOMException('no') } });"""


@contextmanager
def laboratory(folder: Path) -> Iterator[Lab]:
    """A server, a website and a browser."""
    program = find_chromium()
    if program is None:
        raise CannotRun("no Chromium here: set CHROMIUM to its path")
    with serve_tracker(folder) as tracker, serve_host() as host, sync_playwright() as playwright:
        browser = launch(playwright, program)
        lab = Lab(tracker, host, browser)
        try:
            yield lab
        finally:
            tracker.gate.clear()
            browser.close()


def down(lab: Lab, context: BrowserContext, *, refuses: bool) -> None:
    """From here on the server is away."""
    if refuses:
        lab.gate.answers.extend([503] * 1_000)
    else:
        context.route("**/e", _abort)


def _abort(route: Route) -> None:
    route.abort("connectionrefused")


def up(lab: Lab, context: BrowserContext) -> None:
    lab.gate.answers.clear()
    context.unroute("**/e", _abort)


def track(page: Page, name: str) -> str:
    page.evaluate("(name) => handraise('track', name)", name)
    return name


def one(lab: Lab, number: int, *, forgetful: bool) -> list[str]:
    """One visitor's outage; what they did, by name."""
    context = lab.new_visitor()
    context.add_init_script(ANSWERED)
    if forgetful:
        context.add_init_script(FORGETFUL)
    context.clock.install()
    down(lab, context, refuses=number % 2 == 0)
    stays, leaves = lab.new_page(context), lab.new_page(context)
    did = [track(lab.visit("/stays", stays), f"{number} stays")]
    did.append(track(lab.visit("/one", leaves), f"{number} before"))
    pass_time(leaves, OUTAGE_MS)
    did.append(track(leaves, f"{number} in between"))
    pass_time(leaves, 5_000)
    did.append(track(lab.visit("/two", leaves), f"{number} on another page"))
    pass_time(leaves, 5_000)
    leaves.close()
    up(lab, context)
    returns = lab.visit("/three", lab.new_page(context))
    did.append(track(returns, f"{number} back"))
    for page in (returns, stays):
        pass_time(page, LONGEST_WAIT_MS + 60_000)
    lab.rows("track", 1, lambda row: row["data"]["name"] == did[-1])
    lab.rows("track", len(did), lambda row: row["data"]["name"] in did)
    context.close()
    lab.contexts.remove(context)
    return did


def outcome(folder: Path, times: int, *, forgetful: bool = False) -> Outcome:
    """Outages as one row of the table."""
    did: list[str] = []
    try:
        with laboratory(folder) as lab:
            for number in range(times):
                did += one(lab, number, forgetful=forgetful)
            stored = Counter(row["data"]["name"] for row in lab.tracker.read(lab.site, "track"))
            errors = lab.errors
    except Error as error:
        raise CannotRun(f"the browser does not run: {error.message.splitlines()[0]}") from error
    missing = [name for name in did if not stored[name]]
    twice = [name for name in did if stored[name] > 1]
    hurt = {name.split()[0] for name in missing + twice}
    return Outcome(
        times,
        0 if errors else times - len(hurt),
        len(did),
        len(missing),
        len(twice),
        f"{len(did)} events of {times} visitors, each outage {OUTAGE_MS // 60_000} minutes of the"
        f" browser's clock; errors on their pages {len(errors)}",
    )


FAULTS = (
    Fault(
        "R11",
        "the server is away for ten minutes",
        10,
        outcome,
        lambda folder: outcome(folder, 2, forgetful=True),
    ),
)
