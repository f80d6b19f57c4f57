"""Segments, decisions about many and files, over the API on each engine."""

import csv
import io
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from server.model import Kind
from server.storage import segments as rows
from server.web import bulk
from tests.acme import crowd
from tests.office import Office

pytestmark = [pytest.mark.anyio, pytest.mark.slow]
ONE_ENGINE = pytest.mark.parametrize("place", ["sqlite"], indirect=True)
API = "/api/v1/sites/1"
HOT = {"stage": ["sql", "mql"], "min_score": 50}


@pytest.fixture
async def client(office: Office) -> AsyncIterator[httpx2.AsyncClient]:
    async with office.client(office.token) as ready:
        yield ready


async def done(client: httpx2.AsyncClient, method: str, path: str, **body: Any) -> Any:
    answer = await client.request(method, f"{API}{path}", json=body or None)
    assert answer.status_code in {200, 201}, answer.text
    return answer.json()


async def refused(
    client: httpx2.AsyncClient, method: str, path: str, **body: Any
) -> tuple[int, str]:
    answer = await client.request(method, f"{API}{path}", json=body or None)
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    return answer.status_code, answer.json()["detail"]


async def about_people(office: Office) -> list[tuple[Any, ...]]:
    """Kind and data of every decision in the log."""
    marks = f"site_id = 1 AND kind >= {int(Kind.MERGE)} AND kind < {int(Kind.STAGE_MOVED)}"
    return await office.world.rows("entries", "seq, kind, data", marks)


# ---------------------------------------------------------------- segments


async def test_a_segment_is_a_filter_with_a_name(
    office: Office, client: httpx2.AsyncClient
) -> None:
    """Made, listed, its people, changed, dropped: each with who did it in the audit."""
    ada, ben = office.known.ada, office.known.ben
    made = await done(client, "POST", "/segments", name="  Hot   leads ", filter=HOT)
    assert (made["id"], made["name"], made["author"]) == ("g1", "Hot leads", "token t1")
    assert made["filter"] == {"min_score": 50, "stage": ["mql", "sql"]}
    assert made["sentence"] == "stage is MQL or SQL and score ≥ 50"
    assert made["total"] == {"count": 1, "more": False}
    people = await office.json("/segments/g1/people", count="true", sort="name")
    assert [row["id"] for row in people["items"]] == [ada]
    assert people["total"] == {"count": 1, "more": False}
    listed = await office.json("/segments")
    assert [(one["id"], "total" in one) for one in listed["items"]] == [("g1", False)]
    changed = await done(client, "PATCH", "/segments/g1", filter={"source": ["mail"]})
    assert (changed["name"], changed["sentence"]) == ("Hot leads", "source is mail")
    renamed = await done(client, "PATCH", "/segments/g1", name="By mail")
    assert [row["id"] for row in (await office.json("/segments/g1/people"))["items"]] == [ben]
    assert (renamed["name"], renamed["filter"]) == ("By mail", {"source": ["mail"]})
    assert (await client.delete(f"{API}/segments/g1")).status_code == 204
    assert (await office.json("/segments"))["items"] == []
    assert (await refused(client, "GET", "/segments/g1")) == (404, "no such segment")
    assert (await done(client, "POST", "/segments", name="By mail", filter=HOT))["id"] == "g2"
    audited = await office.world.rows("audit", "audit_id, author, action, detail")
    assert [row[1:] for row in audited] == [
        ("token t1", "segment_added", "g1"),
        ("token t1", "segment_changed", "g1"),
        ("token t1", "segment_renamed", "g1"),
        ("token t1", "segment_dropped", "g1"),
        ("token t1", "segment_added", "g2"),
    ]
    left = await office.world.rows("segments", "name, filter", "segment_id = 1")
    assert left == [("", "")]


