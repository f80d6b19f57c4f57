"""A server that waits for receivers a five-thousandth of the time: two hours are 1.4 s.

Run as `python -m tests.faults.scaled HOW serve …`. HOW is `sound`, or `early`: the control, which
puts its cursor on before it has told anything.
"""

import sys
from functools import partialmethod

from server.__main__ import main
from server.tell import outcomes
from server.tell.courier import Courier
from server.tell.webhooks import Webhooks
from tests.tell.early import too_late

SCALE = 5_000
TIMEOUT_S = 0.5  # for an answer; scaled it would be too short for any

if __name__ == "__main__":
    if sys.argv.pop(1) == "early":
        Courier._attempt = too_late  # type: ignore[method-assign]
    vars(outcomes).update(
        SECOND_MS=outcomes.SECOND_MS / SCALE, MOST_WAIT_MS=outcomes.MOST_WAIT_MS / SCALE
    )
    Webhooks.__init__ = partialmethod(  # type: ignore[method-assign, assignment]
        Webhooks.__init__, timeout_s=TIMEOUT_S
    )
    main()
