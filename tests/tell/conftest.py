"""The whole program with destinations, on each engine."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.engines import Place
from tests.tell.desk import Desk, opened_desk


@pytest.fixture
async def desk(place: Place, tmp_path: Path) -> AsyncIterator[Desk]:
    async with opened_desk(place, tmp_path) as ready:
        yield ready
