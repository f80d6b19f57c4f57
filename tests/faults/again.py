"""Everything comes several times: in parallel, shuffled, changed, and again after a kill.

Each event is stored once and as it came first; who sends it again is told that it is known.
"""

import asyncio
import json
import random
import sqlite3
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults import kill
from tests.faults.asking import ANSWER_S, Reply, request_of
from tests.faults.kill import Server, body_of
from tests.faults.load import Met, end, fresh
from tests.faults.remains import look
from tests.faults.row import Fault, Outcome
from tests.faults.sending import AGAIN_S, Letter, send
from tests.faults.weak import MODULE

CLIENTS, BATCH = 8, 10
LIFE_EVENTS = 600
SHARE, MOST_TIMES = 0.2, 50  # of the batches, sent again so often
CHANGED = "https://acme.example/changed"


@dataclass
class Mail:
    """Batches on their way: new ones in the ledger, others to be sent again."""

    key: str
    met: Met
    dice: random.Random
    again: deque[list[bytes]] = field(default_factory=deque)
    resent: int = 0  # events
    accepted: int = 0
    kills: int = 0
    wrong: list[str] = field(default_factory=list)
    #: By the list of ids that is on its way: how many of them were stored when it left.
    knew: dict[int, int] = field(default_factory=dict)

    def take(self) -> Letter | None:
        """The next batch, as it is or told as something else; None once nothing is left."""
        if not self.met.todo and not self.again:
            return None
        ids, other = self._next()
        self.knew[id(ids)] = sum(one in self.met.acknowledged for one in ids)
        return Letter(ids, request_of("/e", (changed if other else body_of)(self.key, ids)))

    def _next(self) -> tuple[list[bytes], bool]:
        """A batch, and whether its events are told as something else."""
        todo = self.met.todo
        if self.again and (not todo or self.dice.random() < 0.8):
            ids = self.again.popleft()
            self.resent += len(ids)
            self.dice.shuffle(ids)
            if todo and self.dice.random() < 0.1:  # half of it is new
                return [*ids[: BATCH // 2], *(todo.popleft() for _ in range(BATCH // 2) if todo)], (
                    False
                )
            # Only what is stored for sure may come changed: else the change would be the first.
            return ids, self.met.acknowledged.issuperset(ids)
        ids = [todo.popleft() for _ in range(min(BATCH, len(todo)))]
        if ids and self.dice.random() < SHARE:
            for _ in range(self.dice.randint(1, MOST_TIMES)):
                self.again.insert(self.dice.randint(0, len(self.again)), list(ids))
        return ids, False

    def told(self, ids: list[bytes], reply: Reply, _took_s: float) -> float:
        """What the server said of a batch."""
        known = self.knew.pop(id(ids))
        if reply.status != 202:
            self.wrong.append(f"answered {reply.status}")
            return 0.0
        answer = json.loads(reply.body)
        if answer["accepted"] + answer["duplicates"] != len(ids) or answer["duplicates"] < known:
            self.wrong.append(f"{known} of {len(ids)} known, told {answer}")
        self.accepted += answer["accepted"]
        self.met.acknowledged.update(ids)
        return 0.0

    def cut(self, ids: list[bytes]) -> None:
        """What had no answer is sent again."""
        self.knew.pop(id(ids), None)  # a connection may end between two requests
        self.met.todo.extend(one for one in ids if one not in self.met.acknowledged)


def changed(key: str, ids: list[bytes]) -> bytes:
    """The same events, told as another page."""
    body = json.loads(body_of(key, ids))
    for event in body["e"]:
        event["u"] = CHANGED
    return json.dumps(body).encode()


async def lives(server: Server, key: str, kills: int) -> Mail:
    """So many lives ended by kill -9 on the way, and one in which all that is left is sent."""
    mail = Mail(key, fresh(0), random.Random(19))
    for number in range(kills + 1):
        mail.met.more(LIFE_EVENTS)
        mail.dice.shuffle(mail.met.todo)
        until = len(mail.met.acknowledged) + mail.dice.randrange(LIFE_EVENTS)
        await server.start()
        senders = [asyncio.create_task(send(server.port, mail, ANSWER_S)) for _ in range(CLIENTS)]
        all_sent = asyncio.gather(*senders)
        while not all_sent.done():
            if number < kills and len(mail.met.acknowledged) >= until:
                break
            await asyncio.sleep(AGAIN_S / 5)
        mail.kills += not all_sent.done()
        await end(server)
        await all_sent
    return mail


def first_kept(database: Path) -> bool:
    """Whether nothing was stored as it came later."""
    connection = sqlite3.connect(database)
    try:
        found = connection.execute(
            "SELECT count(*) FROM entries e JOIN strings s"
            " ON s.site_id = e.site_id AND s.string_id = e.url_id WHERE s.text = ?",
            (CHANGED,),
        ).fetchone()
    finally:
        connection.close()
    return int(found[0]) == 0


def outcome(folder: Path, times: int, weakness: str = "") -> Outcome:
    """Events sent again and again over `times` kills as one row of the table."""
    data = folder / "data"
    key = kill.key_of(data)
    server = Server("server", data)
    if weakness:
        server = Server(MODULE, data, FAULTS_WEAKNESS=weakness)
        with sqlite3.connect(data / "handraise.db") as connection:
            connection.execute("DROP INDEX entries_event")
        connection.close()
    mail = asyncio.run(lives(server, key, times))
    left = look(data / "handraise.db", mail.met.acknowledged)
    wrong = list(dict.fromkeys(mail.wrong))[:3]
    if not first_kept(data / "handraise.db"):
        wrong.append("a later version of an event was stored")
    if mail.accepted > left.stored or left.gaps or left.sound != "ok":
        wrong.append(f"accepted {mail.accepted}, stored {left.stored}, gaps {left.gaps}")
    whole = not wrong and not left.lost + left.doubled
    note = f"{mail.resent:,} events sent again; file {left.sound}"
    acks = len(mail.met.acknowledged)
    note = "; ".join([note, *wrong])
    survived = times if whole else 0
    return Outcome(times, survived, acks, left.lost, left.doubled, note, kills=mail.kills)


FAULTS = (
    Fault(
        "R10",
        "events sent again and changed, over kills",
        30,
        outcome,
        lambda folder: outcome(folder, 1, "forgetful"),
    ),
)
