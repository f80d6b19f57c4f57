"""The control of the threats to connections: uvicorn's own protocol, without deadlines and caps,
and with a parser that takes what is not quite HTTP.

Run as `python -m tests.faults.unguarded serve …`.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from server.__main__ import main
from server.cli import serving
from server.web.gate import Gate


class Lenient(HttpToolsProtocol):
    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.parser.set_dangerous_leniencies(
            lenient_headers=True, lenient_chunked_length=True, lenient_transfer_encoding=True
        )


def _plain(gate: Gate) -> type[asyncio.Protocol]:
    del gate
    return Lenient


if __name__ == "__main__":
    vars(serving)["behind"] = _plain
    main()
