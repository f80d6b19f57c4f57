"""PostgreSQL crashes, ends sessions, or is behind a network that loses answers to a COMMIT, resets
its connections, or carries nothing more and tells nobody."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.engines import MIGRATED, CannotStart, Cluster, cluster
from tests.faults.asking import get
from tests.faults.kill import key_of
from tests.faults.network import Network, between
from tests.faults.remains import compare
from tests.faults.row import CannotRun, Fault, Outcome
from tests.faults.sending import AGAIN_S
from tests.faults.under_load import Book, Program, load

BACK_S = 5.0
STEADY = 200  # events acknowledged between two faults
PAUSE_S = 0.05  # of each sender: a load that the database keeps up with
END_SESSIONS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    f" WHERE datname = '{MIGRATED}' AND pid <> pg_backend_pid()"
)


@dataclass
class World:
    """A cluster, the server on it, its book, and what the faults came to."""

    cluster: Cluster
    book: Book
    server: Program
    network: Network | None = None
    back: list[float] = field(default_factory=list)  # seconds to the first 2xx after each fault
    bad: list[str] = field(default_factory=list)

    async def recovers(self, since: float, *, all_of_them: bool = False) -> None:
        """Wait until events are stored again; later than `BACK_S` is bad. What was answered before
        the fault may arrive after it: with `all_of_them` the last of `STEADY` counts."""
        try:
            await self.book.more(STEADY, 20)
        except TimeoutError:
            self.bad.append("took no more events for 20 s")
            return
        came = time.monotonic() if all_of_them else self.book.firsts[-1]
        self.back.append(came - since)
        if self.back[-1] > BACK_S:
            self.bad.append(f"{self.back[-1]:.1f} s until it took events again")

    async def refuses(self) -> bool:
        """Wait until somebody was told 503; false if nobody was within 5 s."""
        before, late = self.book.answers[503], time.monotonic() + 5
        while self.book.answers[503] <= before and time.monotonic() < late:  # noqa: ASYNC110
            await asyncio.sleep(AGAIN_S / 5)
        return self.book.answers[503] > before


Break = Callable[[World], Awaitable[None]]


async def crash(world: World) -> None:
    """`pg_ctl restart -m immediate`: what is not on its disk is gone."""
    world.cluster.stop(signal.SIGQUIT)
    if not await world.refuses():
        world.bad.append("nobody was refused while the database was down")
    world.cluster.start()  # in the main thread: the database goes with the thread that starts it
    since = time.monotonic()
    world.book.firsts.clear()
    await world.recovers(since)


async def end_sessions(world: World) -> None:
    """An operator, or a failover, ends every session of ours."""
    since = time.monotonic()
    world.book.firsts.clear()
    await world.cluster.execute(END_SESSIONS)
    await asyncio.sleep(world.book.random.random() / 20)
    await world.recovers(since)


async def lose(world: World) -> None:
    """The answer to a COMMIT is lost, or the COMMIT itself; the connection goes with it."""
    network = world.network
    assert network is not None
    mode = world.book.random.choice(("lose_answer", "lose_commit"))
    network.mode = mode
    async with asyncio.timeout(10):
        while network.mode:  # noqa: ASYNC110 - the proxy takes it at the next COMMIT
            await asyncio.sleep(AGAIN_S / 5)
    since = time.monotonic()
    world.book.firsts.clear()
    await world.recovers(since)


async def cut(world: World) -> None:
    """Every connection is reset, or goes on without carrying anything."""
    assert world.network is not None
    since = time.monotonic()
    (world.network.swallow if world.book.random.random() < 0.5 else world.network.reset)()
    await world.recovers(since, all_of_them=True)


@asynccontextmanager
async def serving(data: Path, url: str, hasty: str) -> AsyncIterator[Program]:
    """A server on a database; `hasty` makes it one of the controls."""
    module, before = ("tests.faults.hasty", (hasty,)) if hasty else ("server", ())
    server = Program(module, data, before=before, environment={"HANDRAISE_DATABASE": url})
    await server.start()
    try:
        yield server
    finally:  # in order: what is lost is the fault's doing
        server.signal(signal.SIGTERM)
        await server.ended(20)


async def stored(server: Cluster) -> tuple[list[bytes], int]:
    """The ids in the log, and how many numbers are missing in it."""
    import asyncpg

    connection = await asyncpg.connect(server.url(MIGRATED))
    try:
        rows = await connection.fetch("SELECT event_id FROM entries WHERE kind = 1")
        gaps = await connection.fetchval("SELECT coalesce(max(seq), 0) - count(*) FROM entries")
        return [bytes(row[0]) for row in rows], int(gaps)
    finally:
        await connection.close()


async def faults(
    folder: Path, running: Cluster, hasty: str, times: int, broken: Break, settings: str
) -> Outcome:
    """Break it so often under load; then compare what is stored with the book."""
    await running.execute(f"CREATE DATABASE {MIGRATED}")
    async with between(running.folder) as network:
        direct = running.url(MIGRATED)
        url = f"postgresql://postgres@127.0.0.1:{network.port}/{MIGRATED}"
        # The schema is made before the settings are.
        key = await asyncio.to_thread(key_of, folder / "data", {"HANDRAISE_DATABASE": direct})
        if settings:
            await running.execute(settings)
        through = url if broken in (lose, cut) else direct
        async with serving(folder / "data", through, hasty) as server:
            world = World(running, Book(seed=17), server, network)
            async with load(world.book, key, lambda: server.port, pause_s=PAUSE_S):
                await world.book.more(STEADY)
                for _ in range(times):
                    await broken(world)
            ready = await get(server.port, "/readyz")
    ids, gaps = await stored(running)
    return verdict(world, times, ids, gaps, ready)


def verdict(world: World, times: int, ids: list[bytes], gaps: int, ready: int) -> Outcome:
    book = world.book
    lost, doubled = compare(ids, set(book.acknowledged))
    whole = not gaps and not book.odd and ready == 200
    back = sorted(world.back) or [0.0]
    note = (
        f"takes events again after {back[len(back) // 2]:.2f} s (median), {back[-1]:.2f} s (most);"
        f" {book.answers[503]} answers 503, {book.cut} cut, {book.duplicates} events sent again"
        f" that were stored; gaps {gaps}; odd answers {book.odd or 0}"
    )
    return Outcome(
        times,
        times - len(world.bad) if whole else 0,
        len(set(book.acknowledged)),
        lost,
        doubled,
        "; ".join([note, *world.bad[:2]]),
    )


def outcome(
    folder: Path, times: int, broken: Break, hasty: str = "", settings: str = ""
) -> Outcome:
    """A fault of PostgreSQL as one row of the table."""
    try:
        with cluster() as running:
            return asyncio.run(faults(folder, running, hasty, times, broken, settings))
    except CannotStart as error:
        raise CannotRun(f"PostgreSQL cannot start here: {error}") from error


ASYNCHRONOUS = f"ALTER DATABASE {MIGRATED} SET synchronous_commit = off"
FAULTS = (
    Fault(
        "R17",
        "PostgreSQL crashes under load",
        50,
        lambda folder, times: outcome(folder, times, crash),
        lambda folder: outcome(folder, 5, crash, "asynchronous", ASYNCHRONOUS),
    ),
    Fault(
        "R17",
        "PostgreSQL ends every session",
        50,
        lambda folder, times: outcome(folder, times, end_sessions),
        lambda folder: outcome(folder, 20, end_sessions, "once"),
    ),
    Fault(
        "R17",
        "the network loses a COMMIT or its answer",
        50,
        lambda folder, times: outcome(folder, times, lose),
        lambda folder: outcome(folder, 10, lose, "once"),
    ),
    Fault(
        "R17",
        "connections are reset, or carry nothing more",
        20,
        lambda folder, times: outcome(folder, times, cut),
        lambda folder: outcome(folder, 10, cut, "once"),
    ),
)
