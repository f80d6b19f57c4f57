"""A person is erased: the browser that was hers is a stranger's from then on."""

from functools import partial
from typing import Any

import httpx2
from playwright.sync_api import Page

from server.storage import tokens
from server.web.sign_in import new_link
from tests.browser.conftest import Lab

FORM = """<form action="/thanks" method="post" id="demo"><input name="email" type="email">
<input name="name"><button>Send</button></form>"""


def listed(api: httpx2.Client, path: str, page: Page, views: int) -> list[dict[str, Any]]:
    """The rows of a list, waited for until they hold so many page views: the browser's last
    events may still be on their way."""
    rows: list[dict[str, Any]] = []
    for _ in range(100):
        rows = api.get(path).json()["items"]
        if sum(row["page_views"] for row in rows) >= views:
            break
        page.wait_for_timeout(50)
    return rows


def test_a_person_is_erased(lab: Lab) -> None:
    app, site_id = lab.tracker.app, lab.site.site_id
    lab.host.page("/demo", FORM)
    page = lab.visit("/pricing")
    lab.visit("/demo", page)
    page.locator("[name=name]").fill("Ann Lee")
    page.locator("[name=email]").fill("ann@brew.example")
    page.get_by_role("button").click()
    page.wait_for_url("**/thanks")
    lab.rows("form_submit")

    token = tokens.new_token()
    add = partial(tokens.add, site_id, token, "admin", "", "t", app.state.clock())
    lab.tracker.do(app.state.writer.run(add))
    lab.tracker.do(app.state.reload())
    headers = {"Authorization": f"Bearer {token}"}
    base = f"{lab.tracker.base}/api/v1/sites/{site_id}"
    with httpx2.Client(base_url=base, headers=headers, timeout=10) as api:
        (ann,) = listed(api, "/people", page, 3)
        assert ann["page_views"] == 3
        desk = lab.new_page(lab.new_visitor())
        desk.goto(lab.tracker.base + lab.tracker.do(new_link(app.state)))
        shown = f"{lab.tracker.base}/people/{ann['id']}?site={site_id}"
        assert "ann@brew.example" in desk.goto(shown).text()  # type: ignore[union-attr]

        receipt = api.delete(f"/people/{ann['id']}").json()["receipt"]
        assert receipt["visitors"] == 1
        assert receipt["files_clean"]
        assert desk.goto(shown).status == 404  # type: ignore[union-attr]
        assert lab.tracker.read(lab.site, "page_view") == []

        lab.visit("/pricing", page)
        view = lab.row("page_view")
        assert view["url"].endswith("/pricing")
        assert api.get("/people").json()["items"] == []
        assert [one["page_views"] for one in listed(api, "/visitors", page, 1)] == [1]
