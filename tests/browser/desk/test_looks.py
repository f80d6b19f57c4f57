"""Every page in every look: nothing for axe-core to find, nothing wider than the window."""

from typing import Any

import pytest

from tests.browser.desk.desk import Desk

LOOKS: dict[str, dict[str, Any]] = {
    "light": {"viewport": {"width": 1440, "height": 900}},
    "dark": {"viewport": {"width": 1440, "height": 900}, "color_scheme": "dark"},
    "phone": {"viewport": {"width": 360, "height": 740}},
}
WIDTHS = (360, 600, 820, 1024, 1280, 1920)


@pytest.mark.parametrize("look", LOOKS)
def test_axe_finds_nothing(desk: Desk, look: str) -> None:
    page = desk.looking(**LOOKS[look])
    wrong: dict[str, list[str]] = {}
    for path in [*desk.paths(), "/people?who=everybody", "/people?q=nobody-is-called-so"]:
        desk.go(path, page)
        found = desk.axe(page)
        if found:
            wrong[path] = found
        desk.check(page)
    assert wrong == {}


def test_axe_finds_nothing_before_signing_in(desk: Desk) -> None:
    desk.go("/welcome")
    assert desk.axe(desk.page) == []
    desk.context.clear_cookies()
    desk.go("/sign-in")
    assert desk.axe(desk.page) == []


def test_no_page_is_wider_than_the_window(desk: Desk) -> None:
    page = desk.page
    for path in desk.paths():
        desk.go(path, page)
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 800})
            found = page.evaluate("document.documentElement.scrollWidth")
            assert found <= width, (path, width, found)
        page.set_viewport_size({"width": 1440, "height": 900})


def test_long_and_right_to_left_names_stay_in_their_place(desk: Desk) -> None:
    """A name of 300 letters, one from right to left, an e-mail without a place to break."""
    names = ("W" * 300, "محمد بن عبد الله بن عبد المطلب", "x" * 60)
    key = desk.api("")["key"]
    for number, name in enumerate(names):
        email = f"{'long' * 12}{number}@{'sub.' * 12}brew.example"
        answer = desk.page.request.post(
            f"{desk.served.url}/f/{key}/demo",
            form={"name": name, "email": email},
            headers={"Referer": f"{desk.served.demo}/demo"},
            max_redirects=0,
        )
        assert answer.status < 400, answer.text()
    for path in ("/", "/people?sort=-last_seen"):
        page = desk.go(path)
        for width in (360, 1440):
            page.set_viewport_size({"width": width, "height": 800})
            assert page.evaluate("document.documentElement.scrollWidth") <= width, (path, width)


def test_a_first_visit_is_light(desk: Desk) -> None:
    """120 kB at most over the wire for Today with everything it loads."""
    page = desk.looking(**LOOKS["light"])
    client = page.context.new_cdp_session(page)
    client.send("Network.enable")
    client.send("Network.setCacheDisabled", {"cacheDisabled": True})
    sizes: list[float] = []
    client.on("Network.loadingFinished", lambda one: sizes.append(one["encodedDataLength"]))
    desk.go("/", page)
    page.wait_for_load_state("networkidle")
    assert len(sizes) >= 5
    assert sum(sizes) <= 120_000, sizes


def test_nothing_shifts_while_a_page_loads(desk: Desk) -> None:
    page = desk.looking(**LOOKS["light"])
    page.add_init_script(
        "window.shift = 0; new PerformanceObserver((l) => l.getEntries().forEach((e) =>"
        " shift += e.value)).observe({type: 'layout-shift', buffered: true});"
    )
    for path in ("/", "/people"):
        desk.go(path, page)
        page.wait_for_load_state("networkidle")
        assert page.evaluate("shift") < 0.02, path
