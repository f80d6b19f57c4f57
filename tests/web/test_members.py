"""Members of a site, users of the server, and one's own sign-ins, over the API on each engine."""

from typing import Any

import httpx2
import pytest

from server.settings import Settings
from server.storage.sign_ins import INVITE_MS
from server.tell.smtp import Mailbox
from server.web.access import COOKIE
from tests.office import Office
from tests.tell.receivers import post_office
from tests.tracking import HOUR

pytestmark = [pytest.mark.anyio, pytest.mark.slow]
ONE_ENGINE = pytest.mark.parametrize("place", ["sqlite"], indirect=True)
API = "/api/v1/sites/1"
PASSWORD = "four unrelated words"
OURS = {"Sec-Fetch-Site": "same-origin"}


async def invite(
    client: httpx2.AsyncClient, email: str, role: str = "viewer", site: int = 1
) -> dict[str, Any]:
    answer = await client.post(f"/api/v1/sites/{site}/members", json={"email": email, "role": role})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def rows(client: httpx2.AsyncClient, site: int = 1) -> dict[str, dict[str, Any]]:
    answer = await client.get(f"/api/v1/sites/{site}/members")
    assert answer.status_code == 200, answer.text
    return {row["email"]: row for row in answer.json()["items"]}


def path_of(link: str) -> str:
    return "/open/" + link.rpartition("/")[2]


async def choose(client: httpx2.AsyncClient, email: str, name: str = "Olga") -> None:
    given = {"email": email, "password": PASSWORD, "name": name}
    answer = await client.post("/welcome", data=given)
    assert answer.status_code == 303, answer.text


async def test_an_invitation_becomes_a_member(office: Office) -> None:
    """Nothing before the link was opened, the role from then on, once and within a week."""
    async with await office.browser("owner") as owner, office.client() as olga:
        olga.headers.update(OURS)
        made = await invite(owner, " Olga@Acme.example ", "marketer")
        assert (made["email"], made["role"]) == ("olga@acme.example", "marketer")
        assert not made["mailed"]
        assert "HANDRAISE_SMTP_HOST" in made["mail"]
        known = (await rows(owner))["olga@acme.example"]
        assert (known["invited"], known["seen_at"]) == (True, None)
        for _ in range(2):  # a program that looks into mail opens what it finds
            seen = await olga.get(path_of(made["link"]))
            assert "Accept the invitation" in seen.text
        opened = await olga.post(path_of(made["link"]))
        assert opened.headers["location"] == "/welcome"
        await choose(olga, "olga@acme.example")
        assert (await olga.get("/people?site=1")).status_code == 200
        assert (await olga.get("/people?site=2")).status_code == 404
        assert (await olga.get(f"{API}/members")).status_code == 403
        known = (await rows(owner))["olga@acme.example"]
        assert (known["invited"], known["name"], known["role"]) == (False, "Olga", "marketer")
        assert known["seen_at"]
    async with office.client() as other, await office.browser("owner") as owner:
        assert (await other.post(path_of(made["link"]))).status_code == 401
        late = await invite(owner, "late@acme.example")
        office.world.now += INVITE_MS
        assert (await other.post(path_of(late["link"]))).status_code == 401
    audited = await office.world.rows("audit", "action, detail")
    assert ("member_invited", f"{made['id']} marketer") in audited
    assert not any("olga" in detail for _, detail in audited)


@ONE_ENGINE
async def test_an_invitation_is_mailed_where_mail_is_set_up(office: Office) -> None:
    """By a mail server that is there; what it says is told, and the link is good in any case."""
    state = office.app.state
    async with await office.browser("owner") as owner, post_office() as post:
        state.teller.post.mailbox = Mailbox(
            Settings(
                smtp_host="127.0.0.1",
                smtp_port=post.port,
                smtp_security="none",
                smtp_from="Acme <handraise@acme.example>",
            )
        )
        made = await invite(owner, "olga@acme.example", "marketer")
        assert (made["mailed"], made["mail"]) == (True, "taken")
        mail = post.got[0]
        assert (mail.sender, mail.to) == ("handraise@acme.example", ["olga@acme.example"])
        assert mail.message["Subject"] == "You are invited to Acme"
        assert made["link"] in mail.part("plain").splitlines()
        post.answers["RCPT"] = ["550 nobody here"]
        refused = await invite(owner, "nobody@acme.example")
        assert not refused["mailed"]
        assert "550" in refused["mail"]
        assert len(post.got) == 1


