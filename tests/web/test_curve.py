"""The score over time: each point is what `?at=` says, the last one what the list says."""

import asyncio
from datetime import UTC, datetime

import pytest

from server.model import DAY_MS
from server.reports.curve import MOST_POINTS, moments
from tests.office import Office

pytestmark = pytest.mark.anyio


@pytest.mark.slow
async def test_every_point_is_the_score_of_that_day(office: Office) -> None:
    ada = office.known.ada
    office.world.now += 20 * DAY_MS
    found = (await office.json(f"/people/{ada}/scores"))["points"]
    scores = [one["score"] for one in found]
    assert len(found) == 28
    async with asyncio.timeout(10):  # scores of the list follow after midnight
        while (await office.json(f"/people/{ada}"))["score"] != scores[-1]:  # noqa: ASYNC110 - the list is what counts
            await asyncio.sleep(0.01)
    assert scores[0] < max(scores)  # warmed up
    assert scores[-1] < max(scores)  # and cools
    for one in found[:-1:5]:
        end = datetime.fromisoformat(one["date"]).replace(tzinfo=UTC).timestamp() * 1000
        at = datetime.fromtimestamp((end + DAY_MS - 1) / 1000, UTC).isoformat()
        assert (await office.json(f"/people/{ada}", at=at))["score"] == one["score"]


@pytest.mark.parametrize(
    ("days", "count"), [(-3, 1), (0, 1), (1, 2), (59, 60), (60, 31), (364, 53), (4_000, 53)]
)
def test_moments(days: int, count: int) -> None:
    """The ends of days, evenly apart, and now; never more than sixty, never more than a year."""
    now = 20_000 * DAY_MS + 12_345
    found = moments(20_000 - days, now)
    assert len(found) == count <= MOST_POINTS
    assert found[-1] == now
    assert found == sorted(found)
    assert all((at + 1) % DAY_MS == 0 for at in found[:-1])
