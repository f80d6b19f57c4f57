"""`make guides`: the guides of docs/install.md, each tried by an application written after it.

Packages are fetched (`npm ci`, pinned), each application is built with the tag of a running server
and gone through in real browsers, without a policy and with a strict one; what is stored of the
visitor is compared with what they did. The exit status is 0 if every row passed that could be
made, and every broken tag was noticed.

`--control` breaks the tag in every row: then each must fail. A usual run does so for one
application.
"""

import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import click
from playwright.sync_api import sync_playwright

from tests.browser.engines import Chromium, Engine, find_chromium, launch
from tests.browser.firefox import find_firefox, run_firefox
from tests.browser.host import serve_host
from tests.browser.tracker import serve_tracker
from tests.guides.applications import APPS, App
from tests.guides.building import CannotFetch, fetch
from tests.guides.rows import POLICIES, Run
from tests.guides.story import Way


def engines(stack: ExitStack) -> dict[str, Engine | str]:
    """The browsers by name, or why one is not here."""
    found: dict[str, Engine | str] = {}
    if program := find_chromium():
        browser = launch(stack.enter_context(sync_playwright()), program)
        stack.callback(browser.close)
        found[f"chromium {browser.version.split('.')[0]}"] = Chromium(browser)
    else:
        found["chromium"] = "no Chromium here: set CHROMIUM to its path"
    if program := find_firefox():
        profile = stack.enter_context(tempfile.TemporaryDirectory(prefix="hr-firefox-"))
        firefox = stack.enter_context(run_firefox(program, Path(profile)))
        found[f"firefox {firefox.version.split('.')[0]}"] = firefox
    else:
        found["firefox"] = "no Firefox here: set FIREFOX to its path"
    return found


def chosen(only: str) -> list[App]:
    """The applications with these names; all of them for none."""
    words = [word.strip() for word in only.split(",") if word.strip()]
    unknown = set(words) - {app.name for app in APPS}
    if unknown:
        there = ", ".join(app.name for app in APPS)
        raise click.BadParameter(f"there are {there}", param_hint="--only")
    return [app for app in APPS if not words or app.name in words]


def rows(run: Run, apps: list[App], there: dict[str, Engine | str], control: bool) -> None:
    """Each application in each browser under each policy; then, in one, a tag that is broken."""
    ways = [Way.BLOCKED, Way.DOUBLED] if control else [Way.WHOLE]
    proven = control
    for app in apps:
        if not run.build(app):
            continue
        for name, engine in there.items():
            if isinstance(engine, str):
                run.skip(app, name, engine)
                continue
            for policy in POLICIES:
                for way in ways:
                    run.row(app, name, engine, policy, way)
            if not proven:
                proven = True
                for policy, way in ((p, w) for p in POLICIES for w in (Way.BLOCKED, Way.DOUBLED)):
                    run.row(app, name, engine, policy, way)


@click.command()
@click.option("--only", default="", help="applications, such as react,vue")
@click.option("--control", is_flag=True, help="break the tag in every row: each must fail")
@click.option(
    "--keep",
    type=click.Path(path_type=Path, file_okay=False),
    help="fetch and build in this folder and leave it; the next run fetches nothing again",
)
def main(only: str, control: bool, keep: Path | None) -> None:
    """Build what the guides describe, go through it in real browsers, read what was stored."""
    apps = chosen(only)
    began = time.monotonic()
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hr-guides-")))
        folder = keep.resolve() if keep else scratch / "built"
        tracker = stack.enter_context(serve_tracker(scratch / "data"))
        run = Run(folder, tracker, stack.enter_context(serve_host()))
        try:
            click.echo("fetching the packages, unless they are kept")
            fetch(folder)
        except CannotFetch as error:
            for app in apps:
                run.skip(app, "each", str(error))
        else:
            rows(run, apps, engines(stack), control)
    click.echo(f"\n{run.total()}; took {time.monotonic() - began:.0f} s")
    raise SystemExit(0 if run.good else 1)


if __name__ == "__main__":
    main()