async def test_roles_change_and_end_with_the_next_request(office: Office) -> None:
    async with await office.browser("owner") as owner, await office.browser("viewer") as viewer:
        number = f"u{viewer.headers['X-User']}"
        stage = f"{API}/people/{office.known.ben}/stage"
        assert (await viewer.post(stage, json={"stage": "sql"})).status_code == 403
        changed = await owner.patch(f"{API}/members/{number}", json={"role": "marketer"})
        assert (changed.status_code, changed.json()["role"]) == (200, "marketer")
        assert (await viewer.post(stage, json={"stage": "sql"})).status_code == 200
        assert (await owner.delete(f"{API}/members/{number}")).status_code == 204
        assert (await viewer.get(f"{API}/people")).status_code in {401, 404}
        assert (await owner.delete(f"{API}/members/{number}")).status_code == 404


async def test_nobody_learns_of_other_sites(office: Office) -> None:
    """An address that is known elsewhere is answered like any other, its name is not shown, and the
    link lets nobody into that account."""
    async with (
        await office.browser("owner") as one,
        await office.browser("owner", 2) as two,
        office.client() as bob,
        office.client() as thief,
    ):
        bob.headers.update(OURS)
        thief.headers.update(OURS)
        first = await invite(two, "bob@brew.example", site=2)
        await bob.post(path_of(first["link"]))
        await choose(bob, "bob@brew.example", "Bob")
        fresh = await invite(one, "new@brew.example")
        known = await invite(one, "bob@brew.example")
        assert known.keys() == fresh.keys()
        assert {k: v for k, v in known.items() if k not in {"id", "email", "link"}} == {
            k: v for k, v in fresh.items() if k not in {"id", "email", "link"}
        }
        row = (await rows(one))["bob@brew.example"]
        assert (row["name"], row["invited"], row["seen_at"]) == ("", True, None)
        ids = {row["id"] for row in (await rows(one)).values()}
        assert f"u{two.headers['X-User']}" not in ids
        # Whoever holds the link comes to the sign-in page, not into Bob's account.
        opened = await thief.post(path_of(known["link"]))
        assert opened.headers["location"] == f"/sign-in?next={path_of(known['link'])}"
        assert COOKIE not in thief.cookies
        assert (await one.post(path_of(known["link"]))).status_code == 409
        # Bob himself accepts it, signed in as he is.
        assert (await bob.get(f"{API}/people")).status_code == 404
        assert (await bob.post(path_of(known["link"]))).status_code == 303
        assert (await bob.get(f"{API}/people")).status_code == 200
        foreign = await one.patch(
            f"{API}/members/u{two.headers['X-User']}", json={"role": "viewer"}
        )
        assert foreign.status_code == 404


@ONE_ENGINE
async def test_a_second_site_waits_for_whoever_came_to_the_first(office: Office) -> None:
    """Somebody without a password who is on one site: a link of another site opens nothing."""
    async with (
        await office.browser("owner") as one,
        await office.browser("owner", 2) as two,
        office.client() as ann,
        office.client() as thief,
    ):
        first, second = (
            await invite(one, "ann@x.example"),
            await invite(two, "ann@x.example", site=2),
        )
        assert first["id"] == second["id"]
        assert (await ann.post(path_of(first["link"]))).headers["location"] == "/welcome"
        opened = await thief.post(path_of(second["link"]))
        assert opened.headers["location"].startswith("/sign-in")
        again = await one.post(f"{API}/members/{first['id']}/link")
        assert (
            again.status_code == 201
        )  # no password was chosen: another link, as lost as the first
        assert (await thief.post(path_of(again.json()["link"]))).headers["location"] == "/welcome"
        assert (await one.delete(f"{API}/members/{first['id']}")).status_code == 204
        assert (await ann.get("/people")).status_code in {303, 404}
        assert (await ann.post(path_of(second["link"]))).status_code == 303


@ONE_ENGINE
async def test_what_makes_no_member(office: Office) -> None:
    async with await office.browser("owner") as owner, await office.browser() as first:
        await first.post(
            "/welcome", data={"email": "boss@x.example", "password": PASSWORD, "name": "Boss"}
        )
        await invite(owner, "twice@x.example")
        await invite(owner, "twice@x.example", "marketer")  # another link, another role
        assert (await rows(owner))["twice@x.example"]["role"] == "marketer"
        for body, status, words in (
            ({"email": "nobody"}, 400, "no e-mail address"),
            ({"email": "a@x.example", "role": "boss"}, 400, "boss"),
            ({"email": "boss@x.example"}, 409, "owner of the whole server"),
            ({}, 400, "email"),
        ):
            answer = await owner.post(f"{API}/members", json=body)
            assert answer.status_code == status, body
            assert words in answer.json()["detail"]
        for number in ("u999", f"u{first.headers['X-User']}"):
            gone = await owner.delete(f"{API}/members/{number}")
            assert gone.status_code == 404, number
        listed = await rows(owner)
        assert listed["boss@x.example"]["server_owner"]


