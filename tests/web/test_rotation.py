"""Public keys and identify secrets: two of each are good, and a change takes effect at once."""

import json
from typing import Any

import httpx2
import msgspec
import pytest
from itsdangerous import URLSafeTimedSerializer

from server.storage import audit
from server.web.batches import BAD_TOKEN
from tests.office import Office
from tests.tracking import CHROME

pytestmark = pytest.mark.anyio
ONE_ENGINE = pytest.mark.parametrize("place", ["sqlite"], indirect=True)
API = "/api/v1/sites/1"


async def send(office: Office, *events: dict[str, Any], key: str = "k1") -> httpx2.Response:
    """Events of one browser, as the widget sends them; each batch a millisecond later."""
    office.world.now += 1
    body = {"k": key, "v": office.world.browser(99).visitor, "t": office.world.now}
    async with office.client() as client:
        return await client.post(
            "/e", content=json.dumps(body | {"e": list(events)}), headers={"User-Agent": CHROME}
        )


def identify(office: Office, **data: Any) -> dict[str, Any]:
    return office.world.browser(99).event("identify", "/app", d=data)


def token(office: Office, secret: str, email: str = "dora@brew.example") -> str:
    """As the owner's server makes it, good for an hour."""
    said = {"site": "1", "email": email, "exp": office.world.now // 1_000 + 3_600}
    return str(URLSafeTimedSerializer(secret, salt="identify").dumps(said))


async def post(office: Office, path: str) -> Any:
    async with office.client(office.token) as client:
        answer = await client.post(f"{API}/{path}")
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    return answer.json()


async def log(office: Office) -> list[Any]:
    lines = (await office.get(f"{API}/log")).content.splitlines()
    return [msgspec.json.decode(line) for line in lines]


async def test_a_key_is_rotated(office: Office) -> None:
    """Two keys are good in all doors; the third ends the first."""
    first = await post(office, "key/rotate")
    assert (first["id"], first["key_before"]) == ("1", "k1")
    assert f"/h/{first['key']}.js" in first["snippet"]
    async with office.client() as client:
        # Browsers keep their visitor under the name of the key, and find it under the one before.
        for key, settings in (("k1", '"k1"'), (first["key"], f'"key":"{first["key"]}","was":"k1"')):
            file = await client.get(f"/h/{key}.js")
            assert settings in file.text[-200:]
            assert (await client.get(f"/p/{key}.gif?u=https://acme.example/")).status_code == 200
            answer = await send(office, office.world.browser(99).event("page_view"), key=key)
            assert answer.json()["accepted"] == 1
        second = await post(office, "key/rotate")
        assert second["key_before"] == first["key"]
        assert (await client.get("/h/k1.js")).status_code == 404
    assert (await send(office, key="k1")).status_code == 403
    assert (await send(office, key=first["key"])).status_code == 202
    assert (await office.json(""))["key_before"] == first["key"]
    assert second["settings"] == first["settings"]


async def test_a_secret_is_rotated(office: Office) -> None:
    """What it signed before stays stored as proven; what it signs now is good once more."""
    shown = await office.get(f"{API}/identify-secret")
    assert shown.json() == {"secret": "s", "before": None}
    assert shown.headers["cache-control"] == "no-store"
    assert (await send(office, identify(office, token=token(office, "s")))).json()["accepted"] == 1
    first = await post(office, "identify-secret/rotate")
    assert first["before"] == "s"
    assert len(first["secret"]) > 40
    assert await office.json("/identify-secret") == first
    for secret in ("s", first["secret"]):
        answer = await send(office, identify(office, token=token(office, secret)))
        assert answer.json()["accepted"] == 1
    second = await post(office, "identify-secret/rotate")
    assert second["before"] == first["secret"]
    answer = await send(office, identify(office, token=token(office, "s")))
    assert [d["reason"] for d in answer.json()["dropped"]] == ["bad_token"]
    told = [entry["data"] for entry in await log(office) if entry["kind"] == "identify"]
    assert told == [{"ids": {"email": "dora@brew.example"}, "proven": ["email"]}] * 3


async def test_rotations_are_recorded(office: Office) -> None:
    """In the log and in the audit: what, who and when, never the secret."""
    made = await post(office, "identify-secret/rotate")
    office.world.now += 5
    async with office.client(operator=True) as client:
        assert (await client.post(f"{API}/key/rotate")).status_code == 200
    entries = (await log(office))[-2:]
    assert [(entry["kind"], entry["data"]) for entry in entries] == [
        ("settings", {"author": "token t1", "rotated": "identify_secret"}),
        ("settings", {"author": "operator", "rotated": "key"}),
    ]
    now = office.world.now
    async with office.app.database.snapshot() as reader:
        rows = await audit.newest(reader, 1, 10)
        assert await audit.newest(reader, 2, 10) == []
    assert rows == [
        (2, now, "operator", "rotate", "key"),
        (1, now - 5, "token t1", "rotate", "identify_secret"),
    ]
    assert made["secret"] not in msgspec.json.encode([entries, rows]).decode()


@ONE_ENGINE
async def test_only_an_admin_rotates(office: Office) -> None:
    """Not a reader, not somebody else's admin, not a page of another site."""
    paths = [
        ("GET", "identify-secret"),
        ("POST", "identify-secret/rotate"),
        ("POST", "key/rotate"),
    ]
    for who, status in ((office.reader, 403), (office.foreign, 404), ("", 401)):
        async with office.client(who) as client:
            for method, path in paths:
                answer = await client.request(method, f"{API}/{path}")
                assert answer.status_code == status, (path, status)
                assert "secret" not in answer.json()
    assert (await office.json("/identify-secret"))["before"] is None
    assert (await office.json(""))["key_before"] is None


async def test_bad_tokens_are_counted(office: Office) -> None:
    """The owner sees how many; the public learns nothing of who is known."""
    forged, known, unknown = (
        identify(office, token=token(office, "guess")),
        identify(office, token=token(office, "guess"), email="ada@lovelace.example"),
        identify(office, token=token(office, "guess"), email="nobody@lovelace.example"),
    )
    answer = (await send(office, forged)).json()
    assert answer["dropped"] == [{"id": forged["i"], "reason": "bad_token"}]
    answers = [await send(office, one) for one in (known, unknown)]
    assert answers[0].content == answers[1].content
    assert answers[0].json() == {"accepted": 1, "duplicates": 0, "dropped": []}
    await send(office, known)  # sent again, counted once
    kept = [entry for entry in await log(office) if "bad_token" in entry.get("flags", [])]
    assert [entry["data"]["ids"]["email"] for entry in kept] == [
        "ada@lovelace.example",
        "nobody@lovelace.example",
    ]
    assert all("proven" not in entry["data"] for entry in kept)
    taken = office.app.state.refused.take()
    assert taken is not None
    await office.app.state.writer.run(taken.script)
    answered = await office.get(f"{API}/refused")
    row = next(row for row in answered.json()["items"] if row["reason"] == "bad_token")
    assert (row["count"], row["stored"]) == (3, False)
    assert "unsigned" in row["meaning"]
    assert {"kept" in one["sample"] for one in row["samples"]} == {True, False}
    for hidden in ("lovelace", "dora", forged["d"]["token"][:20]):
        assert hidden not in answered.text
    assert BAD_TOKEN == 1_024, "stored: never renumber it"
