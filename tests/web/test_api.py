"""The API as a client meets it: walls between tenants, clear refusals, pages, one table."""

from typing import Any, get_args

import msgspec
import pytest

from server.model import EVENT_KINDS, STAGES, Kind, SiteSettings
from server.project.registry import FOUND_HERE
from server.project.typos import KIND as TYPO
from server.reports.conflict_items import TWO, WAITING
from server.reports.consequences import ABOUT_PERSONS
from server.reports.moments import milli, read_since, read_time
from server.reports.people_filters import Stage
from server.web.bodies import SettingsChange
from server.web.queries import (
    ConflictKind,
    PeopleQuery,
    TimelineKind,
)
from server.web.routes import operations
from tests.acme import mistyped
from tests.office import Office
from tests.tracking import DAY

pytestmark = [pytest.mark.anyio, pytest.mark.slow]
ONE_ENGINE = pytest.mark.parametrize("place", ["sqlite"], indirect=True)
API = "/api/v1/sites"


async def nothing(request: Any) -> Any:
    raise AssertionError(request)


OPERATIONS = operations(nothing)
#: A stream has no end: `tests/reports/test_live.py` and its neighbours read it.
READING = [
    o
    for o in OPERATIONS
    if "{site_id}" in o.path and o.method == "GET" and not o.path.endswith("/live")
]


async def test_people_and_their_receipts(office: Office) -> None:
    """The shapes that the documentation promises, with points as exact JSON numbers."""
    people = await office.json("/people", sort="-score")
    assert [row["id"] for row in people["items"]] == [
        office.known.ada,
        office.known.eve,
        office.known.ben,
    ]
    assert people["next"] is None
    ada = people["items"][0]
    assert set(ada) == {
        *("id", "email", "name", "company", "stage", "score", "fit", "engagement", "grade"),
        *("level", "first_seen", "last_seen", "sessions", "page_views", "source", "channel"),
        *("signals", "tags", "owner", "do_not_contact"),
    }
    assert ada["first_seen"].endswith("Z")
    person = await office.json(f"/people/{office.known.ada}")
    assert set(person["receipt"][0]) == {
        *("rule", "axis", "points", "base", "factor", "at", "event", "expires", "times")
    }
    total = sum(round(line["points"] * 1000) for line in person["receipt"])
    assert total == round(person["score"] * 1000)
    past = await office.json(f"/people/{office.known.ada}", at="2026-11-03T13:00:00Z")
    assert past["score"] == 15


async def test_pages_are_linked(office: Office) -> None:
    """`Link: rel="next"` leads through the whole list and ends."""
    path, seen = f"{API}/1/people?limit=1&sort=email", []
    async with office.client(office.reader) as client:
        while path:
            answer = await client.get(path)
            assert answer.status_code == 200
            seen += [row["email"] for row in answer.json()["items"]]
            link = answer.headers.get("link", "")
            path = link.partition(">")[0].removeprefix("<")
            assert bool(path) == (answer.json()["next"] is not None)
    assert seen == ["ada@lovelace.example", "ben@gmail.com", "eve@evil.example"]


