"""On a small screen nothing is out of reach: one's own account, every menu, what came of a deed."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.desk.desk import Desk

PHONE = {"width": 360, "height": 640}
WINDOW = {"width": 1440, "height": 900}
#: Of an open menu: whether it lies in the window, and each control that cannot be brought there.
OUT_OF_REACH = """(menu) => {
  const within = (box, outer) => box.left >= outer.left - 1 && box.right <= outer.right + 1
    && box.top >= outer.top - 1 && box.bottom <= outer.bottom + 1;
  const whole = {left: 0, top: 0, right: innerWidth, bottom: innerHeight};
  const sheet = menu.querySelector(':scope > :not(summary)');
  const wrong = within(sheet.getBoundingClientRect(), whole) ? [] : ['the menu itself'];
  for (const one of sheet.querySelectorAll('a, button, input:not([type=hidden]), select')) {
    one.scrollIntoView({block: 'center', inline: 'nearest'});
    const box = one.getBoundingClientRect();
    const top = document.elementFromPoint(box.left + box.width / 2, box.top + box.height / 2);
    if (!within(box, whole) || !(one === top || one.contains(top) || top?.contains(one)))
      wrong.push(one.outerHTML);
  }
  return wrong;
}"""


def with_menus(desk: Desk, page: Page) -> Iterator[tuple[str, Locator]]:
    paths = [*desk.paths(), "/people?stage=lead", "/people?min_score=1"]
    for path in paths:
        desk.go(path, page)
        menus = page.locator("details.pop")
        for n in range(menus.count()):
            yield f"{path} {n}", menus.nth(n)


def test_every_menu_fits_on_a_phone(desk: Desk) -> None:
    """Within the window, everything in it to be reached; closed by Escape, by a tap beside it, and
    when the focus leaves it."""
    page = desk.looking(viewport=PHONE)
    seen = 0
    for place, menu in with_menus(desk, page):
        summary = menu.locator("summary")
        summary.focus()
        page.keyboard.press("Enter")
        expect(menu).to_have_attribute("open", "")
        assert menu.evaluate(OUT_OF_REACH) == [], place
        page.keyboard.press("Tab")
        assert menu.evaluate("(menu) => menu.contains(document.activeElement)"), place
        page.keyboard.press("Escape")
        expect(menu).not_to_have_attribute("open", "")
        expect(summary).to_be_focused()
        summary.click()
        page.mouse.click(180, 20)
        expect(menu).not_to_have_attribute("open", "")
        summary.click()
        page.locator(".brand").focus()
        expect(menu).not_to_have_attribute("open", "")
        seen += 1
    assert seen >= 5
    desk.check(page)


@pytest.mark.parametrize("look", [PHONE, WINDOW], ids=["phone", "window"])
def test_ones_own_account_is_within_reach(desk: Desk, look: dict[str, int]) -> None:
    page = desk.go("/", desk.looking(viewport=look))
    link = page.get_by_role("link", name="Your account")
    expect(link).to_be_in_viewport(ratio=1)
    box = link.bounding_box()
    assert box
    assert box["height"] >= 20
    link.click()
    expect(page).to_have_url(f"{desk.served.url}/welcome")


def test_what_came_of_a_test_has_the_focus(desk: Desk) -> None:
    """By keyboard: the button is off while it is sent, and the focus is on the outcome then; a
    second time as well."""
    one = desk.api("/destinations")["items"][0]
    page = desk.go(f"/destinations/{one['id']}", desk.looking(viewport=PHONE))
    for _ in range(2):
        button = page.get_by_role("button", name="Send a test")
        button.focus()
        page.keyboard.press("Enter")
        outcome = page.locator("#outcome [role=status]")
        expect(outcome).to_be_focused(timeout=20_000)
        expect(outcome).to_contain_text("The test")
        expect(outcome).to_be_in_viewport()
    desk.check(page)
