"""Pictures of the main pages for the docs: `make screenshots`, then look at every one of them."""

import re
import tempfile
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from tests.browser.engines import FLAGS, find_chromium
from tests.browser.serving import Served, serving, until

TARGET = Path(__file__).parent.parent.parent / "docs" / "screenshots"
DESK = {"viewport": {"width": 1280, "height": 860}}
LOOKS = {
    "": DESK,
    "-dark": DESK | {"color_scheme": "dark"},
    "-phone": {"viewport": {"width": 390, "height": 844}},
}
#: (name, path, looks); `{person}` is somebody with a story.
PICTURES = (
    ("today", "/", ("", "-dark", "-phone")),
    ("people", "/people", ("", "-phone")),
    ("person", "/people/{person}", ("", "-dark", "-phone")),
    ("scoring", "/scoring", ("",)),
    ("install", "/install", ("",)),
)


def take(served: Served) -> None:
    people = served.cli("people")["items"]
    person = next((one["id"] for one in people if one["stage"] == "sql"), people[0]["id"])
    with sync_playwright() as running:
        browser = running.chromium.launch(executable_path=find_chromium(), args=FLAGS)
        first = browser.new_context()
        first.new_page().goto(served.new_link())
        for name, path, looks in PICTURES:
            for look in looks:
                context = browser.new_context(storage_state=first.storage_state(), **LOOKS[look])  # type: ignore[arg-type]
                page = context.new_page()
                page.goto(served.url + path.format(person=person))
                picture(page, TARGET / f"{name}{look}.png")
                context.close()
        browser.close()


def picture(page: Page, file: Path) -> None:
    page.wait_for_load_state("networkidle")
    page.evaluate("document.querySelector('.warning')?.remove()")  # true here, and only here
    page.screenshot(path=file)


def main() -> None:
    """Fill a server, take the pictures, say where they are."""
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder)) as served:
        said = served.run("demo", "--visitors", "600", "--weeks", "8")
        sent = int(re.findall(r"(\d+) events stored", said)[0])
        until(lambda: len(served.cli("people")["items"]), lambda found: found >= sent // 400)
        take(served)


if __name__ == "__main__":
    main()
