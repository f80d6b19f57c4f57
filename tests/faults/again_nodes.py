"""Everything comes several times, to two servers on one PostgreSQL of which now one, now the other
is killed: each event is stored once and as it came first, whichever of them it came to.
"""

import asyncio
import random
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from tests.engines import MIGRATED, CannotStart, Cluster, cluster
from tests.faults.again import CHANGED, CLIENTS, LIFE_EVENTS, Mail
from tests.faults.asking import ANSWER_S
from tests.faults.kill import key_of
from tests.faults.load import end, fresh
from tests.faults.postgres import stored
from tests.faults.remains import compare
from tests.faults.row import CannotRun, Fault, Outcome
from tests.faults.sending import AGAIN_S, send
from tests.faults.under_load import Program
from tests.faults.weak import MODULE

NODES = 2
ERASURE_KEY = "5a" * 32


async def sends(mail: Mail, nodes: Sequence[Program], over: asyncio.Event) -> None:
    """Send to one of the servers until its connection ends, then to any, until nothing is left."""
    while mail.met.todo or mail.again or not over.is_set():
        await send(mail.dice.choice(nodes).port, mail, ANSWER_S)
        await asyncio.sleep(AGAIN_S)


async def life(mail: Mail, nodes: Sequence[Program], kills: int) -> None:
    """So many kills of one server or the other while both are sent to; each comes back."""
    over = asyncio.Event()
    senders = [asyncio.create_task(sends(mail, nodes, over)) for _ in range(CLIENTS)]
    try:
        for number in range(kills):
            mail.met.more(LIFE_EVENTS)
            until = min(mail.met.made, number * LIFE_EVENTS + mail.dice.randrange(LIFE_EVENTS))
            while len(mail.met.acknowledged) < until:  # noqa: ASYNC110 - many add to it
                await asyncio.sleep(AGAIN_S / 5)
            node = mail.dice.choice(nodes)
            mail.kills += 1
            await end(node)
            await node.start()
        over.set()
        await asyncio.gather(*senders)
    finally:
        for task in senders:
            task.cancel()
        await asyncio.gather(*senders, return_exceptions=True)


async def changed(running: Cluster) -> int:
    """How many events were stored as they came later."""
    import asyncpg

    connection = await asyncpg.connect(running.url(MIGRATED))
    try:
        found = await connection.fetchval(
            "SELECT count(*) FROM entries e JOIN strings s"
            " ON s.site_id = e.site_id AND s.string_id = e.url_id WHERE s.text = $1",
            CHANGED,
        )
    finally:
        await connection.close()
    return int(found)


async def lives(folder: Path, running: Cluster, kills: int, weakness: str) -> Outcome:
    await running.execute(f"CREATE DATABASE {MIGRATED}")
    shared = {"HANDRAISE_DATABASE": running.url(MIGRATED), "HANDRAISE_ERASURE_KEY": ERASURE_KEY}
    key = await asyncio.to_thread(key_of, folder / "node-0", shared)
    module = "server"
    if weakness:
        module, shared = MODULE, {**shared, "FAULTS_WEAKNESS": weakness}
        await running.execute("DROP INDEX entries_event", MIGRATED)
    nodes = [
        Program(module, folder / f"node-{number}", environment=shared) for number in range(NODES)
    ]
    mail = Mail(key, fresh(0), random.Random(23))
    try:
        for node in nodes:
            await node.start()
        async with asyncio.timeout(60 + 20 * kills):
            await life(mail, nodes, kills)
    except TimeoutError:
        mail.wrong.append("not all of it was taken in time")
    finally:
        for node in nodes:
            with suppress(AssertionError):
                await end(node)
    return await verdict(mail, running, kills)


async def verdict(mail: Mail, running: Cluster, kills: int) -> Outcome:
    ids, gaps = await stored(running)
    lost, doubled = compare(ids, mail.met.acknowledged)
    wrong = list(dict.fromkeys(mail.wrong))[:3]
    if await changed(running):
        wrong.append("a later version of an event was stored")
    if mail.accepted > len(ids) or gaps:
        wrong.append(f"accepted {mail.accepted}, stored {len(ids)}, gaps {gaps}")
    whole = not wrong and not lost + doubled
    note = f"{mail.resent:,} events sent again, to {NODES} servers"
    acks = len(mail.met.acknowledged)
    survived = kills if whole else 0
    told = "; ".join([note, *wrong])
    return Outcome(kills, survived, acks, lost, doubled, told, kills=mail.kills)


def outcome(folder: Path, times: int, weakness: str = "") -> Outcome:
    """Events sent again and again to two servers as one row of the table."""
    try:
        with cluster() as running:
            return asyncio.run(lives(folder, running, times, weakness))
    except CannotStart as error:
        raise CannotRun(f"PostgreSQL cannot start here: {error}") from error


FAULTS = (
    Fault(
        "R10",
        "events sent again to two servers, over kills",
        30,
        outcome,
        lambda folder: outcome(folder, 2, "forgetful"),
    ),
)
