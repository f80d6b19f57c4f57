"""One HTTP exchange on a plain stream, as a browser makes it: nothing is sent again, kept or
followed behind a row's back."""

import asyncio
from typing import NamedTuple

AGENT = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)"
    " Chrome/142.0.0.0 Safari/537.36"
)
ANSWER_S = 30


class Reply(NamedTuple):
    """An answer: its status, its headers by lower-case name, its body."""

    status: int
    headers: dict[str, str]
    body: bytes


async def read_reply(reader: asyncio.StreamReader) -> Reply:
    """The next answer on a connection. Raises `ConnectionError` where there is none."""
    status = await reader.readline()
    if not status.endswith(b"\n"):
        raise ConnectionError("no answer")
    found: dict[str, str] = {}
    while (line := await reader.readline()) not in {b"\r\n", b""}:
        name, _, value = line.decode("latin-1").partition(":")
        if name.lower() == "set-cookie":  # several, in the shape they are sent back in
            value = "; ".join([*filter(None, [found.get("set-cookie")]), value.split(";")[0]])
        found[name.lower()] = value.strip()
    content = await reader.readexactly(int(found.get("content-length", 0)))
    return Reply(int(status.split()[1]), found, content)


def request_of(path: str, body: bytes | None = None, **headers: str) -> bytes:
    """A request as it is sent; a POST if it has a body."""
    given = {"Host": "127.0.0.1", "User-Agent": AGENT, **headers}
    if body is not None:
        given["Content-Length"] = str(len(body))
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in given.items())
    method = "GET" if body is None else "POST"
    return f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode() + (body or b"")


async def ask(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    path: str,
    body: bytes | None = None,
    **headers: str,
) -> Reply:
    """One request on an open connection. Raises `ConnectionError` if there is no answer."""
    writer.write(request_of(path, body, **headers))
    return await read_reply(reader)


async def once(port: int, path: str, body: bytes | None = None, **headers: str) -> Reply:
    """One request on a connection of its own. Raises `TimeoutError` after `ANSWER_S`."""
    async with asyncio.timeout(ANSWER_S):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            return await ask(reader, writer, path, body, **headers)
        finally:
            writer.close()


async def get(port: int, path: str, patience_s: float = 2.0, token: str = "") -> int:
    """The status of a GET; 0 if nobody answers in time."""
    bearer = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        async with asyncio.timeout(patience_s):
            return (await once(port, path, None, Connection="close", **bearer)).status
    except (OSError, TimeoutError, asyncio.IncompleteReadError):
        return 0
