"""T25, T26 and T35: secrets sent through every door, and somebody erased; then the raw files.

Each secret holds a mark of its own. What may be stored has marks too, which must be found: a search
that finds nothing proves nothing. The files are the database, its log, everything else in the data
folder, and what the server wrote to its own log.
"""

import asyncio
import json
import logging
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from io import StringIO
from itertools import chain
from pathlib import Path
from urllib.parse import quote

from server.storage.sqlite import SqliteDatabase
from tests.engines import Place
from tests.faults.row import Fault, Outcome
from tests.faults.wire import Batches, Running, exchange, post, serving
from tests.leaving import EMAIL, WORDS, Zelda, traces
from tests.office import opened_office

WAIT_S = 5
SITE = "/api/v1/sites/1"
FULL = {"HANDRAISE_DISK_FLOOR_MB": "1000000000"}
BOTH: tuple[dict[str, str], ...] = ({}, FULL)


class Marks:
    """A word of its own for each secret at each `door`; `kept` are no secrets and must be found."""

    def __init__(self) -> None:
        self.secret: dict[str, str] = {}
        self.kept: dict[str, str] = {}
        self.door = ""

    def hide(self, name: str) -> str:
        mark = f"Zx{len(self.secret):03d}{secrets.token_hex(9)}Qv7"
        return self.secret.setdefault(self.door + name, mark)

    def keep(self, name: str) -> str:
        return self.kept.setdefault(self.door + name, f"kept{len(self.kept):03d}word")


def addresses(marks: Marks) -> Iterator[str]:
    """Addresses of pages with a secret in them, in many places."""
    page = "https://acme.example"
    yield f"https://joe:{marks.hide('userinfo')}@acme.example/"
    yield f"{page}/#access_token={marks.hide('fragment')}"
    yield f"{page}/a;jsessionid={marks.hide('jsessionid')}"
    yield f"{page}/reset/{marks.hide('reset')}"
    yield f"{page}/people/{marks.hide('mail in path')}@private.example/edit"
    for name in ("token", "password", "access_token", "api_key", "sid", "code", "email", "auth"):
        yield f"{page}/?a=1&{name}={marks.hide(f'query {name}')}"
        yield f"{page}/?{name.upper()}={marks.hide(f'query upper {name}')}"
    yield f"{page}/?next={quote('/in?token=' + marks.hide('nested'), safe='')}"
    yield f"{page}/?q={marks.hide('mail')}%40private.example"
    yield f"{page}/?ref=eyJhbGciOiJIUzI1NiJ9.{marks.hide('jwt')}"
    yield f"{page}/{marks.keep('path')}?page={marks.keep('query')}"


def events(marks: Marks, batches: Batches) -> Iterator[dict[str, object]]:
    """Events that carry them: by address, referrer, link, field, property and trait."""
    for address in addresses(marks):
        yield batches.event(u=address)
        yield batches.event(r=address)
        yield batches.event(y="click", d={"href": address})
    private = ("password", "passwd", "new-password", "cc-number", "cvc", "otp", "csrf_token", "ssn")
    fields = {name: marks.hide(f"field {name}") for name in private}
    fields |= {"email": "kim@brew.example", "first_name": marks.keep("field")}
    yield batches.event(y="form_submit", d={"form": "demo", "fields": fields})
    kinds = {"q7": "password", "q8": "cc-number", "q9": "one-time-code"}
    typed = {name: marks.hide(f"kind {kind}") for name, kind in kinds.items()}
    shape = {"form": "demo", "fields": typed | {"email": "k@brew.example"}, "kinds": kinds}
    yield batches.event(y="form_submit", d=shape)
    known = {name: marks.hide(f"trait {name}") for name in ("password", "api_token", "secret")}
    yield batches.event(y="identify", d={"email": "lea@brew.example", "traits": known})
    props = {name: marks.hide(f"property {name}") for name in ("password", "auth_token")}
    yield batches.event(y="track", d={"name": "paid", "props": props | {"plan": marks.keep("p")}})


def requests(marks: Marks, batches: Batches) -> Iterator[bytes]:
    """Everything that is sent, well and ill formed, at every door and with every credential."""
    for event in events(marks, batches):
        yield post(batches.batch(json.dumps(event).encode()))
        yield post(batches.batch(json.dumps(event).encode())[:-3])  # broken: what is said of it?
    fine = batches.batch(json.dumps(batches.event()).encode())
    yield post(fine, Cookie=f"session={marks.hide('cookie')}")
    yield post(fine, Authorization=f"Bearer {marks.hide('bearer')}")
    yield post(fine, X_Forwarded_For="203.0.113.207", X_Real_IP="203.0.113.207")
    form = f"email=ann%40brew.example&password={marks.hide('plain form')}&cvc={marks.hide('cvc')}"
    kind = {"Content_Type": "application/x-www-form-urlencoded"}
    yield post(form.encode(), f"/f/{batches.key}/demo", **kind)
    yield post(form.encode() + b"&%ff=%", f"/f/nokey{marks.hide('key')}/demo", **kind)
    login = f"email={marks.hide('login')}%40private.example&password={marks.hide('login password')}"
    yield post(login.encode(), "/sign-in", **kind, Origin="http://t")
    for path in (
        f"/open/{marks.hide('link')}",
        f"/people?q={marks.hide('searched')}",
        f"/api/v1/sites/1/people?q={marks.hide('api search')}&nothing={marks.hide('unknown')}",
        f"/{marks.hide('nowhere')}?token={marks.hide('nowhere token')}",
        f"/h/{marks.hide('widget')}.js",
        f"/p/{batches.key}.gif?u={quote('https://acme.example/?token=' + marks.hide('pixel'))}",
    ):
        for header in ("Authorization: Bearer hr_", "Authorization: Basic ", "Cookie: handraise="):
            line = f"{header}{marks.hide(f'{path[:6]} {header}')}"
            yield f"GET {path} HTTP/1.1\r\nHost: t\r\n{line}\r\nConnection: close\r\n\r\n".encode()
    yield f"GET /\x00{marks.hide('no request')}\r\n\r\n".encode()


