"""The whole program on a site with a history, on each engine."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.engines import Place
from tests.office import Office, opened_office


@pytest.fixture
async def office(place: Place, tmp_path: Path) -> AsyncIterator[Office]:
    async with opened_office(place, tmp_path) as ready:
        yield ready
