"""Two people share a laptop: what each of them did, and what nobody may have, in a real browser."""

from typing import Any

import httpx2
import pytest

from server.app import now_ms
from server.model import Site
from server.storage import tokens
from tests.browser.conftest import Lab

FORM = """
<form id="contact" action="/thanks">
  <input name="email" type="email"><button>Send</button>
</form>
"""


class Marketer:
    """Somebody with a token, who asks the API."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.token = tokens.new_token()
        state = lab.tracker.app.state
        site: Site = lab.site

        async def allow() -> None:
            await state.writer.run(
                lambda: tokens.add(site.site_id, self.token, "write", "story", "test", 1)
            )
            await state.reload()

        lab.tracker.do(allow())
        self.base = f"{lab.tracker.base}/api/v1/sites/{site.site_id}"

    def get(self, path: str, **query: Any) -> Any:
        answer = httpx2.get(
            self.base + path, params=query, headers={"Authorization": f"Bearer {self.token}"}
        )
        assert answer.status_code == 200, answer.text
        return answer.json()

    def projected(self) -> None:
        """Wait until everything stored is projected."""
        state = self.lab.tracker.app.state
        site_id = self.lab.site.site_id

        async def passed() -> None:
            head = await state.database.fetch("SELECT seq FROM heads WHERE site_id = $1", site_id)
            await state.projector.passed(site_id, head[0][0])

        self.lab.tracker.do(passed())

    def people(self) -> dict[str, Any]:
        """Everybody, by e-mail."""
        self.projected()
        return {person["email"]: person for person in self.get("/people")["items"]}

    def pages(self, person: dict[str, Any]) -> list[str]:
        """The pages on somebody's timeline, in the order they were read."""
        items = self.get(f"/people/{person['id']}/timeline", kind="page_view")["items"]
        return [item["path"] for item in reversed(items)]


def test_two_people_share_a_laptop(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ann reads and asks; Bob asks from the same browser; later somebody only reads."""
    for path in ("/", "/pricing", "/docs", "/careers"):
        lab.host.page(path, FORM)
    marketer = Marketer(lab)
    page = lab.visit("/pricing")
    page.fill("[name=email]", "ann@brew.example")
    page.click("button")
    lab.rows("form_submit", 1)
    assert marketer.pages(marketer.people()["ann@brew.example"])[0] == "/pricing"

    page = lab.visit("/docs", page)
    page.fill("[name=email]", "bob@mash.example")
    page.click("button")
    lab.rows("form_submit", 2)
    page = lab.visit("/careers", page)
    lab.rows("page_view", 1, lambda row: row["url"].endswith("/careers"))
    people = marketer.people()
    ann, bob = people["ann@brew.example"], people["bob@mash.example"]
    assert ann["id"] != bob["id"]
    assert "/careers" not in marketer.pages(ann)
    assert "/pricing" not in marketer.pages(bob)
    assert bob["page_views"] >= 1

    # Another day, on the same laptop: nobody says who it is, so it is nobody's.
    before = {email: marketer.pages(person) for email, person in people.items()}
    monkeypatch.setattr(lab.tracker.app.state, "clock", lambda: now_ms() + 86_400_000)
    page = lab.visit("/pricing", page)
    lab.all_after(page)
    people = marketer.people()
    after = {email: marketer.pages(person) for email, person in people.items()}
    links = [
        link
        for person in people.values()
        for link in marketer.get(f"/people/{person['id']}")["links"]
    ]
    assert len({link["visitor"] for link in links}) == 1
    assert after == before
    visitor = links[0]["visitor"]
    items = marketer.get(f"/visitors/{visitor}/timeline", kind="page_view")["items"]
    assert [item["path"] for item in items] == ["/pricing"]
