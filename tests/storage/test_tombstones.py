"""Tombstones in the table, on both engines, and in the ledger beside it."""

import logging
import stat
from pathlib import Path

import pytest

from server.errors import BadRequest, Conflict, HandraiseError, Overloaded
from server.ingest.tombstones import Tombstone
from server.storage import tombstones
from server.storage.database import Database
from server.storage.folder import Folder
from server.storage.ledger import DamagedLedger, Ledger, newer
from tests.storage.world import run

ANN, BEN, EVE = (bytes([number]) * 16 for number in (1, 2, 3))
STONES = [Tombstone(1, ANN, 50), Tombstone(2, BEN, 60)]


@pytest.mark.anyio
async def test_the_later_erasure_is_kept(database: Database) -> None:
    """Adding twice, in either order."""
    await run(database, lambda: tombstones.add(1, [(BEN, 50), (ANN, 70)]))
    await run(database, lambda: tombstones.add(1, [(BEN, 40), (ANN, 80), (EVE, 1)]))
    await run(database, lambda: tombstones.add_all([Tombstone(2, ANN, 5), Tombstone(1, ANN, 3)]))
    await run(database, lambda: tombstones.add(1, []))
    async with database.snapshot() as reader:
        assert await tombstones.load(reader) == [
            (1, ANN, 80),
            (1, BEN, 50),
            (1, EVE, 1),
            (2, ANN, 5),
        ]


@pytest.mark.anyio
async def test_one_key_is_at_work(database: Database) -> None:
    """The first writes its witness, the same is fine again, another is refused."""
    await run(database, lambda: tombstones.vouch(ANN))
    await run(database, lambda: tombstones.vouch(ANN))
    with pytest.raises(Conflict, match="HANDRAISE_ERASURE_KEY"):
        await run(database, lambda: tombstones.vouch(BEN))
    async with database.snapshot() as reader:
        found = await tombstones.load(reader)
    assert found == [(tombstones.WITNESS_SITE, ANN, 0)]
    assert tombstones.vouched(found, ANN)
    assert not tombstones.vouched(found, BEN)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "erasures.jsonl")


def test_the_ledger_says_what_was_appended(ledger: Ledger) -> None:
    """In order, with repetitions, readable by its owner only."""
    assert ledger.read() == []
    ledger.append([])
    assert not ledger.path.exists()
    ledger.append(STONES)
    ledger.append(STONES[:1])
    assert Ledger(ledger.path).read() == [*STONES, STONES[0]]
    assert stat.S_IMODE(ledger.path.stat().st_mode) == 0o600
    first = ledger.path.read_text().splitlines()[0]
    assert first == '{"site":1,"hash":"' + ANN.hex() + '","at":50}'


def test_a_line_torn_anywhere_is_cut_off(ledger: Ledger, caplog: pytest.LogCaptureFixture) -> None:
    """A crash may leave any part of the last line; what was answered before it is all there."""
    ledger.append(STONES)
    whole = ledger.path.read_bytes()
    second = whole.index(b"\n") + 1
    for length in range(second + 1, len(whole) - 1):
        ledger.path.write_bytes(whole[:length])
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            assert ledger.read() == STONES[:1]
        assert "torn" in caplog.text
        ledger.append(STONES[1:])
        assert ledger.path.read_bytes() == whole


@pytest.mark.parametrize("end", [b"", b"\n\n", b"\0" * 100])
def test_a_whole_last_line_is_kept(ledger: Ledger, end: bytes) -> None:
    """Without its newline, with empty lines after it, with the zeros of a lost block."""
    ledger.append(STONES)
    text = ledger.path.read_bytes()
    ledger.path.write_bytes((text if end else text[:-1]) + end)
    assert ledger.read() == STONES
    ledger.append([Tombstone(3, EVE, 7)])
    assert ledger.read() == [*STONES, (3, EVE, 7)]


def test_an_append_after_a_torn_one_without_a_restart(ledger: Ledger) -> None:
    """A disk that was full half-way through must not spoil the next line."""
    ledger.append(STONES)
    with ledger.path.open("ab") as file:
        file.write(b'{"site":1,"ha')
    ledger.append([Tombstone(3, EVE, 7)])
    assert ledger.read() == [*STONES, (3, EVE, 7)]


@pytest.mark.parametrize(
    "line",
    [b"junk", b"{}", b'{"site":1,"hash":"xy","at":1}', b'{"site":1,"hash":"00","at":1}', b"\xff"],
)
def test_a_damaged_line_is_not_passed_over(ledger: Ledger, line: bytes) -> None:
    """It stood for somebody: the sentence names the line and what to do."""
    ledger.append(STONES[:1])
    text = ledger.path.read_bytes()
    ledger.path.write_bytes(text + line + b"\n" + text)
    with pytest.raises(DamagedLedger, match=r"line 2 of .*erasures\.jsonl.*put back"):
        ledger.read()


def test_a_ledger_that_cannot_be_written_is_an_overload(tmp_path: Path) -> None:
    """Try again; nothing was erased."""
    with pytest.raises(Overloaded, match="cannot be written"):
        Ledger(tmp_path / "nowhere" / "erasures.jsonl").append(STONES)


def test_missing_is_what_a_database_does_not_know(ledger: Ledger) -> None:
    """Not there, or there with an earlier time; once each, with the latest time."""
    ledger.append([*STONES, Tombstone(1, EVE, 5), Tombstone(1, EVE, 9), *STONES])
    assert ledger.missing([]) == [*STONES, (1, EVE, 9)]
    assert ledger.missing([STONES[0], Tombstone(2, BEN, 59), Tombstone(2, EVE, 99)]) == [
        STONES[1],
        (1, EVE, 9),
    ]
    assert ledger.missing([*STONES, Tombstone(1, EVE, 10)]) == []
    assert newer([Tombstone(1, ANN, 0)], []) == [(1, ANN, 0)]


def test_the_key_is_made_once(tmp_path: Path) -> None:
    """32 random bytes, mode 0600, the same ever after; the setting goes before it."""
    folder = Folder(str(tmp_path / "data"))
    key = folder.erasure_key("", needed=False)
    path = folder.path / "erasure.key"
    assert len(key) == 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert folder.erasure_key("", needed=True) == key == bytes.fromhex(path.read_text())
    assert folder.erasure_key("ab" * 32, needed=True) == b"\xab" * 32
    assert Folder(str(tmp_path / "other")).erasure_key("", needed=False) != key


def test_a_set_key_leaves_no_file(tmp_path: Path) -> None:
    """Several nodes share it; none has one of its own."""
    Folder(str(tmp_path)).erasure_key("AB" * 32, needed=False)
    assert not (tmp_path / "erasure.key").exists()


def test_a_key_that_is_gone_or_broken_is_not_replaced(tmp_path: Path) -> None:
    """Each sentence names the fix."""
    folder = Folder(str(tmp_path))
    with pytest.raises(HandraiseError, match=r"erasure\.key is missing: put it back .* or set"):
        folder.erasure_key("", needed=True)
    (tmp_path / "erasure.key").write_bytes(b"\xff")
    for given in ("", "abc", "zz" * 32):
        with pytest.raises(BadRequest, match="64 hexadecimal digits"):
            folder.erasure_key(given, needed=False)
