"""The control of forged addresses: whoever sends a forwarded header is believed, from the left.

Run as `python -m tests.faults.believing serve …`.
"""

from collections.abc import Iterable
from functools import partial

from server.__main__ import main
from server.cli import serving
from server.web import crowd
from server.web.allowances import Limits


def _first(
    headers: Iterable[tuple[bytes, bytes]], peer: str, proxies: tuple[str, ...], header: str
) -> str:
    del proxies
    name = header.lower().encode()
    lines = [value.decode("latin-1") for key, value in headers if key == name]
    return lines[0].partition(",")[0].strip() if lines else peer


if __name__ == "__main__":
    vars(crowd)["address_in"] = _first
    vars(serving)["Limits"] = partial(Limits, exempt_loopback=False)
    main()