@ONE_ENGINE
async def test_another_sites_token_sees_nothing_here(office: Office) -> None:
    """Every reading route with a foreign token, and with our ids on the foreign site: the same
    404 as for a site that does not exist."""
    known = office.known
    ids = {"person_id": known.ada, "visitor_id": known.stranger, "token_id": "t1"}
    ids["conflict_id"] = await mistyped(office.world)
    async with office.client(office.token) as client:
        hook = {"kind": "webhook", "url": "https://crm.example.com/hook"}
        ids["destination_id"] = (await client.post(f"{API}/1/destinations", json=hook)).json()["id"]
        kept = {"name": "Hot", "filter": {"min_score": 50}}
        ids["segment_id"] = (await client.post(f"{API}/1/segments", json=kept)).json()["id"]
    eraser = office.app.state.eraser
    number = await eraser.ask(1, known.eve, "t")
    await eraser.wait(1, number)
    ids["erasure_id"] = f"r{number}"
    everywhere = {"version": "1", "preset": "seed"}
    for token, site_id in ((office.token, 1), (office.foreign, 2)):
        async with office.client(token) as client:
            await client.put(f"{API}/{site_id}/rules/draft", json={"preset": "seed"})
    for operation in READING:
        own = operation.path.format(site_id="1", **ids, **everywhere)
        assert (await office.get(own)).status_code == 200, own
        foreign = await office.get(own, office.foreign)
        missing = await office.get(
            operation.path.format(site_id="99", **ids, **everywhere), office.foreign
        )
        assert foreign.status_code == missing.status_code == 404, own
        assert foreign.content == missing.content
        theirs = await office.get(
            operation.path.format(site_id="2", **ids, **everywhere), office.foreign
        )
        of_one = any(f"{{{name}}}" in operation.path for name in ids)
        assert theirs.status_code == (404 if of_one else 200), own
        assert b"lovelace" not in theirs.content
        assert (await office.get(own, "")).status_code == 401
        assert (await office.get(own, "hr_wrong")).status_code == 401


#: A path of site 1, and what the refusal says of it.
MISFITS = [
    ("/people?nonsense=1", "parameter `nonsense` is unknown; valid are: stage, signal,"),
    ("/people?sort=warmth", "parameter `sort`: Invalid enum value 'warmth'; valid are: "),
    ("/people?stage=hot", "valid are: customer, evangelist, lead"),
    ("/people?limit=0", "parameter `limit`: Expected `int` >= 1"),
    ("/people?limit=201", "parameter `limit`: Expected `int` <= 200"),
    ("/people?limit=ten", "parameter `limit`"),
    ("/people?limit=1&limit=2", "parameter `limit` is given twice"),
    ("/people?min_score=nan", "parameter `min_score`"),
    ("/people?cursor=zzz", "parameter `cursor`"),
    ("/people?since=yesterday", "parameter `since`: not an ISO 8601 time"),
    ("/people?since=1960-01-01", "parameter `since`: only times from 1970 to 2099"),
    ("/people?q=%00", "parameter `q` holds a NUL character"),
    ("/people?q=a%20b%20c%20d%20e%20f", "parameter `q`: at most 5 words"),
    ("/visitors?stage=lead", "parameter `stage` is unknown"),
    ("/people/57", "`57` is no id here: one looks like p57"),
    ("/people/v57", "one looks like p57"),
    ("/people/p0", "one looks like p57"),
    ("/people/p9999999999999999999", "one looks like p57"),
    ("/people/pé/timeline", "one looks like p57"),
    ("/visitors/p57/timeline", "one looks like v57"),
    ("/people/p8/timeline?kind=everything", "valid are: all, click, consent"),
    ("/people/p8?at=now", "parameter `at`"),
    ("/overview?from=2026-13-01", "parameter `from`"),
    ("/overview?from=2026-11-02&to=2026-11-01", "parameter `from` lies after `to`"),
    ("/overview?from=1969-01-01", "only days from 1970"),
    ("/overview?from=2000-01-01&to=2026-01-01", "at most 731 days"),
    ("/refused?limit=1", "parameter `limit` is unknown; valid are: since"),
    ("/log?after=-1", "parameter `after`"),
    ("/tokens?x=1", "parameter `x` is unknown; this route takes none"),
]


@ONE_ENGINE
async def test_what_does_not_fit_is_named(office: Office) -> None:
    """400 with a sentence that names the parameter and what is valid."""
    for path, sentence in MISFITS:
        answer = await office.get(f"{API}/1{path}")
        assert answer.status_code == 400, path
        assert answer.headers["content-type"] == "application/problem+json"
        assert sentence in answer.json()["detail"], path


