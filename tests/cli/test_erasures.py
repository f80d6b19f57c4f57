"""Erasures outlive restarts, crashes and old backups: the ledger beside the database says so."""

import asyncio
import json
import logging
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import httpx2
import pytest
from click.testing import CliRunner

from server.app import Handraise, create_app, running
from server.cli.commands import cli
from server.errors import BadRequest, Conflict, HandraiseError
from server.ingest.payload import write_id
from server.ingest.tombstones import Tombstone
from server.model import SiteSettings
from server.settings import Settings, load
from server.storage import sites, tombstones
from server.storage.ledger import DamagedLedger

pytestmark = pytest.mark.slow

T = TypeVar("T")
ANN, BEN = b"ann's browser 01", b"ben's browser 02"
NOW = 1_790_000_000_000


class Place:
    """A data folder and what is done to it. Each `within` is one life of the program."""

    def __init__(self, data: Path, key: str = "") -> None:
        self.data = data
        self.key = key

    def within(self, work: Callable[[Handraise], Awaitable[T]]) -> T:
        async def life() -> T:
            settings = Settings(data=str(self.data), disk_floor_mb=1, erasure_key=self.key)
            async with running(create_app(settings, clock=lambda: NOW)) as app:
                return await work(app)

        return asyncio.run(life())

    def command(self, *words: str) -> str:
        result = CliRunner().invoke(cli, ["--data", str(self.data), *words])
        assert result.exit_code == 0, result.output
        return result.output

    def bury(self, visitor: bytes = ANN, at: int = NOW) -> None:
        async def work(app: Handraise) -> None:
            await app.state.bury(1, [app.state.tombstones.mark(1, "visitor", visitor)], at)

        self.within(work)

    def takes(self, visitor: bytes = ANN) -> bool:
        """Whether an event of a visitor that happened now is stored."""

        async def work(app: Handraise) -> bool:
            event = {
                "i": write_id(visitor),
                "y": "page_view",
                "t": NOW,
                "u": "https://acme.example/",
            }
            body = {"k": "k1", "v": write_id(visitor), "t": NOW, "e": [event]}
            transport = httpx2.ASGITransport(app=app.asgi)
            async with httpx2.AsyncClient(transport=transport, base_url="http://t") as client:
                answer = await client.post("/e", content=json.dumps(body).encode())
            assert answer.status_code == 202
            rows = await app.database.fetch("SELECT count(*) FROM entries WHERE kind = 1")
            return bool(rows[0][0])

        return self.within(work)

    def table(self) -> list[Tombstone]:
        async def work(app: Handraise) -> list[Tombstone]:
            async with app.database.snapshot() as reader:
                rows = await tombstones.load(reader)
            witness = Tombstone(tombstones.WITNESS_SITE, app.state.tombstones.witness(), 0)
            assert rows[:1] == [witness] * bool(rows)
            return rows[1:]

        return self.within(work)

    def reburied(self) -> list[Tombstone]:
        """What a start finds missing in the database."""

        async def work(app: Handraise) -> list[Tombstone]:
            return app.reburied

        return self.within(work)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A folder with one site."""
    monkeypatch.setenv("HANDRAISE_DISK_FLOOR_MB", "1")
    found = Place(tmp_path / "data")

    async def work(app: Handraise) -> Any:
        return await app.state.writer.run(lambda: sites.add("A", "k1", "s", SiteSettings(), NOW))

    found.within(work)
    return found


def test_a_restart_remembers(place: Place) -> None:
    """Nothing is missing, and the erased visitor stays out."""
    place.bury()
    assert place.reburied() == []
    assert not place.takes(ANN)
    assert place.takes(BEN)


def test_an_old_backup_learns_whom_to_forget(
    place: Place, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """`restore` touches neither ledger nor key; the next start says how many, and knows them."""
    place.bury(BEN, NOW - 9)
    copy = tmp_path / "copies" / "old.db"
    copy.parent.mkdir()
    place.command("backup", str(copy))
    assert [p.name for p in copy.parent.iterdir()] == ["old.db"]
    place.bury(ANN)
    place.bury(BEN, NOW)
    beside = [(place.data / name).read_bytes() for name in ("erasures.jsonl", "erasure.key")]
    key = bytes.fromhex(beside[1].decode())
    assert key not in copy.read_bytes()
    assert key.hex().encode() not in copy.read_bytes()

    place.command("restore", str(copy))
    assert beside == [
        (place.data / name).read_bytes() for name in ("erasures.jsonl", "erasure.key")
    ]
    with caplog.at_level(logging.WARNING):
        found = place.reburied()
    assert "2 erasures are newer than this database: re-applying" in caplog.text
    assert [at for _, _, at in found] == [NOW, NOW]
    assert sorted(place.table()) == sorted(found)
    assert place.reburied() == []
    assert not place.takes(ANN)
    assert not place.takes(BEN)


def test_a_backup_from_before_the_first_erasure(place: Place, tmp_path: Path) -> None:
    """The restored table is empty, its key's witness included."""
    copy = tmp_path / "old.db"
    place.command("backup", str(copy))
    place.bury()
    place.command("restore", str(copy))
    assert len(place.reburied()) == 1
    assert len(place.table()) == 1
    assert not place.takes(ANN)


