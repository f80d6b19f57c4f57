"""`/readyz` says whether events are taken, and why not."""

from collections.abc import AsyncIterator

import httpx2
import pytest

from server.app import Handraise
from server.errors import Overloaded
from tests.storage.world import crash

pytestmark = pytest.mark.anyio


@pytest.fixture
async def client(app: Handraise) -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(app=app.asgi)
    async with httpx2.AsyncClient(transport=transport, base_url="http://t.example") as ready:
        yield ready


async def test_a_full_disk_is_named_with_its_setting(
    app: Handraise, client: httpx2.AsyncClient
) -> None:
    """Until there is room."""
    room = app.state.writer.has_room
    app.state.writer.has_room = lambda: False
    answer = await client.get("/readyz")
    assert (answer.status_code, answer.json()["code"]) == (503, "disk_full")
    assert "HANDRAISE_DISK_FLOOR_MB" in answer.json()["detail"]
    app.state.writer.has_room = room
    assert (await client.get("/readyz")).status_code == 200


async def test_a_fault_that_is_over_is_found_out(
    app: Handraise, client: httpx2.AsyncClient
) -> None:
    """Nobody sends an event: the question itself writes, and leaves nothing."""
    with pytest.raises(Overloaded):
        await app.state.writer.run(lambda: crash(app.database.engine), moves=False)
    assert app.state.writer.fault
    assert (await client.get("/readyz")).status_code == 200
    assert app.state.writer.fault == ""
    rows = await app.database.fetch("SELECT count(*) FROM leases WHERE name = $1", "probe")
    assert rows == [(0,)]


async def test_a_fault_that_lasts_is_told(app: Handraise, client: httpx2.AsyncClient) -> None:
    """And counted."""

    async def refuses(scripts: object) -> None:
        raise Overloaded("the database cannot be written: disk I/O error")

    app.database.turn = refuses  # type: ignore[method-assign,assignment]
    with pytest.raises(Overloaded):
        await app.state.writer.run(lambda: crash("sqlite"), moves=False)
    answer = await client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["detail"] == "the database cannot be written: disk I/O error"
    figures = app.state.metrics.registry
    assert figures.get_sample_value("handraise_storage_fault") == 1


@pytest.mark.parametrize("header", ["x-forwarded-for", "x-real-ip", "forwarded"])
async def test_metrics_are_not_for_whom_a_proxy_speaks_for(
    client: httpx2.AsyncClient, header: str
) -> None:
    """A proxy on this machine is near, its visitors are not."""
    assert (await client.get("/metrics", headers={header: "203.0.113.9"})).status_code == 403


async def test_metrics_tell_the_room(app: Handraise, client: httpx2.AsyncClient) -> None:
    """Of the disk that holds the data folder."""
    assert (await client.get("/metrics")).status_code == 200
    assert app.state.metrics.registry.get_sample_value("handraise_disk_free_bytes")
