"""Many connections of few: hoards are turned away, and whoever a proxy speaks for is counted."""

import asyncio
from collections import Counter

import pytest
from msgspec.structs import replace

from server.cli.open_files import connections_for, too_few
from server.web.address import address_in, counted_as, is_trusted
from server.web.crowd import Crowd
from tests.web.gated import HEAD, QUICK, answering, served

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


async def test_a_hoard_is_turned_away() -> None:
    """By address and in all; who leaves makes room, and a proxy may hold more."""
    for limits, status in (
        (replace(QUICK, head_s=5, per_address=3), b"address"),
        (replace(QUICK, head_s=5, connections=3), b"total"),
    ):
        async with served(limits) as place:
            held = [await place.open() for _ in range(3)]
            refused = await place.say(b"")
            assert refused.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
            assert b"\r\nretry-after: 5\r\n" in refused
            assert status in refused
            held.pop()[1].close()
            good = HEAD + b"Connection: close\r\n\r\n"
            async with asyncio.timeout(5):
                while b" 200 " not in await place.say(good):  # noqa: ASYNC110 - over a socket
                    await asyncio.sleep(0.02)
            for _, writer in held:
                writer.close()
    one = replace(QUICK, per_address=1)
    for limits in (replace(one, proxies=("127.0.0.0/8",)), replace(one, exempt_loopback=True)):
        async with served(limits) as place:
            held = [await place.open() for _ in range(3)]
            good = await place.say(HEAD + b"Connection: close\r\n\r\n")
            assert good.startswith(b"HTTP/1.1 200 ")
            for _, writer in held:
                writer.close()


async def test_behind_a_proxy_requests_of_one_visitor_are_counted() -> None:
    """By the address that the proxy adds, whatever the visitor claims before it."""
    app = Crowd(answering, ("127.0.0.1",), "X-Forwarded-For", 2)
    async with served(QUICK, app) as place:
        ask = b"GET /ticks HTTP/1.1\r\nHost: t\r\nConnection: close\r\n"
        claimed = [
            ask + b"X-Forwarded-For: 1.1.1.%d\r\nX-Forwarded-For: 9.9.9.9\r\n\r\n" % n
            for n in range(4)
        ]
        other = ask + b"X-Forwarded-For: 9.9.9.9, 8.8.8.8\r\n\r\n"
        answers = await asyncio.gather(*(place.say(one) for one in [*claimed, other]))
        statuses = Counter(answer.split()[1] for answer in answers[:4])
        assert statuses == {b"200": 2, b"503": 2}
        assert answers[4].split()[1] == b"200"
    assert not app.in_flight


@pytest.mark.slow
async def test_a_household_is_one_visitor() -> None:
    """Whoever has one address of IPv6 has 2⁶⁴ of them."""
    app = Crowd(answering, ("127.0.0.1",), "X-Forwarded-For", 2)
    async with served(QUICK, app) as place:
        ask = b"GET /ticks HTTP/1.1\r\nHost: t\r\nConnection: close\r\nX-Forwarded-For: "
        asked = [ask + b"2001:db8:1:2::%x\r\n\r\n" % n for n in range(4)]
        asked.append(ask + b"2001:db8:1:3::1\r\n\r\n")
        answers = await asyncio.gather(*(place.say(one) for one in asked))
        assert Counter(answer.split()[1] for answer in answers[:4]) == {b"200": 2, b"503": 2}
        assert answers[4].split()[1] == b"200"


def test_who_is_counted_as_whom() -> None:
    assert counted_as("192.0.2.7", ()) == "192.0.2.7"
    assert counted_as("2001:db8:1:2::5", ()) == counted_as("2001:db8:1:2:ffff::9", ())
    assert counted_as("2001:db8:1:2::5", ()) != counted_as("2001:db8:1:3::5", ())
    assert counted_as("10.0.0.3", ("10.0.0.0/24",)) == ""
    assert counted_as("", ()) == ""
    assert counted_as("::ffff:192.0.2.7", ()) == "192.0.2.7"
    for near in ("127.0.0.1", "127.0.0.2", "::1", "::ffff:127.0.0.1"):
        assert counted_as(near, ())
        assert counted_as(near, (), exempt_loopback=True) == ""
    assert counted_as("10.0.0.3", (), exempt_loopback=True) == "10.0.0.3"
    assert is_trusted("::ffff:10.0.0.3", ("10.0.0.0/24",))


def test_too_few_open_files_are_named() -> None:
    assert "ulimit -n" in too_few(1_024)
    assert too_few(65_536) == ""
    assert connections_for(256, 10_000) == 64
    assert connections_for(1_024, 10_000) == 824
    assert connections_for(65_536, 10_000) == 10_000


FORWARDED = [
    ([b"9.9.9.9"], "9.9.9.9"),
    ([b"1.1.1.1, 9.9.9.9"], "9.9.9.9"),
    ([b"1.1.1.1", b"9.9.9.9"], "9.9.9.9"),  # a line of its own below the client's
    ([b"1.1.1.1, 9.9.9.9, 10.0.0.2"], "9.9.9.9"),
    ([b"10.0.0.2"], "10.0.0.1"),
    ([b"1.1.1.1, nonsense"], ""),
    ([b"1.1.1.1, 9.9.9.9:51234"], "9.9.9.9"),
    ([b"[2001:db8::1]:443"], "2001:db8::1"),
    ([b"[2001:db8::1]"], "2001:db8::1"),
    ([b"2001:db8::1"], "2001:db8::1"),
    ([b"[2001:db8::1"], ""),
    ([b"9.9.9.9:"], ""),
    ([b"9.9.9.9:x"], ""),
    ([b"9.9.9.9, ::ffff:10.0.0.2"], "9.9.9.9"),
    ([b"9.9.9.9, 10.0.0.2:8080, [::ffff:10.0.0.2]:80"], "9.9.9.9"),
    ([b"::ffff:9.9.9.9"], "9.9.9.9"),
    ([], "10.0.0.1"),
]


@pytest.mark.parametrize(("lines", "address"), FORWARDED)
def test_the_address_is_the_one_that_the_proxy_added(lines: list[bytes], address: str) -> None:
    headers = [(b"x-forwarded-for", line) for line in lines]
    proxies = ("10.0.0.0/24",)
    assert address_in(headers, "10.0.0.1", proxies, "X-Forwarded-For") == address
    assert address_in(headers, "10.0.0.1", (), "X-Forwarded-For") == "10.0.0.1"
    assert address_in(headers, "192.0.2.1", proxies, "X-Forwarded-For") == "192.0.2.1"
