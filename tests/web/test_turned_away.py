"""Whoever is turned away before the app is asked may read when to come again, on any page."""

import pytest
from msgspec.structs import replace

from server.web.allowances import Limits
from server.web.crowd import Crowd
from tests.web.gated import HEAD, QUICK, answering, served

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


def head_of(answer: bytes) -> dict[bytes, bytes]:
    """The headers of an answer by their names in small letters; its status under `b""`."""
    first, *lines = answer.split(b"\r\n\r\n")[0].split(b"\r\n")
    named = (line.split(b": ", 1) for line in lines)
    return {b"": first.split()[1]} | {name.lower(): value for name, value in named}


def readable(answer: bytes) -> None:
    """By a script of a page anywhere, as the browser decides it."""
    head = head_of(answer)
    assert head[b""] == b"503"
    assert head[b"access-control-allow-origin"] == b"*"
    assert head[b"access-control-expose-headers"] == b"Retry-After"
    assert int(head[b"retry-after"]) > 0


@pytest.mark.parametrize(
    "limits", [replace(QUICK, connections=0), replace(QUICK, per_address=0)], ids=["all", "one"]
)
async def test_a_full_gate_says_so_to_any_page(limits: Limits) -> None:
    async with served(limits) as place:
        readable(await place.say(b""))


async def test_a_request_that_is_one_too_long_hears_it_too() -> None:
    """The gate lets the connection in, and has no room for what it sends."""
    async with served(replace(QUICK, arriving_bytes=10_000, head_s=5, request_s=5)) as place:
        readable(await place.say(HEAD + b"Content-Length: 20000\r\n\r\n" + b"x" * 12_000))


async def test_behind_a_proxy_a_crowded_address_hears_it_too() -> None:
    app = Crowd(answering, ("127.0.0.1",), "X-Forwarded-For", 0)
    async with served(QUICK, app) as place:
        readable(await place.say(HEAD + b"Connection: close\r\n\r\n"))


async def test_what_is_wrong_with_a_request_is_told_to_nobody_else() -> None:
    async with served() as place:
        answer = await place.say(b"GET / HTTP/1.1\r\n\r\n")
    assert head_of(answer)[b""] == b"400"
    assert b"access-control-allow-origin" not in head_of(answer)