def by_token(marks: Marks, batches: Batches, server: Running, data: Path) -> Iterator[bytes]:
    """The same events from the owner's own server, and traits given by hand."""
    bearer = {"Authorization": f"Bearer {token_of(data)}"}
    marks.door = "server: "
    for event in events(marks, batches):
        said = batches.batch(json.dumps(event).encode())
        yield post(said, f"{SITE}/events", **bearer)
        yield post(said[:-3], f"{SITE}/events", **bearer)
    path = f"{SITE}/people/{somebody(server.port, bearer)}/traits"
    for number, name in enumerate(("password", "api_token", "secret", "access_token")):
        traits = {name: marks.hide(f"trait by hand {name}")}
        yield put(json.dumps(traits).encode(), path, **bearer)
        yield put(json.dumps(traits | {f"need{number}": "x"}).encode()[:-1], path, **bearer)
    yield put(json.dumps({"need": marks.keep("trait by hand")}).encode(), path, **bearer)
    marks.door = ""


def put(body: bytes, path: str, **headers: str) -> bytes:
    return b"PUT" + post(body, path, **headers).removeprefix(b"POST")


def token_of(data: Path) -> str:
    """A token of the site that may write."""
    command = [sys.executable, "-m", "server", "--data", str(data), "token", "add"]
    done = subprocess.run(
        [*command, "--scope=write", "--json"], check=True, capture_output=True, text=True
    )
    return str(json.loads(done.stdout)["token"])


def somebody(port: int, bearer: Mapping[str, str]) -> str:
    """Whom the form made known, waited for; an id of nobody where nothing can be stored."""
    said = f"GET {SITE}/people?q=kim HTTP/1.1\r\nHost: t\r\nConnection: close\r\n"
    said += f"Authorization: {bearer['Authorization']}\r\n\r\n"
    late = time.monotonic() + WAIT_S
    while time.monotonic() < late:
        if found := json.loads(exchange(port, said.encode()).body)["items"]:
            return str(found[0]["id"])
        time.sleep(0.05)
    return "p1"


def raw(folder: Path, *more: Path) -> bytes:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return b"\n".join(path.read_bytes() for path in (*files, *more))


def search(module: str, folder: Path, environs: Sequence[Mapping[str, str]] = BOTH) -> Outcome:
    """Send everything, to a server that takes it and to one whose disk is full; then search."""
    marks, fives = Marks(), 0
    text = b""
    for number, environ in enumerate(environs):
        data, log = folder / str(number), folder / f"log{number}"
        with serving(module, data, environ, log) as server:
            batches = Batches(server.key)
            told = chain(requests(marks, batches), by_token(marks, batches, server, data))
            for said in told:
                status = exchange(server.port, said, WAIT_S).status
                fives += status >= 500 and not (environ and status == 503)
            text += raw(data, log)
    found = [name for name, mark in marks.secret.items() if mark.encode() in text]
    if b"203.0.113.207" in text:
        found.append("an address")
    missing = [name for name, mark in marks.kept.items() if mark.encode() not in text]
    assert not missing, f"the search does not see {missing}"
    tried = len(marks.secret) + 1
    note = f"{tried} marked secrets, {len(text) / 1e6:.1f} MB of raw files"
    note += f"; found: {', '.join(found[:8])}" if found else ""
    note += f"; {fives} times 5xx" if fives else ""
    return Outcome(tried, tried - len(found) - fives, note=note)


async def leave(folder: Path, *, clean: bool) -> Outcome:
    """Somebody known by every route is erased; every word of hers is searched before and after."""
    path = folder / "data" / "handraise.db"
    path.parent.mkdir()
    place = Place("sqlite", lambda **options: SqliteDatabase(path, **options))
    said = StringIO()
    handler = logging.StreamHandler(said)
    logging.getLogger("handraise").addHandler(handler)
    async with opened_office(place, folder) as office:
        zelda = Zelda(office)
        await zelda.lives()
        await office.app._flush()
        before = "\n".join(traces(path.parent)).lower()
        unseen = [word for word in WORDS if word not in before]
        assert not unseen, f"the search does not see {unseen}"
        if not clean:
            office.app.database.scrub = _no_scrub  # type: ignore[method-assign]
        async with office.client(office.token) as client:
            answer = await client.delete(f"/api/v1/sites/1/people/{zelda.ids[EMAIL]}")
        assert answer.status_code == 200, answer.text
        await office.world.project()
        left = list(traces(path.parent, said.getvalue()))
        left += [repr(key) for key in zelda.keys if key in raw(path.parent)]
    logging.getLogger("handraise").removeHandler(handler)
    tried = len(WORDS) + len(zelda.keys)
    note = f"found: {'; '.join(left[:3])}" if left else ""
    return Outcome(tried, max(0, tried - len(left)), note=note)


async def _no_scrub() -> bool:
    return True


FAULTS = (
    Fault(
        "T25",
        "secrets in raw files and logs (T26 too)",
        1,
        lambda data, _: search("server", data),
        lambda data: search("tests.faults.candid", data),
    ),
    Fault(
        "T35",
        "traces in raw files after an erasure, SQLite",
        1,
        lambda data, _: asyncio.run(leave(data, clean=True)),
        lambda data: asyncio.run(leave(data, clean=False)),
    ),
)
