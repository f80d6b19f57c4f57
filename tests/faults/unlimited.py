"""The control of the bodies: everything is unpacked, whatever size; one bad event is all of them.

Run as `python -m tests.faults.unlimited serve …`.
"""

import gzip
import json

import msgspec

from server.__main__ import main
from server.ingest import limits
from server.ingest.payload import Envelope, Refused
from server.web import batches


def _inflate(body: bytes) -> bytes:
    return gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body


def _decode(body: bytes) -> tuple[Envelope, list[Refused]]:
    """As many a collector does it: the parser of the standard library, then the shape."""
    return msgspec.convert(json.loads(body), Envelope), []


if __name__ == "__main__":
    limits.BODY_BYTES = limits.INFLATED_BYTES = 10**9
    vars(batches).update(inflate=_inflate, decode=_decode)
    main()
