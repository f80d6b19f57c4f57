"""Decisions over the API: what each answers, what it refuses, and who may."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from server.model import Kind
from server.web import decisions
from server.web.routes import DECISIONS
from tests.acme import mistyped
from tests.office import Office
from tests.tracking import MIN

pytestmark = [pytest.mark.anyio, pytest.mark.slow]
ONE_ENGINE = pytest.mark.parametrize("place", ["sqlite"], indirect=True)
API = "/api/v1/sites/1"


@pytest.fixture
async def client(office: Office) -> AsyncIterator[httpx2.AsyncClient]:
    """Somebody with a token that may write."""
    async with office.client(office.token) as ready:
        yield ready


async def done(client: httpx2.AsyncClient, method: str, path: str, **body: Any) -> Any:
    """The answer of a decision that must be fine."""
    answer = await client.request(method, f"{API}{path}", json=body or None)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def refused(
    client: httpx2.AsyncClient, method: str, path: str, **body: Any
) -> tuple[int, str]:
    answer = await client.request(method, f"{API}{path}", json=body or None)
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    return answer.status_code, answer.json()["detail"]


async def last(office: Office) -> Any:
    """The newest decision in the log."""
    marks = f"site_id = 1 AND kind >= {int(Kind.MERGE)} AND kind < {int(Kind.STAGE_MOVED)}"
    rows = await office.world.rows("entries", "seq, kind, data", marks)
    return Kind(rows[-1][1]).word, rows[-1][2]


# ---------------------------------------------------------------- people


async def test_two_are_merged_and_split(office: Office, client: httpx2.AsyncClient) -> None:
    """The older id stays; the merge is listed with its author, and can be taken back once."""
    ada, ben = office.known.ada, office.known.ben
    before = await office.json(f"/people/{ben}")
    merged = await done(client, "POST", f"/people/{ben}/merge", other=ada)
    assert (merged["id"], merged["stage"]) == (ada, "sql")
    assert {one["value"] for one in merged["identifiers"]} == {
        "ada@lovelace.example",
        "ben@gmail.com",
    }
    (merge,) = merged["merges"]
    assert (merge["persons"], merge["author"]) == ([ben, ada], "token t1")
    assert (await client.get(f"{API}/people/{ben}")).status_code == 308
    again = await refused(client, "POST", f"/people/{ada}/merge", other=ben)
    assert again == (409, f"{ben} and {ada} are one person already")
    split = await done(client, "POST", f"/people/{ada}/split", merge=merge["id"])
    assert (split["id"], split["merges"]) == (ada, [])
    assert await office.json(f"/people/{ben}") == before
    assert (await refused(client, "POST", f"/people/{ada}/split", merge=merge["id"]))[0] == 409
    assert (await last(office))[0] == "split"


async def test_a_decision_about_somebody_merged_leads_on(
    office: Office, client: httpx2.AsyncClient
) -> None:
    """308 with the same method and body, so that a client that follows does what was meant."""
    ada, ben, eve = office.known.ada, office.known.ben, office.known.eve
    await done(client, "POST", f"/people/{ada}/merge", other=ben)
    path = f"{API}/people/{ben}/stage"
    answer = await client.post(path, json={"stage": "customer"})
    assert (answer.status_code, answer.headers["location"]) == (308, f"{API}/people/{ada}/stage")
    followed = await client.post(path, json={"stage": "customer"}, follow_redirects=True)
    assert (followed.status_code, followed.json()["stage"]) == (200, "customer")
    three = await done(client, "POST", f"/people/{eve}/merge", other=ben)  # means Ada
    assert three["id"] == ada
    assert three["merges"][0]["persons"] == [eve, ada]


async def test_what_is_said_of_a_person_is_seen(office: Office, client: httpx2.AsyncClient) -> None:
    """Stage, tags, notes, owner, do-not-contact: in the detail, the list and on the timeline."""
    ben = office.known.ben
    path = f"/people/{ben}"
    assert (await done(client, "POST", f"{path}/stage", stage="opportunity"))["stage"] == (
        "opportunity"
    )
    assert (await done(client, "POST", f"{path}/tags", add=["vip", " key  account "]))["tags"] == [
        "key account",
        "vip",
    ]
    assert (await done(client, "POST", f"{path}/tags", remove=["vip"]))["tags"] == ["key account"]
    noted = await done(client, "POST", f"{path}/notes", text="Called.\nLikes tea.")
    assert [one["text"] for one in noted["notes"]] == ["Called.\nLikes tea."]
    second = await done(client, "POST", f"{path}/notes", text="Wrong number")
    gone = second["notes"][0]["id"]
    left = await done(client, "DELETE", f"{path}/notes/{gone}")
    assert [one["text"] for one in left["notes"]] == ["Called.\nLikes tea."]
    assert (await refused(client, "DELETE", f"{path}/notes/{gone}"))[0] == 404
    assert (await done(client, "PUT", f"{path}/owner", owner="Olga"))["owner"] == "Olga"
    off = await done(client, "PUT", f"{path}/do-not-contact", on=True, reason="asked to")
    assert off["do_not_contact"] is True
    found = await office.json("/people", tag="key account")
    assert [(row["id"], row["owner"], row["do_not_contact"]) for row in found["items"]] == [
        (ben, "Olga", True)
    ]
    for tag in ("key", "vip", "%", "key account\nvip"):
        items = (await office.json("/people", tag=tag))["items"]
        assert items == [], tag
    items = (await office.json(f"{path}/timeline", kind="all"))["items"]
    said = {item["kind"]: item["data"] for item in reversed(items) if item["data"].get("author")}
    assert said["set_stage"] == {"author": "token t1", "from": "subscriber", "to": "opportunity"}
    assert said["owner"] == {"author": "token t1", "owner": "Olga"}
    assert said["do_not_contact"] == {"author": "token t1", "on": True, "reason": "asked to"}
    notes = [item["data"] for item in items if item["kind"] == "note"]
    assert notes[0] == {"author": "token t1", "deletes": gone}
    assert notes[1] == {"author": "token t1", "deleted": True}
    past = await office.json(path, at="2026-11-05T00:00:00Z")
    assert (past["tags"], past["owner"], past["notes"], past["do_not_contact"]) == (
        [],
        "",
        [],
        False,
    )


async def test_an_identifier_is_verified(office: Office, client: httpx2.AsyncClient) -> None:
    """Normalised as everywhere, at the highest level; nonsense is refused."""
    path = f"/people/{office.known.ben}/verify"
    found = await done(client, "POST", path, type="email", value=" Ben@Work.EXAMPLE ")
    assert ("ben@work.example", "decided") in [
        (one["value"], one["level"]) for one in found["identifiers"]
    ]
    said = await office.json(f"/people/{office.known.ben}/timeline", kind="verify")
    back = await done(
        client, "POST", f"/people/{office.known.ben}/split", merge=said["items"][0]["id"]
    )
    assert "ben@work.example" not in [one["value"] for one in back["identifiers"]]
    for kind, value in (("email", "ben"), ("user_id", "null"), ("phone", "12"), ("email", "a@x")):
        assert (await refused(client, "POST", path, type=kind, value=value))[0] == 400


#: What makes no sense about Ben, and how it is refused.
NONSENSE: list[tuple[str, str, dict[str, Any], int]] = [
    ("POST", "/people/{ben}/merge", {"other": "{ben}"}, 409),
    ("POST", "/people/{ben}/merge", {"other": "p99999"}, 404),
    ("POST", "/people/{ben}/merge", {"other": "57"}, 400),
    ("POST", "/people/{ben}/merge", {"other": "p9999999999999999999999"}, 400),
    ("POST", "/people/p99999/merge", {"other": "{ben}"}, 404),
    ("POST", "/people/{ben}/split", {"merge": "e1"}, 409),
    ("POST", "/people/{ben}/split", {"merge": "p1"}, 400),
    ("POST", "/people/{ben}/stage", {"stage": "hot"}, 400),
    ("POST", "/people/{ben}/stage", {}, 400),
    ("POST", "/people/p99999/stage", {"stage": "lead"}, 404),
    ("POST", "/people/{ben}/tags", {"add": []}, 400),
    ("POST", "/people/{ben}/tags", {"add": [" "]}, 400),
    ("POST", "/people/{ben}/tags", {"add": ["x" * 101]}, 400),
    ("POST", "/people/{ben}/tags", {"add": ["a\x00b"]}, 400),
    ("POST", "/people/{ben}/tags", {"add": ["a\x1bb"]}, 400),
    ("POST", "/people/{ben}/tags", {"add": [str(n) for n in range(51)]}, 400),
    ("POST", "/people/{ben}/notes", {"text": " \n "}, 400),
    ("POST", "/people/{ben}/notes", {"text": "x" * 10_001}, 400),
    ("POST", "/people/{ben}/notes", {"text": "a\x00b"}, 400),
    ("DELETE", "/people/{ben}/notes/e1", {}, 404),
    ("PUT", "/people/{ben}/owner", {"owner": "x" * 201}, 400),
    ("PUT", "/people/{ben}/do-not-contact", {"on": "yes"}, 400),
    ("POST", "/people/{ben}/classify", {"class": "alien"}, 400),
    ("POST", "/people/p99999/classify", {"class": "bot"}, 404),
    ("POST", "/visitors/v99999/classify", {"class": "bot"}, 404),
    ("POST", "/events/e99999/classify", {"class": "bot"}, 404),
    ("POST", "/conflicts/x99999-typo/merge", {}, 404),
    ("POST", "/conflicts/57/merge", {}, 400),
]


@ONE_ENGINE
async def test_what_makes_no_sense_is_refused_and_not_recorded(
    office: Office, client: httpx2.AsyncClient
) -> None:
    """With a sentence each, and nothing in the log."""
    head = await office.world.rows("heads", "seq")
    for method, path, body, status in NONSENSE:
        fields = {
            name: value.format(ben=office.known.ben) if value == "{ben}" else value
            for name, value in body.items()
        }
        found = await refused(client, method, path.format(ben=office.known.ben), **fields)
        assert found[0] == status, (path, body, found)
        assert found[1]
    for _ in range(2):  # tags add up: the fifty-first is refused
        tags = [f"{len(await office.world.rows('entries', 'seq'))}-{n}" for n in range(30)]
        answer = await client.post(f"{API}/people/{office.known.ben}/tags", json={"add": tags})
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    after = await office.world.rows("heads", "seq")
    assert after[0][0] - head[0][0] == 1


@ONE_ENGINE
async def test_readers_and_strangers_decide_nothing(office: Office) -> None:
    """A viewer's token is refused by every decision; another site's finds nothing here."""
    ids = {"person_id": office.known.ben, "visitor_id": "v1", "event_id": "e1"}
    ids |= {"note_id": "e1", "conflict_id": "x1-typo", "site_id": "1"}
    writing = [one for one in DECISIONS if one.method != "GET"]
    assert {one.scope for one in writing} == {"write"}
    for token, status in ((office.reader, 403), (office.foreign, 404), ("", 401)):
        async with office.client(token) as other:
            for one in writing:
                answer = await other.request(one.method, one.path.format(**ids), json={})
                assert answer.status_code == status, one.name


# ---------------------------------------------------------------- classes


async def test_a_person_is_classified_and_comes_back(
    office: Office, client: httpx2.AsyncClient
) -> None:
    """Every visitor of theirs; nobody has the id then, and the id still takes it back."""
    ada = office.known.ada
    found = await done(client, "POST", f"/people/{ada}/classify", **{"class": "internal"})
    assert (found["class"], found["visitors"], found["events"]) == ("internal", ["v1"], [])
    assert (await client.get(f"{API}/people/{ada}")).status_code == 404
    back = await done(client, "POST", f"/people/{ada}/classify", **{"class": "human"})
    assert back["visitors"] == ["v1"]
    assert (await office.json(f"/people/{ada}"))["stage"] == "mql"
    kinds = [i["kind"] for i in (await office.json(f"/people/{ada}/timeline", kind="all"))["items"]]
    assert kinds.count("retracted") >= 2
    assert (await last(office))[0] == "classify"


async def test_a_form_without_a_browser_is_classified_by_its_event(
    office: Office, client: httpx2.AsyncClient
) -> None:
    """And the visitor beside it, where the person has one."""
    form = {"form": "demo", "fields": {"email": "ben@gmail.com"}}
    event = office.world.browser(9).event("form_submit", "/demo", d=form)
    (seq,) = await office.world.send({"v": None, "e": [event], "c": "denied"})
    await office.world.project()
    found = await done(client, "POST", f"/people/{office.known.ben}/classify", **{"class": "spam"})
    assert found["events"] == [f"e{seq}"]
    assert len(found["visitors"]) == 1
    one = await done(client, "POST", f"/events/e{seq}/classify", **{"class": ""})
    assert one["events"] == [f"e{seq}"]
    ben = await office.json(f"/people/{office.known.ben}")  # the name outlives what is no human's
    assert (ben["email"], ben["sessions"]) == ("ben@gmail.com", 1)


# ---------------------------------------------------------------- order


@ONE_ENGINE
async def test_two_at_a_moment_do_not_contradict_each_other(
    office: Office, client: httpx2.AsyncClient
) -> None:
    """The second merge is judged after the first was projected: one is enough."""
    ada, ben = office.known.ada, office.known.ben
    path = f"{API}/people/{ada}/merge"
    answers = await asyncio.gather(*(client.post(path, json={"other": ben}) for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409, 409]
    assert len((await office.json(f"/people/{ada}"))["merges"]) == 1


@ONE_ENGINE
async def test_where_the_projector_takes_long_the_decision_stands(
    office: Office, client: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """202 with its number; the next one about who is who waits for it, and says so."""
    monkeypatch.setattr(decisions, "WAIT_S", 0.05)
    office.app._tasks[1].cancel()
    ada, ben = office.known.ada, office.known.ben
    answer = await client.post(f"{API}/people/{ada}/merge", json={"other": ben})
    head = (await office.world.rows("heads", "seq"))[0][0]
    assert (answer.status_code, answer.json()) == (202, {"seq": head})
    waiting = await client.post(f"{API}/people/{ada}/merge", json={"other": ben})
    assert (waiting.status_code, waiting.headers["retry-after"]) == (503, "2")
    tagged = await client.post(f"{API}/people/{ben}/tags", json={"add": ["x"]})
    assert tagged.status_code == 202
    classified = await client.post(f"{API}/visitors/v1/classify", json={"class": "bot"})
    assert classified.status_code == 202


# ---------------------------------------------------------------- conflicts


async def test_a_typo_is_merged_from_the_inbox(office: Office, client: httpx2.AsyncClient) -> None:
    """The answer is the item as it was, closed; then it is gone, and the two are one."""
    conflict = await mistyped(office.world)
    (item,) = (await office.json("/conflicts"))["items"]
    assert (item["id"], item["actions"]) == (conflict, ["merge", "dismiss"])
    merged = await done(client, "POST", f"/conflicts/{conflict}/merge")
    assert (merged["state"], merged["decision"], merged["actions"]) == ("closed", "merged", [])
    assert (await client.get(f"{API}/conflicts/{conflict}")).status_code == 404
    person = await office.json(f"/people/{item['other']['id']}")
    assert len(person["merges"]) == 1


async def test_a_dismissed_conflict_is_closed(office: Office, client: httpx2.AsyncClient) -> None:
    """Once; it can still be looked up, and merged after all."""
    conflict = await mistyped(office.world)
    closed = await done(client, "POST", f"/conflicts/{conflict}/dismiss")
    assert (closed["state"], closed["decision"]) == ("closed", "dismissed")
    assert (await refused(client, "POST", f"/conflicts/{conflict}/dismiss"))[0] == 409
    assert (await refused(client, "POST", f"/conflicts/{conflict}/accept"))[0] == 409
    assert (await office.json("/conflicts"))["items"] == []
    items = (await office.json("/conflicts", state="closed"))["items"]
    assert [(one["id"], one["actions"]) for one in items] == [(conflict, ["merge"])]
    office.world.now += MIN
    assert (await done(client, "POST", f"/conflicts/{conflict}/merge"))["decision"] == "merged"