def test_a_kill_between_ledger_and_table(place: Place) -> None:
    """Only the line was written: the next start applies it, with or without a torn one after."""
    place.bury(BEN, NOW - 9)

    async def mark(app: Handraise) -> bytes:
        return app.state.tombstones.mark(1, "visitor", ANN)

    digest = place.within(mark)
    with (place.data / "erasures.jsonl").open("a") as file:
        file.write(f'{{"site":1,"hash":"{digest.hex()}","at":{NOW}}}\n{{"site":1,"hash":"00')
    assert place.reburied() == [(1, digest, NOW)]
    assert (1, digest, NOW) in place.table()
    assert not place.takes(ANN)


def test_a_database_that_moves_brings_its_erasures(place: Place, tmp_path: Path) -> None:
    """Restored elsewhere with the key, it fills the new ledger; older copies then learn from it."""
    old, new = tmp_path / "old.db", tmp_path / "new.db"
    place.command("backup", str(old))
    place.bury()
    place.command("backup", str(new))
    moved = Place(tmp_path / "moved")
    moved.data.mkdir()
    shutil.copy(place.data / "erasure.key", moved.data)
    moved.command("restore", str(new))
    assert moved.reburied() == []
    moved.command("restore", str(old))
    assert len(moved.reburied()) == 1
    assert not moved.takes(ANN)


@pytest.mark.parametrize("lost", ["ledger", "table"])
def test_a_lost_key_is_not_replaced(place: Place, tmp_path: Path, lost: str) -> None:
    """Whether the table or only the ledger still has tombstones: no start, and the fix is named."""
    copy = tmp_path / "old.db"
    place.command("backup", str(copy))
    place.bury()
    key = (place.data / "erasure.key").read_text().strip()
    (place.data / "erasure.key").unlink()
    if lost == "ledger":
        (place.data / "erasures.jsonl").unlink()
    else:
        place.command("restore", str(copy))
    with pytest.raises(HandraiseError, match=r"erasure\.key is missing: put it back"):
        place.table()
    assert not (place.data / "erasure.key").exists()
    assert not Place(place.data, key).takes(ANN)


@pytest.mark.parametrize("lost", ["", "erasures.jsonl", "handraise.db"])
def test_another_key_is_refused(place: Place, tmp_path: Path, lost: str) -> None:
    """Table or ledger know their key; with another one everybody erased would be let in."""
    copy = tmp_path / "old.db"
    place.command("backup", str(copy))
    place.bury()
    if lost == "handraise.db":
        place.command("restore", str(copy))
    elif lost:
        (place.data / lost).unlink()
    with pytest.raises(Conflict, match="HANDRAISE_ERASURE_KEY"):
        Place(place.data, "ab" * 32).table()


def test_a_lost_key_harms_nobody_where_nobody_was_erased(place: Place) -> None:
    """A new one is made."""
    (place.data / "erasure.key").unlink()
    assert place.reburied() == []
    assert (place.data / "erasure.key").exists()


def test_a_damaged_ledger_stops_the_start(place: Place) -> None:
    """One line in the middle stood for somebody."""
    place.bury()
    path = place.data / "erasures.jsonl"
    path.write_bytes(b"junk\n" + path.read_bytes())
    with pytest.raises(DamagedLedger, match="line 1"):
        place.table()


def test_the_key_as_a_setting(tmp_path: Path) -> None:
    """From the variable or the file that it names; anything but 64 digits is refused by name."""
    secret = tmp_path / "key"
    secret.write_text("cd" * 32 + "\n")
    assert load({"HANDRAISE_ERASURE_KEY_FILE": str(secret)}).erasure_key == "cd" * 32
    with pytest.raises(BadRequest, match="HANDRAISE_ERASURE_KEY must hold"):
        Place(tmp_path / "data", "short").table()
