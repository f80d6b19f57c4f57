"""A site with a history, on each engine."""

from collections.abc import AsyncIterator

import pytest

from server.storage.database import Database
from tests.acme import Known, history
from tests.tracking import World, tracking


@pytest.fixture
async def world(database: Database) -> AsyncIterator[World]:
    async with tracking(database) as ready:
        yield ready


@pytest.fixture
async def known(world: World) -> Known:
    return await history(world)
