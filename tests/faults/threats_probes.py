"""T12 and T30: SQL in every parameter and every path of every GET route, and ways out of a folder.

The routes are those of the running program, the parameters those of their own query types. Each
probe must be answered as a harmless unknown value is: the same status and, but for the value
itself, the same words; of a page those that somebody reads. Or it is refused in words. A 5xx
fails, and so does an answer in more than a second.
"""

import asyncio
import html
import logging
import re
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import httpx2
import msgspec
from starlette.routing import Mount, Route

from server.storage import postgres, sqlite
from server.storage.database import Row
from server.web import page_queries, queries
from server.web.operations import Endpoint
from server.web.pages import destinations, inbox, live, scoring, scoring_draft, scoring_rule, today
from server.web.pages.table import PAGES
from tests.engines import CannotStart, Place, cluster, postgres_place, sqlite_place
from tests.faults.row import CannotRun, Fault, Outcome
from tests.office import BASE, Office, opened_office

SLOW_S = 1.0
STREAMS = frozenset({"/live/stream", "/api/v1/sites/{site_id}/live"})
#: Their answers differ by themselves: they count requests, name the time, or make a token.
CHANGING = frozenset({"/metrics", "/readyz", "/f/{key}/{form}", "/p/{key}.gif"})
SQL = (
    "'",
    "''",
    "' OR '1'='1",
    "' OR 1=1 --",
    "') OR ('1'='1",
    "x' UNION SELECT 1,2,3,4,5,6,7,8 --",
    "'; DROP TABLE entries; --",
    "' AND randomblob(1000000000) --",
    "' AND pg_sleep(5)::text = '",
    "\\' OR 1=1 --",
    '" OR ""="',
    "`id`",
    "$1",
    "?",
    ":1",
    "%",
    "_",
    "%' OR '%'='",
    "1/**/OR/**/1",
    "{{7*7}}${7*7}<%= 7*7 %>",
)
#: Values that are harmless or not by their type: here only a 5xx and slowness are faults.
ODD = (
    "%00",
    "%ff%fe",
    "%ed%a0%80",
    "%F0%9F%98%80",
    "-1",
    "0",
    "1e309",
    "NaN",
    "9223372036854775808",
    "9" * 400,
    "[]",
    "[$ne]",
    "x" * 7_000,
    "%C4%B0%CC%87" * 200,
    "../../../../etc/passwd",
    "",
)
#: The statuses of a value that is refused, and what a page that says so has in it.
REFUSALS = frozenset({400, 404, 422})
PROBLEMS = ("<h1>There is nothing here</h1>", "<h1>That did not work</h1>")
#: What nobody reads: scripts, styles, comments and tags.
UNREAD = re.compile(r"<(script|style)\b.*?</\1>|<!--.*?-->|<[^>]*>", re.S)
QUOTED = re.compile("“[^”]*”(?:(?:,|and)“[^”]*”)*")
NAMED = {"site_id": "1", "version": "1", "preset": "seed", "key": "k1", "form": "demo"}
PAGE_QUERIES = (
    *(vars(page_queries).values()),
    *(vars(queries).values()),
    *(value for page in (destinations, inbox, live, scoring, scoring_draft, scoring_rule, today)
      for value in vars(page).values()),
)  # fmt: skip


@dataclass(frozen=True)
class Target:
    """Where a value goes: a path with `@` in it, as a part of it or behind a parameter."""

    route: str
    url: str

    def filled(self, quoted: str) -> str:
        return self.url.replace("@", quoted)


@dataclass
class Found:
    """What was tried, and what was wrong."""

    tried: int = 0
    fives: int = 0
    wrong: list[str] = field(default_factory=list)
    slowest_s: float = 0.0


def paths(office: Office) -> Iterator[tuple[str, type[msgspec.Struct] | None]]:
    """Every GET route, with the type of its query if it is one of the API."""
    app = office.app.asgi.app.app  # type: ignore[attr-defined]
    for route in app.routes:
        if isinstance(route, Mount) or not isinstance(route, Route):
            continue
        endpoint = route.app
        if isinstance(endpoint, Endpoint):
            if "GET" in endpoint.by_method:
                yield route.path, endpoint.by_method["GET"].query
        elif "GET" in (route.methods or {"GET"}):
            yield route.path, None


def page_parameters() -> list[str]:
    """Every name that some page takes."""
    shapes = [
        one for one in PAGE_QUERIES if isinstance(one, type) and issubclass(one, msgspec.Struct)
    ]
    return sorted({name for shape in shapes for name in shape.__struct_encode_fields__})


