"""T12: SQL in every text of every body: of the API, of events, of hosted forms and of the pages.

In each place that holds a text SQL is put in turn; where the text has a shape, such as that of an
e-mail, SQL in that shape as well. The answer must have the status that a harmless text of the same
length gets there, or refuse it in words. A probe means something only where the body without it is
taken: that is asked before and after. In the end the log, the people, the sites and the tables are
what they must be, and SQL is read back as a text like any other.

What has to be refused in any case is probed all the same: what can be done once only, such as a
merge, and addresses of mail, for there is no mail server. Not probed is what ends the sign-in that
the probes are sent with. Events of the API are read as those of pages, and the forms of
settings and rules as the bodies of the API: there each third value is tried.
"""

import asyncio
import sqlite3
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import httpx2
import msgspec

from server.ingest.payload import write_id
from server.storage import postgres_turn, sqlite
from server.storage.database import Query, Row
from tests.acme import crowd, mistyped
from tests.engines import Place
from tests.faults.row import Outcome
from tests.faults.threats_bodies_sent import (
    DRAFT,
    FEWER,
    ID,
    NUMBER,
    ODD,
    PERSON,
    RULES,
    SITE,
    TEXT,
    THIRD,
    VISITOR,
    Target,
    shaped,
    targets,
    with_tokens,
)  # fmt: skip
from tests.faults.threats_probes import (
    NAMED,
    SLOW_S,
    SQL,
    Found,
    asked,
    both,
    carelessly,
    harmless,
    refused,
    spelled,
)  # fmt: skip
from tests.office import Office
from tests.tracking import CHROME, MIN

REFUSALS = frozenset({400, 401, 404, 409, 422})
#: Both say yes: the second where the projector takes longer.
DONE = frozenset({200, 202})
#: A control that has failed so often need not go on.
ENOUGH = 8
GROWING = ("entries", "tokens", "users")
#: By the rules that probes publish nobody has earned anything.
RULED = frozenset({"signals", "contributions"})
TABLES = {
    "sqlite": "SELECT name FROM sqlite_master WHERE type = 'table'",
    "postgres": "SELECT table_name FROM information_schema.tables"
    " WHERE table_schema = current_schema()",
}


def as_expected(answer: httpx2.Response, status: int) -> bool:
    """Whether an answer is as that to a harmless text, or a refusal in words."""
    if answer.status_code == status or {answer.status_code, status} == DONE:
        return True
    in_words = answer.status_code in REFUSALS and 'role="alert"' in answer.text
    return refused(answer) or in_words


def taken(answer: httpx2.Response) -> bool:
    """Whether a body was read and all of it kept."""
    inside = "/sign-in" not in answer.headers.get("location", "")
    return answer.status_code < 400 and inside and '"dropped":[{' not in answer.text