async def test_why_somebody_is_in_a_segment(office: Office, client: httpx2.AsyncClient) -> None:
    """The person's own values in the sentence; for whoever is not in it, what it would take."""
    ada, ben = office.known.ada, office.known.ben
    asked = HOT | {"signal": ["pricing_page"], "owner": ["nobody"], "source": ["google"]}
    await done(client, "POST", "/segments", name="Hot", filter=asked)
    score = (await office.json(f"/people/{ada}"))["score"]
    found = await office.json(f"/segments/g1/people/{ada}")
    rules = office.app.state.projector.projector_of(office.world.site).ruleset.rules
    labels = {rule.key: rule.label for rule in rules}
    assert (found["is_in"], found["unmet"]) == (True, [])
    assert found["because"] == (
        f"in because stage is SQL, signal “{labels['pricing_page']}”, score {score:g} ≥ 50,"
        " source is google and owner is nobody"
    )
    other = await office.json(f"/segments/g1/people/{ben}")
    assert (other["is_in"], other["met"]) == (False, ["owner is nobody"])
    assert other["because"].startswith("not in: it takes stage is MQL or SQL, signal “")
    assert other["because"].endswith("score ≥ 50 and source is google")
    await done(client, "POST", f"/people/{ben}/merge", other=ada)
    moved = await office.get(f"{API}/segments/g1/people/{ben}")
    assert (moved.status_code, moved.headers["location"]) == (
        308,
        f"{API}/segments/g1/people/{ada}",
    )
    assert (await refused(client, "GET", "/segments/g1/people/p99999"))[0] == 404


#: What makes no segment, and what the refusal says.
NO_SEGMENTS: list[tuple[dict[str, Any], int, str]] = [
    ({"name": "hot LEADS", "filter": HOT}, 409, "choose another name"),
    ({"name": " ", "filter": HOT}, 400, "the name is blank"),
    ({"name": "x" * 81, "filter": HOT}, 400, "name"),
    ({"name": "x\x00", "filter": HOT}, 400, "control character"),
    ({"name": "x", "filter": {}}, 400, "name at least one filter"),
    ({"name": "x", "filter": {"tag": [" "]}}, 400, "name at least one filter"),
    ({"name": "x", "filter": {"nonsense": 1}}, 400, "nonsense"),
    ({"name": "x", "filter": {"stage": ["hot"]}}, 400, "hot"),
    ({"name": "x", "filter": {"sort": "name"}}, 400, "sort"),
    ({"name": "x", "filter": {"trait": ["a"]}}, 400, "name:value"),
    ({"name": "x", "filter": {"since": "yesterday"}}, 400, "ISO 8601"),
    ({"name": "x", "filter": {"email": "ada@lovelace.example"}}, 400, "holds no name, address"),
    ({"name": "x", "filter": {"q": "ada@love"}}, 400, "holds no name, address"),
    ({"name": "ada@lovelace.example", "filter": HOT}, 400, "holds no name, address"),
    ({"name": "x", "filter": {"trait": [" name :Ada"]}}, 400, "holds no name, address"),
    ({"name": "x", "filter": {"trait": ["phone:+4912345"]}}, 400, "holds no name, address"),
    ({"filter": HOT}, 400, "name"),
]