async def test_users_of_the_server(office: Office) -> None:
    """Owners add owners, shut people out at once, and one owner remains."""
    async with await office.browser() as boss, await office.browser("marketer") as marketer:
        me, other = f"u{boss.headers['X-User']}", f"u{marketer.headers['X-User']}"
        listed = {one["id"]: one for one in (await boss.get("/api/v1/users")).json()["items"]}
        assert [site["role"] for site in listed[other]["sites"]] == ["marketer"]
        assert [site["role"] for site in listed[me]["sites"]] == ["owner", "owner"]
        for change in ({"role": "member"}, {"disabled": True}):
            refused = await boss.patch(f"/api/v1/users/{me}", json=change)
            assert (refused.status_code, refused.json()["code"]) == (409, "last_owner")
        assert (await marketer.get(f"{API}/people")).status_code == 200
        shut = await boss.patch(f"/api/v1/users/{other}", json={"disabled": True})
        assert (shut.status_code, shut.json()["disabled"]) == (200, True)
        assert (await marketer.get(f"{API}/people")).status_code == 401
        await boss.patch(f"/api/v1/users/{other}", json={"disabled": False})
        assert (await marketer.get(f"{API}/people")).status_code == 401  # signed out for good
        link = (await boss.post(f"/api/v1/users/{other}/link", json={})).json()["link"]
        assert (await marketer.post(path_of(link))).status_code == 303
        assert (await marketer.get(f"{API}/people")).status_code == 200
        added = await boss.post("/api/v1/users", json={"email": "two@x.example"})
        assert added.status_code == 201
        async with office.client() as two:
            await two.post(path_of(added.json()["link"]))
            assert (await two.get("/api/v1/users")).status_code == 200
            assert (
                await two.patch(f"/api/v1/users/{me}", json={"role": "member"})
            ).status_code == 200
        assert (await boss.get("/api/v1/users")).status_code == 403
        assert (await boss.patch("/api/v1/users/u999", json={"role": "owner"})).status_code == 403


@ONE_ENGINE
async def test_a_lost_password_is_forgotten(office: Office) -> None:
    """The old one opens nothing, every sign-in ends, the link leads to choosing another."""
    async with await office.browser() as boss, await office.browser("viewer") as ann:
        email = (await ann.get("/api/v1/me")).json()["email"]
        await choose(ann, email)
        number = f"u{ann.headers['X-User']}"
        answer = await boss.post(f"/api/v1/users/{number}/link", json={"forget_password": True})
        assert (await ann.get(f"{API}/people")).status_code == 401
        given = {"email": email, "password": PASSWORD}
        async with office.client() as browser:
            wrong = await browser.post("/sign-in", data=given, headers=OURS)
            assert wrong.status_code == 401
            opened = await browser.post(path_of(answer.json()["link"]))
            assert opened.headers["location"] == "/welcome"


async def test_own_sign_ins(office: Office) -> None:
    """Every browser with its first and last use; one is ended, then all others."""
    async with (
        await office.browser() as here,
        await office.browser() as there,
        await office.browser() as third,
    ):
        listed = (await here.get("/api/v1/me/sign-ins")).json()["items"]
        assert [one["this"] for one in listed].count(True) == 1
        assert {one["browser"] for one in listed} == {"a test"}
        others = [one["id"] for one in listed if not one["this"]]
        theirs = (await there.get("/api/v1/me/sign-ins")).json()["items"]
        mine = next(one["id"] for one in theirs if one["this"])
        assert mine in others
        assert (await here.delete(f"/api/v1/me/sign-ins/{mine}")).status_code == 204
        assert (await there.get("/api/v1/me")).status_code == 401
        assert (await here.delete(f"/api/v1/me/sign-ins/{mine}")).status_code == 404
        assert (await third.get("/api/v1/me")).status_code == 200
        assert (await here.delete("/api/v1/me/sign-ins")).status_code == 204
        assert (await third.get("/api/v1/me")).status_code == 401
        assert (await here.get("/api/v1/me")).json()["role"] == "owner"
    async with office.client(office.token) as token:
        assert (await token.get("/api/v1/me")).status_code == 403


