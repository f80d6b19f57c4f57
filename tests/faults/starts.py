"""A start that must either serve or be refused in words: one sentence with the way out."""

import signal
from pathlib import Path
from typing import NamedTuple

from tests.faults.under_load import Book, Program, load


class Start(NamedTuple):
    """What came of one. `status` is None where it serves; `said` is what it wrote."""

    status: int | None
    said: str

    def wrong(self, *words: str) -> str:
        """What is wrong with a refusal, else nothing: each of the words must be in it."""
        if self.status != 1:
            return f"ended with status {self.status}"
        if "Traceback" in self.said:
            return f"no sentence but a trace: {self.said.strip().splitlines()[-1][:160]}"
        missing = [word for word in words if word not in self.said]
        return f"does not say {missing}: {self.said.strip()[-160:]}" if missing else ""


async def tried(server: Program) -> Start:
    """Start it, come what may. `server.log` must be set; it is emptied before."""
    assert server.log is not None
    server.log.unlink(missing_ok=True)
    try:
        await server.start()
    except AssertionError:
        await server.gone()
        assert server.process is not None
        return Start(server.process.returncode, _read(server.log))
    return Start(None, _read(server.log))


def _read(path: Path) -> str:
    return path.read_text("utf-8", "replace") if path.exists() else ""


async def takes(server: Program, book: Book, key: str, count: int, patience_s: float = 10) -> bool:
    """Whether so many events more are acknowledged in time."""
    async with load(book, key, lambda: server.port, senders=4):
        try:
            await book.more(count, patience_s)
        except TimeoutError:
            return False
    return True


async def stop(server: Program) -> None:
    """End a life in order."""
    server.signal(signal.SIGTERM)
    await server.ended(15)


async def shoot(server: Program) -> None:
    """kill -9."""
    server.kill()
    await server.gone()