class Probing:
    """The probes of one office."""

    def __init__(self, office: Office, client: httpx2.AsyncClient, found: Found) -> None:
        self.office, self.client, self.found = office, client, found
        self.number = 1_000
        self.people: list[str] = []
        self.took = self.sites = 0

    async def prepare(self) -> dict[str, str]:
        """Things to aim at, and their ids."""
        office, client = self.office, self.client

        async def nowhere(host: str, port: int) -> list[str]:
            raise OSError

        office.app.state.teller.post.webhooks._guarded.resolve = nowhere  # none leaves this machine
        conflict = await mistyped(office.world)
        await crowd(office.world, 30)
        member = await office.browser("viewer")
        people = await office.world.rows("persons", "person_id")
        self.people = [f"p{person_id}" for (person_id,) in people]
        hook = {"kind": "webhook", "url": "https://crm.example.com/hook"}
        await client.post(f"{SITE}/destinations", json=hook)
        await client.post(f"{SITE}/segments", json={"name": "Hot", "filter": {"min_score": 50}})
        await client.post(f"{SITE}/people/{office.known.ada}/tags", json={"add": [TEXT]})
        aimed = {"person_id": PERSON, "visitor_id": office.known.stranger, "event_id": "e1"}
        aimed |= {"user_id": f"u{member.headers['X-User']}", "rule": "trial", "deed": "up"}
        aimed |= {"conflict_id": conflict, "action": "dismiss"}
        return NAMED | aimed | {"destination_id": "d1", "segment_id": "g1"}

    # ------------------------------------------------------------ one request

    async def tokens(self, target: Target, person: str) -> dict[str, str]:
        """What stands for something else in the next request; what it needs is there then."""
        self.number += 1
        draft = ""
        if target.method == "POST" and target.url.endswith(("/segments", "/destinations")):
            await self.clear(f"{SITE}/{target.url.rpartition('/')[2]}")
        if target.url == "/sign-in":
            self.office.world.now += 6 * MIN  # else it has to wait
        running = self.office.app.state.backtests.last.get(1)
        if "backtest" in target.url and running:
            await running.ended.wait()
        if DRAFT in str(target.body) or "backtest" in target.url:
            named = RULES | {"name": f"Draft {self.number}"}
            answer = await self.client.put(f"{SITE}/rules/draft", json=named)
            draft = answer.json()["revision"] if answer.status_code == 200 else ""
        ids = {f"{ID}{n}": write_id((16 * self.number + n).to_bytes(16)) for n in range(10)}
        known = {NUMBER: str(self.number), ID: ids[f"{ID}0"], DRAFT: draft, PERSON: person}
        return ids | known | {VISITOR: self.office.known.stranger}

    async def clear(self, url: str) -> None:
        """Remove what probes added to a list that may grow only so long."""
        answer = await self.client.get(url)
        for one in answer.json()["items"] if answer.status_code == 200 else ():
            if one["id"] not in {"d1", "g1"}:
                await self.client.delete(f"{url}/{one['id']}")

    async def send(
        self, target: Target, person: str, value: str | None = None
    ) -> tuple[httpx2.Response, float]:
        """The answer to a body, and the seconds until it came."""
        tokens = await self.tokens(target, person)
        url, body = with_tokens(target.url, tokens), target.filled(tokens, value)
        began = time.monotonic()
        answer = await self.client.request(
            target.method, url, content=body, headers={"Content-Type": target.media}
        )
        self.client.cookies.pop("hr1", None)  # each batch is another visitor's
        self.sites += answer.status_code == 201 and url == "/api/v1/sites"
        return answer, time.monotonic() - began

    # ------------------------------------------------------------ one place

    async def probe(self, target: Target, sql: int) -> None:
        """All values in one place, beside somebody whose turn it is."""
        person = self.people[self.number % len(self.people)]
        before, _ = await self.send(target, person)
        self.took += taken(before)
        expected: dict[str, int] = {}
        sql = max(sql, THIRD if target.url in FEWER else 1)
        for value in SQL[::sql]:
            same = shaped(target.text, harmless(value))
            for other, one in zip(same, shaped(target.text, value), strict=True):
                if other not in expected:
                    expected[other] = (await self.send(target, person, other))[0].status_code
                await self.judge(target, person, one, expected[other])
        for value in ODD[::sql]:
            await self.judge(target, person, value, None)
        after, _ = await self.send(target, person)
        if target.is_taken and not (taken(before) and taken(after)):
            place = f"{target.method} {target.url} {target.way}"
            statuses = f"{before.status_code}, {after.status_code} afterwards"
            self.found.wrong.append(f"{place}: not taken as it is: {statuses}")

    async def judge(self, target: Target, person: str, value: str, status: int | None) -> None:
        """One value; `status` is that of a harmless one, None where it says nothing."""
        found = self.found
        answer, seconds = await self.send(target, person, value)
        if seconds > SLOW_S:  # somebody else may have had the machine
            answer, seconds = await self.send(target, person, value)
        found.slowest_s = max(found.slowest_s, seconds)
        found.tried += 1
        found.fives += answer.status_code >= 500
        place = f"{target.method} {target.url} {target.way} {value[:30]!a}"
        if answer.status_code >= 500 or seconds > SLOW_S:
            found.wrong.append(f"{place}: {answer.status_code}, {seconds:.1f} s")
        elif status is not None and not as_expected(answer, status):
            found.wrong.append(f"{place}: {answer.status_code}, a harmless text {status}")
        elif target.url == "/sign-in" and answer.status_code < 400:
            found.wrong.append(f"{place}: signed in")


# ---------------------------------------------------------------- what is left


async def counts(office: Office) -> dict[str, int]:
    """How many rows each table has."""
    database = office.app.database
    names = [name for (name,) in await database.fetch(TABLES[database.engine])]
    return {name: (await database.fetch(f"SELECT count(*) FROM {name}"))[0][0] for name in names}


async def projected(office: Office) -> None:
    """Wait until nothing is left to derive; the settings may have had all of it derived again."""
    state = office.app.state
    again = state.replays.last.get((1, True))
    if again:
        await again.ended.wait()
    ((head,),) = await office.app.database.fetch("SELECT seq FROM heads WHERE site_id = 1")
    await state.projector.passed(1, head)


