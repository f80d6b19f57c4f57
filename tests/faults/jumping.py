"""A server whose wall clock goes wrong: at SIGUSR1 it is off by as many seconds as the file in
FAULTS_CLOCK says. Failed deliveries wait a tenth of their time.

Run as `python -m tests.faults.jumping HOW serve …`. HOW is `sound`, or `trusting`: the control,
which waits until its clock says so.
"""

import os
import signal
import sys
import time
from pathlib import Path

from server.__main__ import main
from server.cli import serving
from server.tell import courier, outcomes

SCALE = 10
_real_ns = time.time_ns


class Clock:
    """The wall clock as this process sees it; `off` is ns."""

    off = 0

    def ns(self) -> int:
        return _real_ns() + self.off

    def seconds(self) -> float:
        return self.ns() / 1e9

    def jump(self, *signalled: object) -> None:
        del signalled
        self.off = int(float(Path(os.environ["FAULTS_CLOCK"]).read_text("utf-8")) * 1e9)


def _by_the_clock(next_at: int, tried_at: int, now: int) -> bool:
    del tried_at
    return next_at <= now


if __name__ == "__main__":
    if sys.argv.pop(1) == "trusting":
        vars(courier)["is_due"] = _by_the_clock
    vars(outcomes)["SECOND_MS"] = outcomes.SECOND_MS // SCALE
    clock = Clock()
    vars(time).update(time_ns=clock.ns, time=clock.seconds)
    tune = serving.tune

    def _tune() -> None:
        clock.jump()
        signal.signal(signal.SIGUSR1, clock.jump)
        tune()

    vars(serving)["tune"] = _tune
    main()