def in_path(path: str, ids: dict[str, str], hole: str = "") -> str:
    """A route's path with ids that exist, but for one name whose value is probed."""
    return re.sub(r"{(\w+)}", lambda m: "@" if m[1] == hole else ids.get(m[1], "1"), path)


async def targets(office: Office, client: httpx2.AsyncClient, every: int) -> AsyncIterator[Target]:
    """Every place of every GET route that takes a value; with `every` fewer parameters of pages."""
    known = office.known
    ids = NAMED | {"person_id": known.ada, "visitor_id": known.stranger}
    names, pages = page_parameters()[::every], {page.path for page in PAGES}
    for path, query in paths(office):
        if path in STREAMS:
            continue
        for hole in re.findall(r"{(\w+)}", path):
            yield Target(path, in_path(path, ids, hole))
        there = in_path(path, ids)
        if query is not None:
            for name in query.__struct_encode_fields__:
                yield Target(path, f"{there}?{name}=@")
            continue
        if path not in pages:
            continue
        for name in names:  # a page says which it does not know
            answer = await client.get(f"{there}?{name}=1")
            if "is unknown" not in answer.text and answer.status_code < 400:
                yield Target(path, f"{there}?{name}=@")


def harmless(value: str) -> str:
    """An unknown value of the same length, with what parts a filter in the same places."""
    letters = "harmless" * len(value)
    return "".join(c if c in ":=" else letters[n] for n, c in enumerate(value))


def spellings(value: str) -> list[str]:
    """The value and its harmless stand-in, as an answer may repeat them; the longest first."""
    found = {harmless(value), value, quote(value, safe=""), quote_plus(value), html.escape(value)}
    found |= {html.escape(value).replace("&#x27;", "&#39;").replace("&quot;", "&#34;")}
    found |= {msgspec.json.encode(value).decode()[1:-1], quote(value), value.strip()}
    return sorted(filter(str.strip, found), key=len, reverse=True)


def plain(text: str, value: str) -> str:
    """An answer without the value in any of its spellings, and without what changes anyway."""
    for spelling in spellings(value):
        text = text.replace(spelling, "@")
    return re.sub(r'(name="(?:token|csrf)" value=|"at":)"[^"]*"', r'\1"-"', text)


def read(page: str, value: str) -> str:
    """What somebody reads of a page, without the value: no tags, so no tokens either. Pages write
    names their own way, so capitals, underscores and blanks count for nothing."""
    text = _folded(html.unescape(re.sub(UNREAD, " ", page)))
    text = re.sub(QUOTED, "“”", text)  # a search names its words one by one
    for spelling in spellings(value):
        text = text.replace(_folded(spelling), "") if _folded(spelling) else text
    return text


def _folded(text: str) -> str:
    return "".join(text.lower().replace("_", " ").split())


async def probe(client: httpx2.AsyncClient, target: Target, found: Found, sql: int) -> None:
    """All probes at one place."""
    expected: dict[str, httpx2.Response] = {}
    for value in (*SQL[::sql], *ODD[::sql]):
        odd = value in ODD
        same = harmless(value)
        if not odd and same not in expected:
            expected[same] = await client.get(target.filled(quote(same, safe="")))
        quoted = value if odd and "%" in value else quote(value, safe="")
        answer, seconds = await _timed(client, target.filled(quoted))
        if seconds > SLOW_S:  # somebody else may have had the machine
            answer, seconds = await _timed(client, target.filled(quoted))
        found.slowest_s = max(found.slowest_s, seconds)
        found.tried += 1
        found.fives += answer.status_code >= 500
        if answer.status_code >= 500 or seconds > SLOW_S:
            found.wrong.append(f"{target.url} {value[:30]}: {answer.status_code}, {seconds:.1f} s")
        elif not odd and target.route not in CHANGING and _differs(answer, value, expected[same]):
            found.wrong.append(f"{target.url} {value[:30]}: not as a harmless value")


async def _timed(client: httpx2.AsyncClient, url: str) -> tuple[httpx2.Response, float]:
    began = time.monotonic()
    answer = await client.get(url)
    return answer, time.monotonic() - began


def refused(answer: httpx2.Response) -> bool:
    """Whether nothing was read with the value: the program itself names it as a problem."""
    if answer.status_code not in REFUSALS:
        return False
    kind = answer.headers.get("content-type", "")
    return kind.startswith("application/problem+json") or any(
        problem in answer.text for problem in PROBLEMS
    )


