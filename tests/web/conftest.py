"""The whole program on a site with a history, on each engine."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from tests.engines import Place
from tests.leaving import Zelda
from tests.office import Office, opened_office


@pytest.fixture
async def office(place: Place, tmp_path: Path) -> AsyncIterator[Office]:
    async with opened_office(place, tmp_path) as ready:
        yield ready


@pytest.fixture
async def marketer(office: Office) -> AsyncIterator[httpx2.AsyncClient]:
    async with await office.browser("marketer") as ready:
        yield ready


@pytest.fixture
async def owner(office: Office) -> AsyncIterator[httpx2.AsyncClient]:
    async with await office.browser("owner") as ready:
        yield ready


@pytest.fixture
async def zelda(office: Office) -> Zelda:
    zelda = Zelda(office)
    await zelda.lives()
    return zelda
