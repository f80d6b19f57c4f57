"""`make faults`: kill -9 under load, as often as asked, with its control. Prints a table."""

import argparse
import asyncio
import tempfile
import time
from pathlib import Path

from tests.faults import kill
from tests.faults.test_kill import site_key


def row(name: str, module: str, events: int, kills: int) -> tuple[kill.Remains, kill.Ledger]:
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        key = site_key(data)
        ledger = asyncio.run(kill.run(module, data, key, events, kills, seed=11))
        left = kill.look(data / "handraise.db", ledger)
    met = sum(1 for count in ledger.kills_in_flight if count)
    print(  # noqa: T201
        f"{name:<34} kills {kills} ({met} with events in flight)  acknowledged"
        f" {len(ledger.acknowledged)}  lost {left.lost}  doubled {left.doubled}  gaps {left.gaps}"
        f"  file {left.sound}"
    )
    return left, ledger


def main() -> int:
    """The exit status is 0 if nothing acknowledged was lost and the control lost something."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=60)
    parser.add_argument("--events", type=int, default=150_000)
    given = parser.parse_args()
    started = time.monotonic()
    left, _ = row("kill -9 at random, SQLite FULL", "server", given.events, given.kills)
    control, _ = row("control: acknowledge before commit", "tests.faults.early", 20_000, 6)
    bound = 3 / given.kills
    print(  # noqa: T201
        f"loss chance a kill below {bound:.1%} at 95 %; took {time.monotonic() - started:.0f} s"
    )
    return 0 if not (left.lost or left.doubled or left.gaps) and control.lost else 1


if __name__ == "__main__":
    raise SystemExit(main())