async def test_a_merged_person_leads_to_the_other(office: Office) -> None:
    """308, with the place in Location and in the body; the timeline's too."""
    ben, ada = office.known.ben, office.known.ada
    async with office.client(office.token) as client:
        answer = await client.post(f"{API}/1/people/{ada}/merge", json={"other": ben})
    assert (answer.status_code, answer.json()["id"]) == (200, ada)
    for part in ("", "/timeline"):
        answer = await office.get(f"{API}/1/people/{ben}{part}")
        assert answer.status_code == 308
        assert answer.headers["location"] == f"{API}/1/people/{ada}{part}"
        assert answer.json()["merged_into"] == f"{API}/1/people/{ada}{part}"
    assert len((await office.json("/people"))["items"]) == 2


async def test_since_takes_a_time_or_a_cursor(office: Office) -> None:
    """Both mean a moment."""
    latest = await office.json("/people", sort="-last_seen", limit=1)
    assert len((await office.json("/people", since=latest["next"]))["items"]) == 1
    assert len((await office.json("/people", since="2026-11-07T00:00:00+01:00"))["items"]) == 2
    signals = await office.json("/signals", since="2026-11-10")
    assert {row["rule"] for row in signals["items"]} >= {"pricing_page", "lead_magnet"}


async def test_the_log_streams_in_words(office: Office) -> None:
    """NDJSON up to the head, resumable."""
    answer = await office.get(f"{API}/1/log")
    assert answer.headers["content-type"].startswith("application/x-ndjson")
    lines = [msgspec.json.decode(line) for line in answer.content.splitlines()]
    assert [line["seq"] for line in lines] == list(range(1, len(lines) + 1))
    rest = await office.get(f"{API}/1/log", after=len(lines) - 2)
    assert rest.content.splitlines() == answer.content.splitlines()[-2:]
    assert (await office.get(f"{API}/1/log", after=10_000)).content == b""


@ONE_ENGINE
async def test_methods_and_paths_that_do_not_exist(office: Office) -> None:
    """405 says what is allowed; HEAD answers like GET."""
    async with office.client(office.token) as client:
        answer = await client.put(f"{API}/1/people")
        assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")
        assert answer.json()["code"] == "method"
        assert (await client.head(f"{API}/1/people")).status_code == 200
        assert (await client.get(f"{API}/1/nothing")).status_code == 404


@ONE_ENGINE
async def test_answers_are_not_kept_by_anybody(office: Office) -> None:
    """No-store, nosniff, and a policy under which nothing runs."""
    answer = await office.get(f"{API}/1/people")
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")


def test_closed_lists_are_those_of_the_product() -> None:
    """Words repeated in the query types, for the type checker, say the same as the model."""
    assert set(ABOUT_PERSONS) >= {kind.word for kind in Kind if kind >= Kind.STAGE_MOVED}
    assert get_args(Stage) == STAGES
    assert set(get_args(TimelineKind)) == {"all", *EVENT_KINDS, *ABOUT_PERSONS}
    assert set(get_args(ConflictKind)) == WAITING | TWO | {"second_user_id", "too_many_addresses"}
    assert {*FOUND_HERE, TYPO} == set(get_args(ConflictKind))
    assert set(SettingsChange.__struct_fields__) == set(SiteSettings.__struct_fields__)
    assert PeopleQuery().limit == 50


@pytest.mark.parametrize(
    ("score", "points"), [(50, 50_000), (12.345, 12_345), (0.0001, 1), (-10, -10_000)]
)
def test_min_score_is_exact(score: float, points: int) -> None:
    assert milli(score) == points


def test_times_are_read_as_people_write_them() -> None:
    """With and without a zone, and with a plus that was not escaped."""
    assert read_time("at", "1970-01-02") == DAY
    assert read_time("at", "1970-01-02T01:00:00 01:00") == DAY
    assert read_time("at", "1970-01-02T00:00:00.5Z") == DAY + 500
    assert read_since("") is None
