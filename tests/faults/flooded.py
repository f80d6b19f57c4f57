"""What is left of a flood, counted by request: a long one has more events than fit into memory."""

import sqlite3
from array import array
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.flood import BATCH, START_MS
from tests.faults.remains import compare

START = START_MS.to_bytes(6, "big")


@dataclass
class Taken:
    """What was acknowledged: numbers of requests by the seed of a flood, and ids of others."""

    numbers: dict[int, list[int]] = field(default_factory=dict)
    others: set[bytes] = field(default_factory=set)

    @property
    def count(self) -> int:
        return BATCH * sum(map(len, self.numbers.values())) + len(self.others)

    def left(self, database: Path) -> tuple[int, int]:
        """How many acknowledged events are not stored, and how many are stored twice."""
        seen = {
            seed: array("Q", bytes(8 * (max(mine, default=0) + 1)))
            for seed, mine in self.numbers.items()
        }
        others, doubled = list[bytes](), 0
        connection = sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)
        try:
            for (name,) in connection.execute("SELECT event_id FROM entries WHERE kind = 1"):
                value = int.from_bytes(name[6:], "big")
                masks, number = seen.get(value >> 48), (value >> 6) & 0x3FF_FFFF_FFFF
                if masks is None or not name.startswith(START):
                    others.append(name)
                elif number < len(masks):
                    bit = 1 << (value & 63)
                    doubled += bool(masks[number] & bit)
                    masks[number] |= bit
        finally:
            connection.close()
        lost, twice = compare(others, self.others)
        for seed, mine in self.numbers.items():
            lost += sum(BATCH - seen[seed][number].bit_count() for number in mine)
        return lost, doubled + twice
