"""The server with deadlines ten times shorter, so that a test sees all of them pass.

Run as `python -m tests.faults.hurried serve …`.
"""

from functools import partial

from msgspec.structs import replace

from server.__main__ import main
from server.cli import serving
from server.web.allowances import Limits

SHORT = Limits(head_s=1, request_s=2, idle_s=0.5, write_s=2, exempt_loopback=False)

if __name__ == "__main__":
    vars(serving)["Limits"] = partial(replace, SHORT)
    main()
