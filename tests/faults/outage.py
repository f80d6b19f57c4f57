"""The server is away for ten minutes; what visitors did meanwhile arrives once, of all who return.

A real browser, its clock moved by hand. Meanwhile a visitor reads on, goes from page to page and
closes a tab; another tab stays open. Every other outage nobody answers at all; else it is 503.
Of five visitors one has a full storage and one may store nothing: what their page knows is lost
with it, so they stay.
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

FULL = """for (const size of [1e6, 1e4, 100, 10, 1]) {
  try { for (let n = 0; ; n++) localStorage['x' + size + n] = 'x'.repeat(size); } catch {} }"""
#: What has no room, by the place of a visitor among five.
WITHOUT = {3: FULL, 4: FORGETFUL}


@contextmanager
def laboratory(folder: Path) -> Iterator[Lab]:
    """A server, a website and a browser."""
    program = find_chromium()
    if program is None:
        raise CannotRun("no Chromium here: set CHROMIUM to its path")
    with serve_tracker(folder) as tracker, serve_host() as host, sync_playwright() as playwright:
        try:
            browser = launch(playwright, program)
        except Error as error:
            raise CannotRun(
                f"the browser does not start: {error.message.splitlines()[0]}"
            ) from error
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


def one(lab: Lab, number: int, did: list[str], *, forgetful: bool) -> None:
    """One visitor's outage; what they did goes to `did`, by name."""
    context = lab.new_visitor()
    context.add_init_script(ANSWERED)
    if forgetful:
        context.add_init_script(FORGETFUL)
    context.clock.install()
    down(lab, context, refuses=number % 2 == 0)
    if number % 5 in WITHOUT and not forgetful:
        return stay(lab, context, number, did)
    stays, leaves = lab.new_page(context), lab.new_page(context)
    mine = len(did)
    did.append(track(lab.visit("/stays", stays), f"{number} stays"))
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
    lab.rows("track", len(did) - mine, lambda row: row["data"]["name"] in did[mine:])


def stay(lab: Lab, context: BrowserContext, number: int, did: list[str]) -> None:
    """The outage of somebody whose browser keeps nothing, on one page."""
    context.add_init_script(WITHOUT[number % 5])
    page = lab.new_page(context)
    mine = len(did)
    did.append(track(lab.visit("/stays", page), f"{number} stays"))
    for minute in range(OUTAGE_MS // 60_000):
        pass_time(page, 60_000)
        did.append(track(page, f"{number} minute {minute}"))
    up(lab, context)
    pass_time(page, LONGEST_WAIT_MS + 60_000)
    lab.rows("track", len(did) - mine, lambda row: row["data"]["name"] in did[mine:])


def outcome(folder: Path, times: int, *, forgetful: bool = False) -> Outcome:
    """Outages as one row of the table. A page that does not answer is a visitor that was hurt:
    only a browser that does not start is none of the widget's business."""
    did: list[str] = []
    broken: dict[str, str] = {}
    with laboratory(folder) as lab:
        for number in range(times):
            try:
                one(lab, number, did, forgetful=forgetful)
            except Error as error:
                broken[str(number)] = error.message.splitlines()[0]
            finally:
                lab.gate.answers.clear()
                lab.contexts.pop().close()
        stored = Counter(row["data"]["name"] for row in lab.tracker.read(lab.site, "track"))
        errors = lab.errors
    missing = [name for name in did if not stored[name]]
    twice = [name for name in did if stored[name] > 1]
    hurt = {name.split()[0] for name in missing + twice} | set(broken)
    note = (
        f"{len(did)} events of {times} visitors, each outage {OUTAGE_MS // 60_000} minutes of the"
        f" browser's clock; errors on their pages {len(errors)}"
    )
    if broken:
        note += f"; {len(broken)} pages stopped: {next(iter(broken.values()))}"
    return Outcome(
        times,
        0 if errors else times - len(hurt),
        len(did),
        len(missing),
        len(twice),
        note,
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
