"""Events that came again are counted in the background, so many at a time, and none twice."""

from pathlib import Path

import httpx2
import pytest

from server.app import Handraise, running
from server.ingest.payload import write_id
from server.model import SiteSettings
from server.settings import Settings
from server.storage import sites
from server.web.state import MOST_REPEATS, REPEATS
from tests.engines import Place

pytestmark = pytest.mark.anyio


async def test_a_flood_of_them_is_written_in_turns_and_cut(app: Handraise) -> None:
    refused = app.state.refused
    for number in range(MOST_REPEATS + 7):
        refused.again(1, number.to_bytes(16, "big"))
    taken = refused.take()
    assert taken is not None
    assert len(taken.repeats) == REPEATS
    refused.give_back(taken)  # the disk was busy
    sizes = [len(part.repeats) for part in iter(refused.take, None)]
    assert sizes == [REPEATS] * (MOST_REPEATS // REPEATS)
    assert not refused.waits()


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
async def test_stopping_writes_all_that_wait(place: Place, tmp_path: Path) -> None:
    """The one that is in the log stands behind more others than a turn takes."""
    settings = Settings(data=str(tmp_path / "data"), disk_floor_mb=1)
    name = write_id(b"1234567890123456")
    event = {"i": name, "y": "page_view", "t": 1, "u": "https://acme.example/", "q": 1}
    async with running(Handraise(settings, database=place.make())) as app:
        await app.state.writer.run(lambda: sites.add("Acme", "k1", "s", SiteSettings(), 1))
        await app.state.reload()
        for number in range(2 * REPEATS):
            app.state.refused.again(1, number.to_bytes(16, "big"))
        transport = httpx2.ASGITransport(app=app.asgi)
        async with httpx2.AsyncClient(transport=transport, base_url="http://t.example") as client:
            for _ in range(3):
                sent = {"k": "k1", "v": name, "t": 1, "s": "AAAAAAAAAAE", "e": [event]}
                assert (await client.post("/e", json=sent)).status_code == 202
    async with running(Handraise(settings, database=place.make())) as app:
        assert await app.database.fetch("SELECT seq, count FROM repeats") == [(1, 2)]