async def read_back(office: Office, client: httpx2.AsyncClient) -> list[str]:
    """What looks like SQL is a text like any other: each value as the company of somebody, their
    note, tag, trait, owner and a segment; what of these is not as it was sent."""
    wrong = []
    for number, value in enumerate(SQL):
        sent = {"email": f"read{number}@brew.example", "company": value}
        await client.post("/f/k1/demo", data=sent)
    await projected(office)
    for number, value in enumerate(SQL):
        found = await client.get(f"{SITE}/people", params={"email": f"read{number}@brew.example"})
        person = found.json()["items"][0]["id"]
        url = f"{SITE}/people/{person}"
        await client.post(f"{url}/notes", json={"text": value})
        await client.post(f"{url}/tags", json={"add": [value]})
        await client.put(f"{url}/traits", json={"said": value})
        await client.put(f"{url}/owner", json={"owner": value})
        kept = {"name": f"Read {value}", "filter": {"tag": [value]}}
        segment = await client.post(f"{SITE}/segments", json=kept)
        await projected(office)
        known = (await client.get(url)).json()
        inside = await client.get(f"{SITE}/segments/{segment.json()['id']}/people")
        read = {
            "company": known["traits"].get("company"),
            "note": known["notes"][0]["text"],
            "tag": known["tags"][0],
            "trait": known["traits"].get("said"),
            "owner": known["owner"],
            "segment": segment.json()["name"].removeprefix("Read "),
        }
        wrong += [
            f"{what} {value!a} is read as {one!a}" for what, one in read.items() if one != value
        ]
        tagged = {one["id"]: one["tags"] for one in inside.json()["items"]}
        if person not in tagged or not all(value in tags for tags in tagged.values()):
            wrong.append(f"a segment by the tag {value!a} finds others")
    return wrong


async def losses(probing: Probing, before: dict[str, int]) -> list[str]:
    """What is not there any more, or too often."""
    after, ada = await counts(probing.office), probing.office.known.ada
    wrong = [f"{name} is gone" for name in before.keys() - after.keys()]
    wrong += [
        f"{name} is empty" for name in before.keys() - RULED if before[name] and not after.get(name)
    ]
    wrong += [f"{name} has shrunk" for name in GROWING if after.get(name, 0) < before[name]]
    if after.get("sites") != before["sites"] + probing.sites:
        wrong.append(f"{after.get('sites')} sites, not {before['sites'] + probing.sites}")
    for url in (f"{SITE}/people/{ada}", f"{SITE}/people", f"{SITE}/tokens", "/people"):
        answer = await probing.client.get(url, follow_redirects=True)
        if answer.status_code != 200 or (url == f"{SITE}/people" and not answer.json()["items"]):
            wrong.append(f"{url}: {answer.status_code}")
    return wrong


async def probe_all(place: Place, folder: Path, every: int, careless: bool) -> Probing:
    """Every place, or with `every` only each so many-th, with as many fewer values."""
    async with asked(place, folder) as (office, client):
        client.headers["User-Agent"] = CHROME  # what a program sends is nobody's visit
        probing = Probing(office, client, Found())
        wrong, ids = probing.found.wrong, await probing.prepare()
        before, settings = await counts(office), msgspec.to_builtins(office.world.site.settings)
        for number, target in enumerate(targets(office, ids), 1):
            if number % every == 0 and not (careless and len(wrong) >= ENOUGH):
                with carelessly(careless), written(careless):
                    await probing.probe(target, min(every, 4))
        if not careless:
            await client.patch(f"{SITE}/settings", json=settings)
            wrong += await read_back(office, client)
            wrong += await losses(probing, before)
    if place.engine == "sqlite":
        with closing(sqlite3.connect(folder / "test.sqlite")) as file:
            found = file.execute("PRAGMA integrity_check").fetchall()
        wrong += [f"the file: {found[0][0]}"] if found != [("ok",)] else []
    return probing


def outcome(place: Place, folder: Path, every: int = 1, careless: bool = False) -> Outcome:
    probing = asyncio.run(probe_all(place, folder, every, careless))
    found = probing.found
    note = f"{probing.took} places take a harmless text, slowest {found.slowest_s * 1_000:.0f} ms"
    if found.wrong:
        note += f"; wrong: {'; '.join(found.wrong[:6])}"
    survived = max(0, found.tried - len(found.wrong))
    return Outcome(found.tried, survived, note=note, inputs=found.tried, fives=found.fives)


# ---------------------------------------------------------------- the control


def each(query: Query) -> list[Query]:
    """The same with its texts in the SQL, as statements of one row each."""
    rows = query.args if query.many else [query.args]
    return [Query(spelled(query.sql, row), row) for row in rows]


@contextmanager
def written(wanted: bool) -> Iterator[None]:
    """What `carelessly` does to reading, done to writing."""
    execute, ask = sqlite.SqliteWriter._execute, postgres_turn.ask

    def careless(self: sqlite.SqliteWriter, query: Query) -> list[Row]:
        found = [execute(self, one) for one in each(query)]
        return [(len(found),)] if query.many else found[0]

    async def careless_ask(connection: Any, query: Query) -> list[Row]:
        found = [await ask(connection, one) for one in each(query)]
        return [(len(found),)] if query.many else found[0]

    with ExitStack() as stack:
        if wanted:
            stack.callback(setattr, sqlite.SqliteWriter, "_execute", execute)
            stack.callback(setattr, postgres_turn, "ask", ask)
            sqlite.SqliteWriter._execute = careless  # type: ignore[method-assign]
            vars(postgres_turn)["ask"] = careless_ask
        yield


FAULTS = both("SQL in every text of every body", outcome, 12)