@ONE_ENGINE
async def test_what_makes_no_segment(
    office: Office, client: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refused with a sentence, and nothing is stored."""
    await done(client, "POST", "/segments", name="Hot leads", filter=HOT)
    for body, status, sentence in NO_SEGMENTS:
        found = await refused(client, "POST", "/segments", **body)
        assert found[0] == status, body
        assert sentence in found[1], body
    assert (await refused(client, "PATCH", "/segments/g1", name="a@b.example"))[0] == 400
    assert (await refused(client, "PATCH", "/segments/g9", name="b"))[0] == 404
    assert (await refused(client, "DELETE", "/segments/g9"))[0] == 404
    answer = await client.patch(f"{API}/segments/g1", json={})
    assert answer.status_code == 400
    monkeypatch.setattr(rows, "MOST", 2)
    await done(client, "POST", "/segments", name="Two", filter=HOT)
    assert await refused(client, "POST", "/segments", name="Three", filter=HOT) == (
        409,
        "a site has at most 2 segments: drop one that nobody uses",
    )
    assert len(await office.world.rows("segments", "name")) == 2
    for token, status in ((office.reader, 403), (office.foreign, 404)):
        async with office.client(token) as other:
            answer = await other.post(f"{API}/segments", json={"name": "x", "filter": HOT})
            assert answer.status_code == status


# ---------------------------------------------------------------- lists


async def test_filters_of_an_address(office: Office, client: httpx2.AsyncClient) -> None:
    """Repeated parameters are lists, also through the link to the next page; an empty field of a
    form asks nothing; one that is unknown is named."""
    path = f"{API}/people?stage=sql&stage=subscriber&limit=1&sort=name&count=true&tag="
    answer = await client.get(path)
    assert answer.json()["total"] == {"count": 2, "more": False}
    link = answer.headers["link"].partition(">")[0].removeprefix("<")
    assert link.count("stage=") == 2
    following = (await client.get(link)).json()
    names = [row["name"] for row in answer.json()["items"] + following["items"]]
    assert names == ["Ada Lovelace", "Ben Ångström"]
    assert following["next"] is None
    assert "`nonsense` is unknown" in (await refused(client, "GET", "/people?nonsense=1"))[1]
    assert "given twice" in (await refused(client, "GET", "/people?q=a&q=b"))[1]
    days = await office.json("/people", lead_from="2026-11-06", lead_to="2026-11-06")
    assert [row["id"] for row in days["items"]] == [office.known.ada]
    both = await office.json("/everybody", count="true")
    kinds = [(row["kind"], row["id"]) for row in both["items"]]
    assert len(kinds) == both["total"]["count"] == 4
    scores = [row["score"] for row in both["items"]]
    assert scores == sorted(scores, reverse=True)
    assert ("visitor", office.known.stranger) in kinds
    assert (await refused(client, "GET", "/everybody?who=visitors&tag=vip"))[0] == 400


# ---------------------------------------------------------------- many at once


async def test_one_decision_about_many(office: Office, client: httpx2.AsyncClient) -> None:
    """The same entries as one by one, each with its author; nobody is told what is so already."""
    ada, ben, eve = office.known.ada, office.known.ben, office.known.eve
    before = await about_people(office)
    tag = {"do": "tag", "add": [" key  account "], "remove": ["tea"]}
    everyone = [ada, ben, eve, "p99999", ada]
    found = await done(client, "POST", "/people/bulk", people=everyone, action=tag)
    assert found == {
        "done": 3,
        "unchanged": 0,
        "refused": [{"id": "p99999", "reason": "no such person"}],
        "applied": True,
    }
    again = await done(client, "POST", "/people/bulk", people=[ada, ben], action=tag)
    assert (again["done"], again["unchanged"], again["refused"]) == (0, 2, [])
    own = {"do": "owner", "owner": "Olga"}
    await done(client, "POST", "/people/bulk", filter={"tag": ["key account"]}, action=own)
    await done(client, "POST", "/segments", name="Hers", filter={"owner": ["Olga"]})
    move = {"do": "stage", "stage": "customer"}
    moved = await done(client, "POST", "/people/bulk", segment="g1", action=move)
    assert (moved["done"], moved["unchanged"]) == (3, 0)
    leave = {"do": "do_not_contact", "reason": "asked to"}
    await done(client, "POST", "/people/bulk", people=[ben], action=leave)
    rows_now = (await office.json("/people"))["items"]
    assert {(row["owner"], row["stage"], *row["tags"]) for row in rows_now} == {
        ("Olga", "customer", "key account")
    }
    assert [row["id"] for row in rows_now if row["do_not_contact"]] == [ben]
    said = (await about_people(office))[len(before) :]
    assert len(said) == 3 + 3 + 3 + 1
    assert all('"author":"token t1"' in data for _, _, data in said)
    items = (await office.json(f"/people/{ben}/timeline", kind="tag"))["items"]
    assert items[0]["data"]["author"] == "token t1"


async def test_a_person_who_is_another_now_is_refused_alone(
    office: Office, client: httpx2.AsyncClient
) -> None:
    """The others go on; too many tags are refused for whom they would be too many."""
    ada, ben, eve = office.known.ada, office.known.ben, office.known.eve
    await done(client, "POST", f"/people/{ben}/merge", other=ada)
    tags = [f"tag {n}" for n in range(49)]
    await done(client, "POST", f"/people/{eve}/tags", add=tags)
    action = {"do": "tag", "add": ["one", "two"]}
    found = await done(client, "POST", "/people/bulk", people=[ben, eve, ada], action=action)
    assert (found["done"], found["unchanged"]) == (1, 0)
    assert found["refused"] == [
        {"id": ben, "reason": f"merged into {ada}"},
        {"id": eve, "reason": "a person has at most 50 tags; this would make 51"},
    ]
    assert (await office.json(f"/people/{ada}"))["tags"] == ["one", "two"]


NO_BULK: list[tuple[dict[str, Any], int, str]] = [
    ({}, 400, "exactly one of"),
    ({"people": ["p1"], "filter": HOT}, 400, "exactly one of"),
    ({"filter": {}}, 400, "asks nothing"),
    ({"segment": "g9"}, 404, "no such segment"),
    ({"people": ["57"]}, 400, "people"),
    ({"people": ["p1"] * 501}, 400, "500"),
    ({"people": ["p9999999999999999999999"]}, 400, "is no id"),
]


@ONE_ENGINE
async def test_what_is_decided_about_nobody(
    office: Office, client: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refused as a whole, and nothing is recorded."""
    before = await about_people(office)
    for body, status, sentence in NO_BULK:
        found = await refused(
            client, "POST", "/people/bulk", **body, action={"do": "stage", "stage": "lead"}
        )
        assert (found[0], sentence in found[1]) == (status, True), (body, found)
    for action in ({"do": "tag", "add": [" "]}, {"do": "owner", "owner": "a\x00"}, {"do": "erase"}):
        answer = await client.post(f"{API}/people/bulk", json={"people": ["p1"], "action": action})
        assert answer.status_code == 400, action
    monkeypatch.setattr(bulk, "MOST_FOUND", 2)
    move = {"do": "stage", "stage": "lead"}
    many = await refused(client, "POST", "/people/bulk", filter={"max_score": 1000}, action=move)
    assert many == (409, "more than 2 people fit: narrow the filter")
    assert await about_people(office) == before
    async with office.client(office.reader) as reader:
        body = {"people": [office.known.ada], "action": move}
        assert (await reader.post(f"{API}/people/bulk", json=body)).status_code == 403


@ONE_ENGINE
async def test_many_are_decided_about_in_parts(
    office: Office, client: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More than one turn: everybody once."""
    await crowd(office.world, 20)
    monkeypatch.setattr(bulk, "MOST_PEOPLE", 7)
    asked = {"q": "person0"}
    own = {"do": "owner", "owner": "Olga"}
    found = await done(client, "POST", "/people/bulk", filter=asked, action=own)
    assert (found["done"], found["unchanged"], found["refused"]) == (20, 0, [])
    await office.world.project()
    owned = await office.json("/people", owner="Olga", limit=200)
    assert len(owned["items"]) == 20


# ---------------------------------------------------------------- files


async def test_a_file_for_spreadsheets(office: Office, client: httpx2.AsyncClient) -> None:
    """With a name, a line of heads, chosen columns, and no formula among what visitors sent."""
    answer = await client.get(f"{API}/people.csv")
    assert answer.headers["content-type"].startswith("text/csv")
    disposition = answer.headers["content-disposition"]
    assert disposition.startswith('attachment; filename="people-2026-11-')
    lines = list(csv.DictReader(io.StringIO(answer.text)))
    assert [line["E-mail"] for line in lines] == [
        "ada@lovelace.example",
        "ben@gmail.com",
        "eve@evil.example",
    ]
    assert lines[2]["Name"] == "<img src=x onerror=alert(2)>\"'&"
    await done(client, "POST", f"/people/{office.known.ben}/tags", add=["=cmd"])
    await done(client, "POST", "/segments", name="Tagged", filter={"tag": ["=cmd"]})
    path = f"{API}/segments/g1/people.csv?column=email&column=tags&bom=true"
    found = await client.get(path)
    assert found.content == b'\xef\xbb\xbf"E-mail","Tags"\r\n"ben@gmail.com","\'=cmd"\r\n'
    assert 'filename="segment-g1-2026-11-' in found.headers["content-disposition"]
    assert (await refused(client, "GET", "/people.csv?column=password"))[0] == 400
    assert (await refused(client, "GET", "/people.csv?q=a%20b%20c%20d%20e%20f"))[0] == 400
    assert (await refused(client, "GET", "/segments/g9/people.csv"))[0] == 404
    async with office.client(office.reader) as reader:
        assert (await reader.get(f"{API}/people.csv")).status_code == 200


BLANKS: list[dict[str, Any]] = [
    {}, {"q": " "}, {"tag": [" "]}, {"company": "  "}, {"source": [""]}, {"email": " "},
    {"owner": ["\t"]},
]  # fmt: skip


@pytest.mark.parametrize("blank", BLANKS, ids=str)
async def test_a_blank_filter_is_nobody_and_not_everybody(
    office: Office, blank: dict[str, Any]
) -> None:
    async with office.client(office.token) as client:
        action = {"do": "do_not_contact"}
        body = {"filter": blank, "action": action}
        answer = await client.post("/api/v1/sites/1/people/bulk", json=body)
        assert answer.status_code == 400
        assert "asks nothing" in answer.json()["detail"]
    people = (await office.json("/people"))["items"]
    assert not any(one["do_not_contact"] for one in people)
