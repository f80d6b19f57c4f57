"""Getting in: one-time links, e-mail and password, and getting out."""

import pytest

from server.storage.sign_ins import ABSOLUTE_MS, IDLE_MS, LINK_MS
from server.web.sign_in import new_link, way_back
from tests.office import BASE, Office
from tests.tracking import HOUR
from tests.web.signing_in import EMAIL, OURS, PASSWORD, arrived, choose, inside, sign_in

pytestmark = [pytest.mark.anyio, pytest.mark.slow]
ONE_ENGINE = pytest.mark.parametrize("place", ["sqlite"], indirect=True)


async def test_before_anybody_has_a_password_the_way_in_is_named(office: Office) -> None:
    """`/` leads to the sign-in page, which tells of the link in the terminal; then no more."""
    async with office.client() as client:
        answer = await client.get("/")
        assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")
        page = await client.get("/sign-in")
        assert page.status_code == 200
        assert "one-time link in its terminal" in page.text
        asked = await client.get("/visitors?sort=-score")
        assert asked.headers["location"] == "/sign-in?next=%2Fvisitors%3Fsort%3D-score"
    async with arrived(office) as client:
        await choose(client)
    async with office.client() as client:
        assert "one-time link in its terminal" not in (await client.get("/sign-in")).text


async def test_a_link_opens_the_pages_once(office: Office) -> None:
    """Only its first use, only from a browser that comes to stay, and no longer than a day."""
    state = office.app.state
    async with office.client() as client:
        link = await new_link(state)
        assert (await client.head(link)).status_code == 204
        prefetched = await client.get(link, headers={"Sec-Purpose": "prefetch"})
        assert prefetched.status_code == 204
        opened = await client.get(link)
        assert opened.headers["location"] == "/welcome"
        cookie = opened.headers.get_list("set-cookie")[0]
        assert "HttpOnly" in cookie
        assert "samesite=lax" in cookie.lower()
        assert "secure" not in cookie.lower()
        assert await inside(client)
    async with office.client() as other:
        again = await other.get(link)
        assert again.status_code == 401
        assert "used before" in again.text
        late = await new_link(state)
        office.world.now += LINK_MS
        assert (await other.get(late)).status_code == 401
        assert not await inside(other)
        assert (await other.get("/open/nonsense")).status_code == 401


async def test_a_password_is_chosen_and_opens(office: Office) -> None:
    """From the first link to a sign-in elsewhere, back to the page that was asked for."""
    async with arrived(office) as client:
        assert "Welcome" in (await client.get("/welcome")).text
        for fields, words in (
            ({"email": "grace"}, "no e-mail address"),
            ({"password": "short"}, "at least 10"),
            ({"password": EMAIL}, "guessed first"),
            ({"password": "aaaaaaaaaaaa"}, "guessed first"),
        ):
            refused = await choose(client, **fields)
            assert refused.status_code == 400, fields
            assert words in refused.text
        before = dict(client.cookies)
        assert (await choose(client)).status_code == 303
        assert await inside(client)
        assert client.cookies["handraise"] != before["handraise"]
        async with office.client() as old:
            old.cookies.update(before)
            assert not await inside(old)
    async with office.client() as other:
        wrong = await sign_in(other, "four other words")
        assert wrong.status_code == 401
        assert "do not belong together" in wrong.text
        assert not await inside(other)
        found = await sign_in(other, email=" GRACE@office.example ", next="/visitors")
        assert (found.status_code, found.headers["location"]) == (303, "/visitors")
        assert await inside(other)
        assert "Grace" in (await other.get("/")).text


async def test_a_new_password_ends_every_other_sign_in(office: Office) -> None:
    """And needs the one before."""
    async with arrived(office) as client, office.client() as other:
        await choose(client)
        await sign_in(other)
        assert await inside(other)
        refused = await choose(client, password="another good phrase", before="not it at all")
        assert refused.status_code == 403
        assert "is another one" in refused.text
        done = await choose(client, password="another good phrase", before=PASSWORD)
        assert done.status_code == 303
        assert await inside(client)
        assert not await inside(other)
        assert (await sign_in(other)).status_code == 401
        assert (await sign_in(other, "another good phrase")).status_code == 303


async def test_a_sign_in_ends(office: Office) -> None:
    """Kept by use for ninety days, lost after two weeks without, and by signing out."""
    async with arrived(office) as client:
        lived = 0
        while lived + IDLE_MS - HOUR < ABSOLUTE_MS:
            office.world.now += IDLE_MS - HOUR
            lived += IDLE_MS - HOUR
            assert await inside(client)
        office.world.now += ABSOLUTE_MS - lived
        assert not await inside(client)
    async with arrived(office) as client:
        cookie = dict(client.cookies)
        assert (await client.post("/sign-out")).status_code == 303
        assert not await inside(client)
        client.cookies.update(cookie)
        assert not await inside(client)
    async with arrived(office) as client:
        office.world.now += IDLE_MS
        assert not await inside(client)


@ONE_ENGINE
async def test_who_is_disabled_is_out_at_once(office: Office) -> None:
    from server.storage import users

    async with await office.browser() as owner, await office.browser("marketer") as client:
        assert await inside(owner)
        assert await inside(client)
        user_id, now = int(client.headers["x-user"]), office.world.now
        await office.app.state.writer.run(lambda: users.disable(user_id, now))
        assert not await inside(client)