async def test_a_tokens_last_use_is_known_to_the_hour(office: Office) -> None:
    async def used() -> list[Any]:
        found = await office.world.rows("tokens", "token_id, used_at")
        return [at for _, at in found]

    assert await used() == [None, None]
    await office.json("/people")
    first = office.world.now
    assert await used() == [first, None]
    office.world.now += HOUR - 1
    await office.json("/people")
    assert await used() == [first, None]
    office.world.now += 1
    await office.json("/people")
    assert (await used())[0] == first + HOUR
    async with office.client(office.token) as client:
        listed = (await client.get(f"{API}/tokens")).json()["items"]
    assert [row["used_at"] is None for row in listed] == [True, False]


async def test_who_did_what(office: Office) -> None:
    """Acts and decisions with their authors, paged; nothing a person gave is among them."""
    async with office.client(office.token) as client:
        await client.patch(API, json={"name": "  Acme   Ovens "})
        await client.patch(f"{API}/settings", json={"currency": "USD"})
        await client.post(f"{API}/tokens", json={"name": "CRM"})
        await client.post(
            f"{API}/people/{office.known.ben}/notes", json={"text": "likes ben@gmail.com"}
        )
        await office.world.project()
        acts = (await client.get(f"{API}/audit")).json()["items"]
        assert [(one["action"], one["author"]) for one in acts] == [
            ("token_added", "token t1"),
            ("site_renamed", "token t1"),
        ]
        page = (await client.get(f"{API}/audit?what=decisions&limit=2")).json()
        assert [(one["action"], one["detail"]) for one in page["items"]] == [
            ("note", ""),
            ("settings", "currency"),
        ]
        assert "gmail" not in str(page)
        more = await client.get(
            f"{API}/audit", params={"what": "decisions", "cursor": page["next"]}
        )
        assert [one["detail"] for one in more.json()["items"]] == ["Acme Ovens"]
        assert (await client.get(API)).json()["name"] == "Acme Ovens"
        first = (await client.get(f"{API}/audit?limit=1")).json()
        second = (await client.get(f"{API}/audit?limit=1&cursor={first['next']}")).json()
        assert [one["action"] for one in second["items"]] == ["site_renamed"]
        assert second["next"] is None


async def test_the_registry_of_forms(office: Office) -> None:
    """What was seen, what is kept of it and why; a rule changes it after a preview."""
    ben = office.world.browser(77)
    await ben.view("/quote")
    answers = {"email": "q@mill.example", "ovens": "3", "password": "hunter2", "message": "hello"}
    await ben.submit("quote", "/quote", **answers)
    await office.world.project()
    async with office.client(office.token) as client:
        listed = {one["key"]: one for one in (await client.get(f"{API}/forms")).json()["items"]}
        assert listed["demo"]["stores"] == "all"
        assert listed["demo"]["submissions"] == 2
        quote = listed["quote"]
        assert (quote["stores"], quote["page"]) == ("contact", "https://acme.example/quote")
        kept = {one["name"]: (one["stored"], one["why"]) for one in quote["fields"]}
        assert kept["email"] == (True, "contact: email")
        assert kept["password"] == (False, "private by its name: never stored")
        rule = {"key": "demo", "deny": ["company"], "rename": {"title": "role"}}
        preview = (await client.post(f"{API}/forms/preview", json=rule)).json()
        fates = {one["name"]: (one["stored"], one["stored_as"]) for one in preview["fields"]}
        assert fates["company"] == (False, "")
        assert fates["title"] == (True, "role")
        unchanged = {one["key"]: one for one in (await client.get(f"{API}/forms")).json()["items"]}
        assert unchanged["demo"]["deny"] == []
        allowed = await client.put(f"{API}/forms", json={"key": "quote", "stores": "all"})
        assert allowed.status_code == 200
        settings = (await client.get(API)).json()["settings"]
        assert [form["key"] for form in settings["forms"]] == ["demo", "newsletter", "quote"]
        lost = {"key": "quote", "stores": "contact", "purpose": "newsletter"}
        refused = await client.put(f"{API}/forms", json=lost)
        assert refused.status_code == 400
        assert "another purpose" in refused.json()["detail"]
        await client.put(f"{API}/forms", json={"key": "quote", "stores": "contact"})
        settings = (await client.get(API)).json()["settings"]
        assert [form["key"] for form in settings["forms"]] == ["demo", "newsletter"]
        nothing = await client.put(f"{API}/forms", json={"key": "demo", "stores": "nothing"})
        assert not any(one["stored"] for one in nothing.json()["fields"])
