"""The real server, to which the programs of its own machine are strangers as those elsewhere are.

It counts no connections of its own machine, and keeps them as a proxy's; the threats come from
there. Run as `python -m tests.faults.afar serve …`.
"""

from functools import partial

from server.__main__ import main
from server.cli import serving
from server.web.allowances import Limits

if __name__ == "__main__":
    vars(serving)["Limits"] = partial(Limits, exempt_loopback=False)
    main()
