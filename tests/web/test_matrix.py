"""Every route × every role × a foreign site: what the table says is what happens.

`matrix.txt` names the least scope of every route. A route without a row fails the test, and so does
a row without a route: whoever adds a route says here who may use it.
"""

import re
from pathlib import Path

import httpx2
import pytest
from starlette.routing import Mount, Route

from server.web.operations import Endpoint
from server.web.pages.table import PAGES
from tests.office import Office

pytestmark = [pytest.mark.anyio, pytest.mark.slow]
ONE_ENGINE = pytest.mark.parametrize("place", ["sqlite"], indirect=True)
SCOPES = ("read", "write", "admin")
ROLES = {"viewer": "read", "marketer": "write", "owner": "admin"}
#: What stands for the names in a path; any other is an id with the name's first letter: p999999.
NAMED = {"site_id": "1", "version": "999999"}
STREAMS = {"/live/stream", "/api/v1/sites/{site_id}/live"}
OTHERS = {"public", "server owner", "signed in"}
#: What routes for owners of the server are asked with.
BODIES: dict[tuple[str, str], dict[str, object]] = {
    ("POST", "/api/v1/sites"): {"name": "New"},
    ("POST", "/api/v1/users"): {"email": "new@office.example"},
    ("PATCH", "/api/v1/users/{user_id}"): {"disabled": True},
    ("POST", "/api/v1/users/{user_id}/link"): {},
}


def table() -> dict[tuple[str, str], str]:
    """(method, path) → least scope, from the file."""
    lines = (Path(__file__).parent / "matrix.txt").read_text("utf-8").splitlines()
    rows = [line.split(maxsplit=2) for line in lines if line and not line.startswith("#")]
    return {(method, path): scope for method, path, scope in rows}


def routes(office: Office) -> set[tuple[str, str]]:
    """(method, path) of everything that is mounted."""
    found: set[tuple[str, str]] = set()
    app = office.app.asgi.app.app  # type: ignore[attr-defined]
    for route in app.routes:
        if isinstance(route, Mount):
            continue
        assert isinstance(route, Route)
        endpoint = route.app
        methods = (
            set(endpoint.by_method) if isinstance(endpoint, Endpoint) else route.methods or {"GET"}
        )
        found |= {(method, route.path) for method in methods - {"HEAD"}}
    return found


def filled(path: str) -> str:
    return re.sub(r"\{(\w+)\}", lambda m: NAMED.get(m[1], f"{m[1][0]}999999"), path)


@ONE_ENGINE
async def test_every_route_has_a_row(office: Office) -> None:
    assert routes(office) | {("POST", "/e")} == set(table())


async def ask(client: httpx2.AsyncClient, method: str, path: str) -> httpx2.Response:
    query = "" if path.startswith("/api/") else "?site=1"
    method = "HEAD" if path in STREAMS else method  # the answer to GET does not end
    body: object = {} if path.startswith("/api/") and method != "GET" else None
    return await client.request(method, filled(path) + query, json=body)


@ONE_ENGINE
@pytest.mark.parametrize("role", ROLES)
async def test_a_role_does_what_it_may_and_no_more(office: Office, role: str) -> None:
    """On its own site; on another's, everything is as if the site did not exist."""
    pages = {(page.method, page.path) for page in PAGES}
    async with await office.browser(role) as own, await office.browser("owner", 2) as foreign:
        for (method, path), least in table().items():
            if least in OTHERS:
                continue
            answer = await ask(own, method, path)
            enough = SCOPES.index(ROLES[role]) >= SCOPES.index(least)
            assert (answer.status_code == 403) is not enough, (method, path, answer.text[:300])
            assert answer.status_code not in {401, 500}, (method, path)
            other = await ask(foreign, method, path)
            assert other.status_code == 404, (method, path, other.status_code)
            if (method, path) not in pages and path not in STREAMS:
                assert other.json()["detail"] == "no such site"


