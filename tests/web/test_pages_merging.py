"""Who is who on pages: two made one and apart again, no leads brought back, names in the audit."""

import re
from typing import Any

import httpx2
import pytest

from server.web.pages.misfits import misfit
from tests.acme import mistyped
from tests.office import Office

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


async def sent(client: httpx2.AsyncClient, path: str, **fields: Any) -> str:
    """A form that is taken: where it leads."""
    answer = await client.post(f"{path}?site=1", data=fields)
    assert answer.status_code == 303, answer.text
    assert answer.headers["cache-control"] == "no-store"
    return str(answer.headers["location"])


async def test_two_become_one_and_two_again(office: Office) -> None:
    """Found by e-mail and seen side by side first; no browser keeps the way that a split ends."""
    ada, ben = office.known.ada, office.known.ben
    async with await office.browser("marketer") as client:
        asked = f"/people/{ben}/merge?site=1&other="
        both = (await client.get(f"{asked}ada%40lovelace.example")).text
        assert "Ben Ångström" in both
        assert f'name="other" value="{ada}"' in both
        assert "Nobody else here" in (await client.get(f"{asked}zzz")).text
        assert "is this person already" in (await client.get(f"{asked}{ben}")).text
        several = (await client.get(f"{asked}e")).text
        assert "eve@evil.example" in several
        arrival = await sent(client, f"/people/{ben}/merge", other="ada@lovelace.example")
        moved = await client.get(arrival)
        assert (moved.status_code, moved.headers["cache-control"]) == (303, "no-store")
        page = (await client.get(moved.headers["location"])).text
        assert "The two are one person now" in page  # said on the page of whom they became
        assert "Merged: ben@gmail.com and ada@lovelace.example" in page
        merge = re.search(r'name="merge" value="(e\d+)"', page)
        assert merge
        listed = (await client.get("/conflicts/merged?site=1")).text
        assert f'action="/people/{ada}/split' in listed
        assert f'name="merge" value="{merge[1]}"' in listed
        assert "<bdi>ben@gmail.com</bdi> and <bdi>ada@lovelace.example</bdi>" in listed
        await sent(client, f"/people/{ada}/split", merge=merge[1])
        assert (await client.get(f"/people/{ben}?site=1")).status_code == 200
        assert "Nobody was made one" in (await client.get("/conflicts/merged?site=1")).text
        page = (await client.get(f"/people/{ada}?site=1")).text
        assert "Taken apart again: ben@gmail.com and ada@lovelace.example" in page


async def test_a_deed_about_somebody_merged_meanwhile_is_looked_at_first(office: Office) -> None:
    """It is not done unseen to whom they became, and never on another site."""
    ada, ben = office.known.ada, office.known.ben
    async with await office.browser("marketer") as client:
        stays = await sent(client, f"/people/{ada}/stage", stage="sql")
        assert "said=same" in stays
        assert (await office.json("/audit", what="decisions"))["items"] == []
        await sent(client, f"/people/{ada}/merge", other=ben)
        to = await sent(client, f"/people/{ben}/stage", stage="customer")
        assert to == f"/people/{ada}?site=1&said=moved"
        assert "Nothing was changed" in (await client.get(to)).text
        assert (await office.json(f"/people/{ada}"))["stage"] == "sql"
        answer = await office.get(f"/api/v1/sites/1/people/{ben}")
        assert (answer.status_code, answer.headers["cache-control"]) == (308, "no-store")


async def test_merging_asks_whom(office: Office) -> None:
    """Nobody and several are answered in words."""
    ada = office.known.ada
    async with await office.browser("marketer") as client:
        for other, status, words in (
            ("zzz@nowhere.example", 404, "Nobody here is known as zzz@nowhere.example"),
            (ada, 409, "cannot be merged with itself"),
            ("p99999", 404, "Nobody here is known as p99999"),
        ):
            answer = await client.post(f"/people/{ada}/merge?site=1", data={"other": other})
            assert answer.status_code == status
            assert words in answer.text


