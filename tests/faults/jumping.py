"""A server whose wall clock goes wrong: at SIGUSR1 it is off by as many seconds as the file in
FAULTS_CLOCK says. Failed deliveries wait a tenth of their time.

Run as `python -m tests.faults.jumping HOW serve …`. HOW is `sound`, or a control:
`trusting` waits until its clock says so, `monotone` takes the monotonic clock for the time of day.
"""

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from server.__main__ import main
from server.cli import serving
from server.tell import courier, outcomes

SCALE = 10


class Clock:
    """The wall clock as this process sees it; `off` is ns."""

    def __init__(self, real_ns: Callable[[], int]) -> None:
        self.off = 0
        self.real_ns = real_ns

    def ns(self) -> int:
        return self.real_ns() + self.off

    def seconds(self) -> float:
        return self.ns() / 1e9

    def jump(self, *signalled: object) -> None:
        del signalled
        self.off = int(float(Path(os.environ["FAULTS_CLOCK"]).read_text("utf-8")) * 1e9)


def _by_the_clock(next_at: int, tried_at: int, now: int) -> bool:
    del tried_at
    return next_at <= now


if __name__ == "__main__":
    how = sys.argv.pop(1)
    if how == "trusting":
        vars(courier)["is_due"] = _by_the_clock
    vars(outcomes)["SECOND_MS"] = outcomes.SECOND_MS // SCALE
    clock = Clock(time.monotonic_ns if how == "monotone" else time.time_ns)
    vars(time).update(time_ns=clock.ns, time=clock.seconds)
    tune = serving.tune

    def _tune() -> None:
        clock.jump()
        signal.signal(signal.SIGUSR1, clock.jump)
        tune()

    vars(serving)["tune"] = _tune
    main()