@ONE_ENGINE
async def test_the_cookie_is_bound_to_https_where_there_is_https(office: Office) -> None:
    """In the clear only on this machine; behind a TLS proxy with the host prefix."""
    state = office.app.state
    path = (await new_link(state)).removeprefix(BASE)
    async with office.client() as client:
        for url in (f"http://stats.example{path}", "http://stats.example/sign-in"):
            given = {"email": EMAIL, "password": PASSWORD}
            refused = (
                await client.post(url, data=given, headers=OURS)
                if url.endswith("/sign-in")
                else await client.get(url)
            )
            assert refused.status_code == 403
            assert "HANDRAISE_PUBLIC_URL" in refused.text
        state.base_url = "https://stats.example"
        opened = await client.get(f"http://stats.example{path}")
        cookies = opened.headers.get_list("set-cookie")
        assert cookies[0].startswith("__Host-handraise=")
        assert all("Secure" in cookie for cookie in cookies)


ORIGINS: list[tuple[dict[str, str], int]] = [
    ({"Sec-Fetch-Site": "cross-site"}, 403),
    ({"Sec-Fetch-Site": "same-site"}, 403),
    ({"Origin": "https://evil.example"}, 403),
    ({"Origin": "null"}, 403),
    ({"Sec-Fetch-Site": "same-origin"}, 201),
    ({"Origin": BASE}, 201),
    ({}, 201),
]


@ONE_ENGINE
async def test_another_sites_page_changes_nothing(office: Office) -> None:
    """A cookie counts for a change only where our own page sent it; signing in and out too."""
    async with await office.browser() as client:
        del client.headers["sec-fetch-site"]
        for headers, status in ORIGINS:
            body = {"scope": "read"}
            answer = await client.post("/api/v1/sites/1/tokens", json=body, headers=headers)
            assert answer.status_code == status, headers
            if status == 403:
                for path in ("/sign-in", "/sign-out", "/welcome"):
                    assert (await client.post(path, headers=headers)).status_code == 403, path
        assert await inside(client)


@ONE_ENGINE
async def test_over_https_only_the_bound_cookie_counts(office: Office) -> None:
    """Whoever has a neighbouring host name can plant the other one, and is nobody with it."""
    async with await office.browser() as client:
        cookie = client.cookies["handraise"]
        assert await inside(client)
    office.app.state.base_url = "https://stats.example"
    async with office.client() as client:
        for name, status in (("handraise", 303), ("__Host-handraise", 200)):
            headers = {"Cookie": f"{name}={cookie}"}
            answer = await client.get("http://stats.example/", headers=headers)
            assert answer.status_code == status, name


@ONE_ENGINE
async def test_a_proxy_that_renames_the_host_is_no_loopback(office: Office) -> None:
    link = await new_link(office.app.state)
    async with office.client() as client:
        refused = await client.get(link, headers={"X-Forwarded-For": "203.0.113.7"})
        assert refused.status_code == 403
        assert "HANDRAISE_PUBLIC_URL" in refused.text
        assert (await client.get(link)).status_code == 303


@ONE_ENGINE
async def test_whoever_is_invited_keeps_that_address(office: Office) -> None:
    """Else an invitation would follow somebody who took another name in between."""
    async with await office.browser("marketer") as member:
        answer = await choose(member, email="mallory@evil.example")
        assert answer.status_code == 400
        assert "the one you were invited by" in answer.text


@ONE_ENGINE
async def test_a_lock_on_the_database_shuts_out_no_reader(office: Office) -> None:
    """The hourly note that a cookie was used may fail; the page opens."""
    async with await office.browser() as client:
        office.world.now += 2 * HOUR
        office.app.state.writer.close()
        assert await inside(client)


@ONE_ENGINE
async def test_signing_out_hangs_up_the_live_streams(office: Office) -> None:
    """Whoever still may listen comes back by itself; this browser is not let in again."""
    state = office.app.state
    async with await office.browser() as client:
        listener = await state.live.join(state.sites.by_id[1], None)
        assert not listener.over.is_set()
        await client.post("/sign-out")
        assert listener.over.is_set()
        assert (await client.get("/live/stream?site=1")).status_code == 303


@pytest.mark.parametrize(
    ("text", "leads"),
    [
        ("/", "/"),
        ("/people/p7?site=1", "/people/p7?site=1"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("/x\\..\\\\evil.example", "/"),
        ("https://evil.example", "/"),
        ("/\t/evil.example", "/"),
        ("/\n/evil.example", "/"),
        ("javascript:alert(1)", "/"),
        ("", "/"),
        ("/" + "a" * 3_000, "/"),
        ("/ü", "/"),
    ],
)
def test_the_way_back_is_a_path_of_ours(text: str, leads: str) -> None:
    assert way_back(text) == leads


@ONE_ENGINE
async def test_what_browsers_and_robots_look_for(office: Office) -> None:
    """A page for a page that is not there, JSON for a client; the usual well-known addresses."""
    async with office.client() as client:
        page = await client.get("/nowhere", headers={"Accept": "text/html"})
        assert page.status_code == 404
        assert "There is nothing here" in page.text
        assert (await client.get("/nowhere")).json()["code"] == "not_found"
        api = await client.get("/api/v1/nowhere", headers={"Accept": "text/html"})
        assert api.json()["status"] == 404
        assert "Disallow: /" in (await client.get("/robots.txt")).text
        changed = await client.get("/.well-known/change-password")
        assert changed.headers["location"] == "/welcome"