def _differs(answer: httpx2.Response, value: str, expected: httpx2.Response) -> bool:
    if refused(answer):
        return False
    if answer.status_code != expected.status_code:
        return True
    if "html" not in answer.headers.get("content-type", ""):
        return plain(answer.text, value) != plain(expected.text, value)
    if answer.text.count('href="/people/p') > expected.text.count('href="/people/p'):
        return True
    return read(answer.text, value) != read(expected.text, value)


@asynccontextmanager
async def asked(place: Place, folder: Path) -> AsyncIterator[tuple[Office, httpx2.AsyncClient]]:
    """The owner of everything, signed in, and no exception of the program stops us."""
    async with AsyncExitStack() as stack:
        office = await stack.enter_async_context(opened_office(place, folder))
        signed_in = await stack.enter_async_context(await office.browser())
        transport = httpx2.ASGITransport(app=office.app.asgi, raise_app_exceptions=False)
        client = httpx2.AsyncClient(
            transport=transport, base_url=BASE, cookies=signed_in.cookies, headers=signed_in.headers
        )
        yield office, await stack.enter_async_context(client)


async def probe_all(place: Place, folder: Path, every: int, careless: bool) -> Found:
    """Every place, or with `every` only each so many-th, with as many fewer values."""
    found = Found()
    async with asked(place, folder) as (office, client):
        number = 0
        async for target in targets(office, client, min(every, 8)):
            number += 1
            if number % every == 0:
                with carelessly(careless):
                    await probe(client, target, found, min(every, 4))
        left = await office.app.database.fetch("SELECT count(*) FROM entries WHERE site_id = 1")
        if not left[0][0]:
            found.wrong.append("the log is gone")
    return found


def outcome(place: Place, folder: Path, every: int = 1, careless: bool = False) -> Outcome:
    found = asyncio.run(probe_all(place, folder, every, careless))
    note = f"slowest {found.slowest_s * 1_000:.0f} ms"
    if found.wrong:
        note += f"; wrong: {'; '.join(found.wrong[:6])}"
    return Outcome(
        found.tried,
        found.tried - len(found.wrong),
        note=note,
        inputs=found.tried,
        fives=found.fives,
    )


Reader = type[sqlite.SqliteReader] | type[postgres.PostgresReader]


def spelled(sql: str, args: Sequence[Any]) -> str:
    """A statement with its texts written into it, as a query builder without parameters does. They
    are still bound, so that the numbers of the others stay."""
    for number, value in enumerate(args, 1):
        if isinstance(value, str):
            text = f"('{value}' || substr(cast(${number} AS text), 1, 0))"
            sql = re.sub(rf"\${number}\b", text.replace("\\", "\\\\"), sql)
    return sql


def _written(reader: Reader) -> Any:
    """A `fetch` that writes texts into the SQL."""
    honest = reader.fetch

    async def careless(self: Any, sql: str, *args: Any) -> list[Row]:
        return await honest(self, spelled(sql, args), *args)

    return careless


@contextmanager
def carelessly(wanted: bool) -> Iterator[None]:
    """Values written into the SQL, as a query builder without parameters would do it."""
    with ExitStack() as stack:
        for reader in (sqlite.SqliteReader, postgres.PostgresReader) if wanted else ():
            stack.callback(setattr, reader, "fetch", reader.fetch)
            reader.fetch = _written(reader)  # type: ignore[method-assign]
        yield


@contextmanager
def quiet() -> Iterator[None]:
    """A control has one trace a probe."""
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


Probes = Callable[[Place, Path, int, bool], Outcome]  # `every`-th place, careless or not


def on_postgres(probes: Probes, data: Path, every: int, careless: bool) -> Outcome:
    """The probes on a PostgreSQL of their own. Raises `CannotRun`."""
    with ExitStack() as stack:
        try:
            server = stack.enter_context(cluster())
        except CannotStart as error:
            raise CannotRun(f"PostgreSQL cannot start here: {error}") from error
        asyncio.run(server.empty())
        return probes(postgres_place(server), data, every, careless)


def on_sqlite(probes: Probes, data: Path, every: int, careless: bool) -> Outcome:
    return probes(sqlite_place(data), data, every, careless)


def both(name: str, probes: Probes, every: int) -> tuple[Fault, Fault]:
    """A row for each database. The control has its values in the SQL, at each `every`-th place."""

    def row(database: str, on: Callable[[Probes, Path, int, bool], Outcome]) -> Fault:
        def control(data: Path) -> Outcome:
            with quiet():
                return on(probes, data, every, True)

        run = lambda data, _: on(probes, data, 1, False)  # noqa: E731
        return Fault("T12", f"{name}, {database}", 1, run, control)

    return row("SQLite", on_sqlite), row("PostgreSQL", on_postgres)


FAULTS = both("SQL in every parameter and path", outcome, 6)
