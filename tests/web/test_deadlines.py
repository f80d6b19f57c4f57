"""Whoever waits too long is told so, whoever is cancelled ends, and nobody else notices."""

import asyncio

import pytest
from starlette.types import Message

from server.errors import BadRequest
from server.web.collect import read_body
from server.web.deadlines import Deadlines

pytestmark = pytest.mark.anyio


async def never() -> Message:
    await asyncio.Event().wait()
    raise AssertionError


async def test_one_who_waits_too_long_is_told() -> None:
    """And another one, who began later, is not."""
    deadlines = Deadlines(0.08)
    ready = asyncio.Event()

    async def patient() -> str:
        await asyncio.sleep(0.06)
        with deadlines:
            await ready.wait()
        return "read"

    other = asyncio.create_task(patient())
    with pytest.raises(TimeoutError), deadlines:
        await never()
    ready.set()
    assert await other == "read"
    await asyncio.sleep(0)  # it may be used again, and is no cancelled task
    with deadlines:
        await asyncio.sleep(0)


async def test_one_who_is_cancelled_ends() -> None:
    """By somebody else, also at the moment at which the time is up."""
    deadlines = Deadlines(0.02)

    async def wait() -> None:
        with deadlines:
            await never()

    early, late = asyncio.create_task(wait()), asyncio.create_task(wait())
    await asyncio.sleep(0)
    early.cancel()
    await asyncio.wait([early])
    assert early.cancelled()
    loop = asyncio.get_running_loop()
    loop.call_later(0.03, deadlines._look, loop)  # late, and cancelled in the same turn
    loop.call_later(0.03, late.cancel)
    await asyncio.wait([late])
    assert late.cancelled() or isinstance(late.exception(), TimeoutError)


async def test_a_body_that_never_comes_is_refused() -> None:
    with pytest.raises(BadRequest, match="too long to arrive") as refused:
        await read_body(never, 1_000, Deadlines(0.02))
    assert refused.value.code == "too_slow"


async def test_a_body_in_time_leaves_nothing_behind() -> None:
    deadlines = Deadlines(60)
    parts: list[Message] = [
        {"type": "http.request", "body": b"two ", "more_body": True},
        {"type": "http.request", "body": b"parts"},
    ]

    async def receive() -> Message:
        return parts.pop(0)

    assert await read_body(receive, 1_000, deadlines) == b"two parts"
    assert not deadlines._since
    assert deadlines._timer is not None
    deadlines._timer.cancel()