async def test_whoever_is_no_lead_is_brought_back(office: Office) -> None:
    """Undo stands where it is said, and on Traffic as long as it holds."""
    eve = office.known.eve
    async with await office.browser("marketer") as client:
        arrival = await sent(client, f"/people/{eve}/classify", **{"class": "spam"})
        assert arrival.startswith("/people?")
        page = (await client.get(arrival)).text
        assert "Marked as spam" in page
        assert f'action="/people/{eve}/classify' in page
        traffic = (await client.get("/traffic?site=1")).text
        assert "Taken out by hand" in traffic
        assert "eve@evil.example" in traffic
        gone = await client.get(f"/people/{eve}?site=1")
        assert gone.status_code == 404
        assert "marked everything of them as spam" in gone.text
        back = await sent(client, f"/people/{eve}/classify", **{"class": ""})
        assert back.startswith(f"/people/{eve}?")
        assert "Back again" in (await client.get(back)).text
        assert "Taken out by hand" not in (await client.get("/traffic?site=1")).text
        await sent(client, f"/people/{eve}/classify", **{"class": "bot"})
        traffic = (await client.get("/traffic?site=1")).text
        what = re.search(r'name="what" value="([ve]\d+)"><button[^>]*value=""', traffic)
        assert what
        await sent(client, "/traffic/classify", what=what[1], **{"class": ""})
        assert (await client.get(f"/people/{eve}?site=1")).status_code == 200
    async with await office.browser("viewer") as client:
        page = (await client.get(f"/people?site=1&said=spam&about={eve}")).text
        assert "Undo" not in page  # whoever only looks cannot take it back


async def test_a_conflict_counts_in_the_navigation_and_leads_to_whom_they_became(
    office: Office,
) -> None:
    conflict = await mistyped(office.world)
    async with await office.browser("marketer") as client:
        page = (await client.get("/conflicts?site=1")).text
        assert re.search(r'class="count">1<', page)
        arrival = await sent(client, f"/conflicts/{conflict}/merge")
        page = (await client.get(arrival)).text
        assert "it can be undone on their page" in page
        assert 'class="count"' not in page
        link = re.search(r'<a href="([^"]+)">Open their page', page)
        assert link
        person = await client.get(link[1].replace("&amp;", "&"), follow_redirects=True)
        assert "Take apart again" in person.text


async def test_the_audit_says_who(office: Office) -> None:
    """Decisions lead to the person; numbers of tokens, users and destinations are names."""
    known = office.known
    async with await office.browser("owner") as client:
        await sent(client, f"/people/{known.ada}/tags", add="vip, board")
        await sent(client, f"/people/{known.ada}/tags", remove="board")
        await sent(client, f"/people/{known.ada}/stage", stage="opportunity")
        await sent(client, f"/people/{known.eve}/classify", **{"class": "spam"})
        await client.post("/settings/tokens?site=1", data={"name": "CRM", "scope": "read"})
        page = (await client.get("/settings/audit?site=1&what=decisions")).text
        assert re.search(rf'href="/people/{known.ada}[^"]*"><bdi>Ada Lovelace', page)
        for words in ("+vip +board", "−board", "Opportunity", "eve@evil.example"):
            assert words in page
        assert "token CRM, read" in (await client.get("/settings/audit?site=1")).text
        rows = (await office.json("/audit", what="decisions"))["items"]
        assert rows[1]["about"] == [known.ada]
        assert rows[0]["about"][0].startswith("v")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        ("Expected `str` of length <= 200 - at `$.owner`", "owner: at most 200 characters"),
        ("Expected `str` of length >= 1 - at `$.add[0]`", "add: this is empty"),
        ("Expected `int`, got `str` - at `$.n_days`", "n days: a number belongs here"),
        ("Object missing required field `stage`", "stage: this is missing"),
        ("Invalid enum value 'king' - at `$.stage`", "stage: this is none of what can be chosen"),
        ("Expected `str` matching regex '^p$' - at `$.other`", "other: this has another form"),
    ],
)
async def test_what_does_not_fit_is_said_in_words(error: str, words: str) -> None:
    assert misfit(error).startswith(words)
