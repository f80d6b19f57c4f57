"""Receivers that answer anything, slowly, or not at all."""

import asyncio

import pytest

from server.tell.guard import SystemResolver
from server.tell.outcomes import Outcome, shown
from server.tell.signing import new_secret
from server.tell.webhooks import Webhooks
from tests.tell.receivers import Answer, Receiver, receiving, until
from tests.tracking import NOON

pytestmark = pytest.mark.anyio
SECRET = new_secret()


async def send(receiver: Receiver, timeout_s: float = 5) -> Outcome:
    exempt = frozenset({("127.0.0.1", receiver.port)})
    webhooks = Webhooks(SystemResolver(), exempt, timeout_s=timeout_s)
    try:
        return await webhooks.send(receiver.url, "msg_1", b'{"a":1}', [SECRET], NOON, site_id=1)
    finally:
        await webhooks.close()


async def test_what_is_sent() -> None:
    """The three headers, the body as it was signed, and who we are."""
    async with receiving() as receiver:
        outcome = await send(receiver)
        assert outcome == Outcome(ok=True, words="answered 200 OK", status=200, answer="ok")
        got = receiver.got[0]
        assert got.signed_by(SECRET)
        assert got.headers["webhook-timestamp"] == str(NOON // 1000)
        assert (got.path, got.body) == ("/hook", b'{"a":1}')
        assert got.headers["content-type"] == "application/json"
        assert got.headers["user-agent"].startswith("Handraise/")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer(404), "answered 404 Not Found"),
        (Answer(500), "answered 500 Internal Server Error"),
        (Answer(299), ""),
        (Answer(799), "answered 799"),
        (Answer(raw=b""), "the answer is no HTTP"),
        (Answer(raw=b"\x00\xff nonsense\r\n\r\n"), "the answer is no HTTP"),
        (Answer(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab"), "the answer is no HTTP"),
        (Answer(raw=b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 30_000), "the answer is no HTTP"),
    ],
    ids=lambda value: str(getattr(value, "status", ""))[:5],
)
async def test_answers_of_every_kind(answer: Answer, words: str) -> None:
    """Each is an outcome in words, none an error of ours."""
    async with receiving() as receiver:
        receiver.usual = answer
        outcome = await send(receiver)
        assert outcome.ok is not bool(words)
        assert words in outcome.words


async def test_nobody_listens() -> None:
    """And no address in the words."""
    async with receiving() as receiver:
        pass
    outcome = await send(receiver)
    assert outcome == Outcome(ok=False, words="no connection: nobody listens there")


async def test_a_receiver_that_hangs_is_left() -> None:
    """After the time there is for all of it, however it drips."""
    async with receiving() as receiver:
        receiver.usual = Answer(hangs=asyncio.Event())
        outcome = await send(receiver, timeout_s=0.2)
        assert outcome.words == "no answer within 0.2 s"


async def test_an_answer_is_read_to_a_bound() -> None:
    """200 bytes of it are shown after a test, as text in one line."""
    async with receiving() as receiver:
        receiver.usual = Answer(500, body=b"<p>\x1b[31m\r\n" + b"x" * 5_000_000)
        outcome = await send(receiver)
        assert len(outcome.answer) == 200
        assert outcome.answer.startswith("<p> [31m  xxx")


async def test_retry_after_counts_with_two_statuses() -> None:
    """429 and 503; 410 says that it is over."""
    async with receiving() as receiver:
        for status, seconds in ((429, 7), (503, 7), (500, None), (200, None)):
            receiver.usual = Answer(status, {"Retry-After": "7"})
            assert (await send(receiver)).retry_after == seconds
        receiver.usual = Answer(410)
        outcome = await send(receiver)
        assert outcome.gone
        assert "wants no more" in outcome.words


async def test_receivers_that_hang_keep_their_own_site_waiting_only() -> None:
    """So many attempts at a time are one site's; its next one waits, another site's does not."""
    hanging = asyncio.Event()
    async with receiving() as slow, receiving() as quick:
        slow.usual = Answer(hangs=hanging)
        exempt = frozenset({("127.0.0.1", slow.port), ("127.0.0.1", quick.port)})
        webhooks = Webhooks(SystemResolver(), exempt, of_site=2)

        async def told(url: str, site_id: int) -> Outcome:
            return await webhooks.send(url, "msg_1", b"{}", [SECRET], NOON, site_id=site_id)

        own = [asyncio.create_task(told(slow.url, 1)) for _ in range(3)]
        own += [asyncio.create_task(told(quick.url, 1))]
        await until(lambda: len(slow.got) == 2)
        assert (await told(quick.url, 2)).ok
        assert (len(slow.got), len(quick.got)) == (2, 1)
        hanging.set()
        assert all([(await one).ok for one in own])
        assert (len(slow.got), len(quick.got)) == (3, 2)
        await webhooks.close()


async def test_waiting_for_a_turn_costs_no_attempt() -> None:
    """The time there is begins with the attempt: the first one takes all of its own only."""
    async with receiving() as receiver:
        receiver.answers = [Answer(hangs=asyncio.Event()), Answer()]
        exempt = frozenset({("127.0.0.1", receiver.port)})
        webhooks = Webhooks(SystemResolver(), exempt, of_site=1, timeout_s=0.5)
        attempts = (
            webhooks.send(receiver.url, name, b"{}", [SECRET], NOON, site_id=1)
            for name in ("msg_1", "msg_2")
        )
        first, second = await asyncio.gather(*attempts)
        assert (first.words, second.words) == ("no answer within 0.5 s", "answered 200 OK")
        await webhooks.close()


def test_no_half_character_is_shown() -> None:
    """Cut at 200 bytes, not within one."""
    assert shown("é".encode() * 300) == "é" * 100
    assert shown(b"a" + "é".encode() * 300) == "a" + "é" * 99
    assert shown(b"a" + "😀".encode() * 300) == "a" + "😀" * 49
    assert shown(b"\xff\xfe") == "��"
