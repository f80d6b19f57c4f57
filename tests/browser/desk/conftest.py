"""The pages on a real server with three weeks of a demo company, in a real browser."""

from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from playwright.sync_api import Browser

from tests.browser.desk.desk import Desk, opened
from tests.browser.serving import Served, serving, until


@pytest.fixture(scope="session")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One server for all of these tests, filled once."""
    with serving(tmp_path_factory.mktemp("desk")) as running:
        running.run("demo", "--visitors", "150")
        until(lambda: running.cli("people")["items"], lambda found: len(found) > 5)
        hook = {"kind": "webhook", "name": "CRM", "url": "https://hooks.nowhere.example/in"}
        headers = {"Authorization": f"Bearer {running.token}"}
        made = httpx2.post(f"{running.url}/api/v1/sites/1/destinations", json=hook, headers=headers)
        assert made.status_code == 201, made.text
        yield running


@pytest.fixture
def desk(office: Served, browser: Browser) -> Iterator[Desk]:
    """Signed in as the owner; whatever a page complains of fails the test."""
    with opened(office, browser) as found:
        yield found


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Served]:
    """A server nobody has used yet."""
    with serving(tmp_path) as running:
        yield running
