"""A slow disk: every sync takes longer, and then stalls for seconds. strace makes it wait.

The load waits for no answer: so many requests come each second, whatever becomes of them. With
syncs of 200 ms everybody is answered and groups grow; where the queue grows older than two seconds
the rest is told to come again. Memory stays flat in both.
"""

import asyncio
import re
from pathlib import Path

from tests.faults import kill
from tests.faults.asking import once
from tests.faults.disk import EVENTS, Found, row
from tests.faults.kill import Server, body_of
from tests.faults.load import Met, acknowledged, end, fresh, ready, visitors
from tests.faults.row import Fault, Outcome
from tests.faults.traced import injected
from tests.faults.weak import MODULE

SLOW, STALL = "fdatasync:delay_exit=200000", "fdatasync:delay_exit=2500000"
SLOW_S, STALL_S = 4.0, 7.0
RATE, BATCH = 40, 5  # requests a second, events each
GROWTH_KB = 64_000
#: The oldest of a queue waits two seconds, then for the sync under way and its own.
LONGEST_S = 2 + 2 * 2.5 + 3
FIGURE = re.compile(rb"^(\w+) ([\d.e+]+)$", re.MULTILINE)
RESIDENT = re.compile(r"VmRSS:\s+(\d+) kB")


def resident_kb(server: Server) -> int:
    """The memory a server holds."""
    assert server.process is not None
    match = RESIDENT.search(Path(f"/proc/{server.process.pid}/status").read_text())
    assert match is not None
    return int(match[1])


async def groups(server: Server) -> tuple[float, float]:
    """How many turns stored events so far, and how many events they took."""
    found = dict(FIGURE.findall((await once(server.port, "/metrics")).body))
    names = (b"handraise_group_size_count", b"handraise_group_size_sum")
    turns, events = (float(found[name]) for name in names)
    return turns, events


async def one(port: int, key: str, met: Met) -> None:
    """One request of somebody who does not come again."""
    ids = [met.todo.popleft() for _ in range(BATCH)]
    began = asyncio.get_running_loop().time()
    reply = await once(port, "/e", body_of(key, ids))
    met.slowest_s = max(met.slowest_s, asyncio.get_running_loop().time() - began)
    met.statuses[reply.status] += 1
    if reply.status == 202:
        met.acknowledged.update(ids)
    met.bare += reply.status == 503 and "retry-after" not in reply.headers


async def arrivals(server: Server, key: str, met: Met, seconds: float) -> int:
    """Requests at an even rate for so long, each answered in the end; the most memory, in kB."""
    most, requests = 0, []
    for _ in range(int(seconds * RATE)):
        requests.append(asyncio.create_task(one(server.port, key, met)))
        most = max(most, resident_kb(server))
        await asyncio.sleep(1 / RATE)
    await asyncio.gather(*requests)
    return most


async def slowed(server: Server, key: str, met: Met, call: str, found: Found) -> list[str]:
    """Load while syncs are slow; what was wrong."""
    seconds = STALL_S if call == STALL else SLOW_S
    assert server.process is not None
    before, (turns, events) = resident_kb(server), await groups(server)
    met.since()
    async with injected(server.process.pid, call):
        most = await arrivals(server, key, met, seconds)
    slowest, answers = met.slowest_s, met.since()
    later, stored = await groups(server)
    grown = (stored - events) / max(later - turns, 1)
    found.figures.append(
        f"{int(call.partition('=')[2]) // 1000} ms: {grown:.0f} events a group, {answers[503]} of"
        f" {answers.total()} refused, slowest {slowest:.1f} s, memory +{most - before:,} kB"
    )
    wrong = []
    if most - before > GROWTH_KB:
        wrong.append(f"{call}: memory grew by {most - before:,} kB")
    if grown < 2 * BATCH:
        wrong.append(f"{call}: {grown:.1f} events in a group")
    if slowest > LONGEST_S:
        wrong.append(f"{call}: somebody waited {slowest:.1f} s")
    if set(answers) - {202, 503} or met.bare:
        wrong.append(f"{call}: answers {dict(answers)}, {met.bare} without Retry-After")
    if bool(answers[503]) != (call == STALL):
        wrong.append(f"{call}: {answers[503]} refused of {answers.total()}")
    if await ready(server.port) is None:
        wrong.append(f"{call}: /readyz is red for ever")
    return wrong


async def life(server: Server, key: str, calls: list[str]) -> tuple[Met, Found]:
    met, found = fresh(EVENTS), Found()
    await server.start()
    try:
        async with visitors(server.port, key, met, count=1):
            await acknowledged(met, 50)  # whatever is made once is made
        for call in calls:
            found.add(await slowed(server, key, met, call, found))
    finally:
        await end(server)
    return met, found


def outcome(folder: Path, calls: list[str], weakness: str = "") -> Outcome:
    """A slow and a stalling disk in turn as one row of the table."""
    data = folder / "data"
    key = kill.key_of(data)
    server = Server(MODULE, data, FAULTS_WEAKNESS=weakness) if weakness else Server("server", data)
    met, found = asyncio.run(life(server, key, calls))
    return row(server, met, found, len(calls))


FAULTS = (
    Fault(
        "R9",
        "slow disk: syncs of 200 ms, then of 2.5 s",
        4,
        lambda folder, times: outcome(folder, [(SLOW, STALL)[n % 2] for n in range(times)]),
        lambda folder: outcome(folder, [STALL], "patient"),
    ),
)