@ONE_ENGINE
@pytest.mark.parametrize("scope", SCOPES)
async def test_a_token_does_what_its_scope_says(office: Office, scope: str) -> None:
    """The API only: no page opens by a token."""
    async with office.client(office.token) as admin:
        made = await admin.post("/api/v1/sites/1/tokens", json={"scope": scope})
    pages = {(page.method, page.path) for page in PAGES}
    async with office.client(made.json()["token"]) as own, office.client(office.foreign) as foreign:
        for (method, path), least in table().items():
            if least in OTHERS:
                continue
            answer, other = await ask(own, method, path), await ask(foreign, method, path)
            if (method, path) in pages:
                assert {answer.status_code, other.status_code} <= {303, 401}, (method, path)
                continue
            enough = SCOPES.index(scope) >= SCOPES.index(least)
            assert (answer.status_code == 403) is not enough, (method, path, answer.text[:300])
            assert other.status_code == 404, (method, path)
            assert path in STREAMS or other.json()["detail"] == "no such site"


@ONE_ENGINE
async def test_without_a_sign_in_nothing_opens(office: Office) -> None:
    """Pages lead to the sign-in, the API says 401, whatever is asked; the public routes answer."""
    pages = {(page.method, page.path) for page in PAGES} | {("GET", "/welcome")}
    async with office.client() as nobody:
        for (method, path), least in table().items():
            if least == "public":
                continue
            answer = await ask(nobody, method, path)
            if (method, path) in pages or path in {"/welcome", "/sign-out"}:
                assert answer.status_code == 303, (method, path)
                assert answer.headers["location"].startswith("/sign-in")
            else:
                assert answer.status_code == 401, (method, path)


@ONE_ENGINE
async def test_only_owners_of_the_server_act_on_all_of_it(office: Office) -> None:
    async with await office.browser("owner") as member, await office.browser() as owner:
        for (method, path), least in table().items():
            if least != "server owner":
                continue
            body, there = BODIES.get((method, path)), filled(path)
            assert (await member.request(method, there, json=body)).status_code == 403, path
            answer = await owner.request(method, there, json=body)
            assert answer.status_code not in {401, 403, 500}, (path, answer.text)


@ONE_ENGINE
async def test_a_childs_id_opens_nothing_on_another_site(office: Office) -> None:
    """Real ids of site 1, asked for on site 2 by its owner: as if there were none."""
    known = office.known
    async with office.client(office.token) as owner:
        site = "/api/v1/sites/1"
        hook = {"kind": "webhook", "name": "CRM", "url": "https://hooks.nowhere.example/in"}
        hot = {"name": "Hot", "filter": {"stage": ["sql"]}}
        made = [
            await owner.post(f"{site}/destinations", json=hook),
            await owner.post(f"{site}/segments", json=hot),
            await owner.post(f"{site}/people/{known.ada}/notes", json={"text": "mine"}),
        ]
        assert [one.status_code for one in made] == [201, 201, 200]
    ids = {
        "person_id": known.ada,
        "visitor_id": known.stranger,
        "destination_id": made[0].json()["id"],
        "segment_id": made[1].json()["id"],
        "note_id": made[2].json()["notes"][0]["id"],
    }
    async with await office.browser("owner", 2) as foreign:
        for method, path in table():
            named = set(re.findall(r"{(\w+)}", path)) - {"site_id"}
            if not named or not named <= ids.keys():
                continue
            filled_in = re.sub(r"{(\w+)}", lambda m: ids.get(m[1], "2"), path)
            query = "" if path.startswith("/api/") else "?site=2"
            body = BODIES.get((method, path), {}) if path.startswith("/api/") else None
            answer = await foreign.request(
                method, filled_in + query, json=body if method != "GET" else None
            )
            assert answer.status_code in {400, 404}, (method, path, answer.status_code)
            if method in {"GET", "DELETE"}:
                assert answer.status_code == 404, (method, path)
            assert "lovelace" not in answer.text.lower()
    person = await office.json(f"/people/{known.ada}")
    assert person["notes"][0]["text"] == "mine"
