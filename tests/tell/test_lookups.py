"""Names that nobody answers for, and who waits for them."""

import asyncio
import socket
import threading
from collections.abc import Sequence
from typing import Any

import pytest

from server.tell.guard import Guarded, Refused, SystemResolver
from server.tell.lookups import Lookups
from server.tell.signing import new_secret
from server.tell.webhooks import Webhooks
from tests.tell.receivers import receiving, until
from tests.tracking import NOON

pytestmark = pytest.mark.anyio
SECRET = new_secret()


class Names:
    """A resolver that answers a name when the test says so."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answers: dict[str, asyncio.Event] = {}

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        assert port == 443
        self.asked.append(host)
        await self.answers.setdefault(host, asyncio.Event()).wait()
        return ["8.8.8.8"]


async def test_an_address_is_never_looked_up() -> None:
    """In whatever form it is written."""
    names = Names()
    guarded = Guarded(names, frozenset({("127.0.0.1", 9000)}))
    assert await guarded.addresses(1, "8.8.8.8", 443) == ["8.8.8.8"]
    assert await guarded.addresses(1, "[2606:4700:4700::1111]", 443) == ["2606:4700:4700::1111"]
    assert await guarded.addresses(1, "127.0.0.1", 9000) == ["127.0.0.1"]
    for host in ("127.0.0.1", "127.1", "2130706433", "0x7f.1", "127.0.0.1.", "[::1]"):
        with pytest.raises(Refused, match="where nothing is sent"):
            await guarded.addresses(1, host, 443)
    assert names.asked == []


async def test_one_lookup_serves_all_who_ask_meanwhile() -> None:
    """Whoever they are; the next one asks anew, since a name may mean another address then."""
    names, lookups = Names(), Lookups(1)
    asking = [
        asyncio.create_task(lookups.of(site_id, "a.example", lambda: names("a.example", 443)))
        for site_id in (1, 1, 2, 3)
    ]
    await until(lambda: names.asked)
    asking[0].cancel()  # who began it may give up
    names.answers["a.example"].set()
    assert [await one for one in asking[1:]] == [["8.8.8.8"]] * 3
    assert names.asked == ["a.example"]
    await lookups.of(1, "a.example", lambda: names("a.example", 443))
    assert names.asked == ["a.example"] * 2


async def test_a_site_has_two_lookups_under_way() -> None:
    """Its others wait, also once nobody waits for those two; another site does not."""
    names, lookups = Names(), Lookups()

    async def ask(site_id: int, host: str) -> Sequence[str]:
        return await lookups.of(site_id, host, lambda: names(host, 443))

    dead = [asyncio.create_task(ask(1, f"{name}.dead.example")) for name in "abc"]
    await until(lambda: len(names.asked) == 2)
    for one in dead[:2]:
        one.cancel()
    await asyncio.gather(*dead[:2], return_exceptions=True)
    names.answers["own.example"] = asyncio.Event()
    names.answers["own.example"].set()
    assert await ask(2, "own.example") == ["8.8.8.8"]
    assert names.asked == ["a.dead.example", "b.dead.example", "own.example"]
    names.answers["a.dead.example"].set()
    await until(lambda: "c.dead.example" in names.asked)
    names.answers["c.dead.example"].set()
    assert await dead[2] == ["8.8.8.8"]
    await lookups.close()
    assert not lookups._under_way


async def test_a_lookup_that_fails_frees_its_place() -> None:
    """Each who waited hears of it."""
    lookups = Lookups(1)

    async def fail() -> Sequence[str]:
        raise socket.gaierror("no such name")

    for _ in range(3):
        asking = [lookups.of(1, "a.example", fail), lookups.of(1, "b.example", fail)]
        done = await asyncio.gather(*asking, return_exceptions=True)
        assert [type(one) for one in done] == [socket.gaierror] * 2


async def test_a_dead_name_server_delays_no_other_site(monkeypatch: pytest.MonkeyPatch) -> None:
    """A site that names forty hosts whose name server hangs: each attempt ends in time though its
    thread goes on, and what another site tells arrives meanwhile."""
    released, asked = threading.Event(), []
    real = socket.getaddrinfo

    def system(host: str, *args: Any, **more: Any) -> Any:
        if host.endswith(".dead.example"):
            asked.append(host)
            released.wait(20)
            raise socket.gaierror("timed out")
        return real("127.0.0.1" if host == "crm.example.com" else host, *args, **more)

    monkeypatch.setattr(socket, "getaddrinfo", system)
    async with receiving() as receiver:
        exempt = frozenset({("crm.example.com", receiver.port)})
        webhooks = Webhooks(SystemResolver(), exempt, of_site=40, timeout_s=1)

        async def told(url: str, site_id: int) -> str:
            done = await webhooks.send(url, "msg_1", b"{}", [SECRET], NOON, site_id=site_id)
            return done.words

        try:
            dead = [
                asyncio.create_task(told(f"https://h{number}.dead.example/", 1))
                for number in range(40)
            ]
            await until(lambda: len(asked) == 2)
            url = f"http://crm.example.com:{receiver.port}/"
            assert await told(url, 2) == "answered 200 OK"
            assert {await one for one in dead} == {"no answer within 1 s"}
            assert len(asked) == 2
        finally:
            released.set()
            await webhooks.close()
