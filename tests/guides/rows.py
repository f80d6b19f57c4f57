"""One row: an application in a browser under a policy, with the tag whole or broken."""

import time
from pathlib import Path

import click

from server.model import Site, SiteSettings
from tests.browser.engines import Engine
from tests.browser.host import Host
from tests.browser.tracker import Tracker
from tests.browser.watched import FORMS
from tests.guides.applications import App
from tests.guides.building import DoesNotBuild, Files, build
from tests.guides.checks import MUST, wrong
from tests.guides.story import Story, Way

POLICIES = ("none", "strict")
LINE = "{:<12}{:<14}{:<8}{}"


class Run:
    """The rows made so far; each is printed as it is made."""

    def __init__(self, folder: Path, tracker: Tracker, host: Host) -> None:
        self.folder = folder
        self.tracker = tracker
        self.host = host
        self.site: Site
        self.files: Files
        self.counts = dict.fromkeys(("passed", "failed", "skipped", "noticed", "not noticed"), 0)

    @property
    def good(self) -> bool:
        """Something was tried, and all of it is as it must be."""
        tried = self.counts["passed"] + self.counts["noticed"]
        return bool(tried) and not self.counts["failed"] and not self.counts["not noticed"]

    def build(self, app: App) -> bool:
        """An application for a site of its own; what does not build has failed."""
        began = time.monotonic()
        self.site = self.tracker.add_site(
            SiteSettings(allow_localhost=True, allow_automation=True, forms=FORMS)
        )
        address = f"{self.tracker.base}/h/{self.site.keys[0]}.js"
        try:
            self.files = build(app, self.folder, address)
        except DoesNotBuild as error:
            self._say(app, "", "", "failed", f"FAILED: it does not build: {error}")
            return False
        click.echo(f"\n{app.name}: {app.made_of()} (built in {time.monotonic() - began:.0f} s)")
        return True

    def skip(self, app: App, engine: str, why: str) -> None:
        """A row that is not made: counted and said, never passed over."""
        for policy in POLICIES:
            self._say(app, engine, policy, "skipped", f"SKIPPED: {why}")

    def row(self, app: App, name: str, engine: Engine, policy: str, way: Way) -> None:
        """Go the way, judge what is stored, print it."""
        began = time.monotonic()
        story = Story(self.tracker, self.host, engine, app, self.site, way)
        story.serve(self.files, policy == "strict")
        try:
            story.go()
            found = wrong(story)
        except Exception as error:  # the other rows are made all the same
            found = {"way": repr(error)}
        finally:
            self.tracker.gate.clear()
            story.visitor.close()
        took = f"  ({time.monotonic() - began:.0f} s)"
        if way == Way.WHOLE:
            said = "; ".join(f"{name}: {what}" for name, what in found.items())
            outcome = "failed" if found else "passed"
            self._say(app, name, policy, outcome, (f"FAILED: {said}" if found else "passed") + took)
            return
        must = MUST[way] | ({"policy"} if way == Way.BLOCKED and policy == "strict" else set())
        noticed = must <= set(found) and "way" not in found
        said = f"fails, as it must: {', '.join(found)}" if noticed else f"DID NOT FAIL: {found}"
        outcome = "noticed" if noticed else "not noticed"
        self._say(app, name, policy, outcome, f"control, {way.value}: {said}{took}")

    def total(self) -> str:
        """All rows, counted by what came of them."""
        kept = [f"{count} {what}" for what, count in self.counts.items() if count]
        return "rows: " + (", ".join(kept) or "none")

    def _say(self, app: App, engine: str, policy: str, outcome: str, what: str) -> None:
        self.counts[outcome] += 1
        click.echo(LINE.format(app.name, engine, policy, what))
