"""Wrong passwords: whoever guesses waits, whoever was here does not, and nobody learns anything."""

import asyncio
import statistics
import time

import pytest
from markupsafe import escape

from server.starting import command
from server.web.backoff import FREE, MOST_MS, Backoff
from server.web.sign_in import KNOWN
from tests.office import Office
from tests.tracking import DAY
from tests.web.signing_in import EMAIL, arrived, choose, inside, sign_in

pytestmark = [pytest.mark.anyio, pytest.mark.slow]
ONE_ENGINE = pytest.mark.parametrize("place", ["sqlite"], indirect=True)


@ONE_ENGINE
async def test_the_password_of_now_is_not_guessed_in_an_open_browser(office: Office) -> None:
    async with arrived(office) as client:
        await choose(client)
        found = [(await choose(client, before="wrong words here")).status_code for _ in range(8)]
        assert found == [403] * FREE + [429] * (8 - FREE)
        assert await inside(client)


@ONE_ENGINE
async def test_a_flood_keeps_out_nobody_who_was_here(office: Office) -> None:
    """Strangers have a queue of their own, which is short; a known browser passes them by."""
    async with arrived(office) as home, office.client() as crowd:
        await choose(home)
        await home.post("/sign-out")
        async with asyncio.TaskGroup() as group:
            strangers = [
                group.create_task(sign_in(crowd, "wrong words", f"x{n}@office.example"))
                for n in range(30)
            ]
            known = group.create_task(sign_in(home))
        assert known.result().status_code == 303, known.result().text[-900:]
        assert 503 in {one.result().status_code for one in strangers}


@ONE_ENGINE
async def test_guessing_is_slow_and_locks_nobody_out(office: Office) -> None:
    """After five tries there is a wait; whoever signed in before is not slowed by strangers, and
    the link from the terminal opens in any case."""
    async with arrived(office) as home, office.client() as thief:
        await choose(home)
        await home.post("/sign-out")
        for _ in range(FREE):
            assert (await sign_in(thief, "wrong words here")).status_code == 401
        refused = await sign_in(thief)  # the right one, but too soon
        assert refused.status_code == 429
        assert int(refused.headers["retry-after"]) >= 1
        assert escape(command("link", to_all=True)) in refused.text
        assert not await inside(thief)
        assert KNOWN in home.cookies
        assert (await sign_in(home)).status_code == 303
        office.world.now += MOST_MS
        assert (await sign_in(thief)).status_code == 303
    async with arrived(office) as client:
        assert await inside(client)


@ONE_ENGINE
async def test_a_known_browser_is_known_for_its_own_account_only(office: Office) -> None:
    """Somebody's browser is a stranger to everybody else's account."""
    async with arrived(office) as home, office.client() as member:
        await choose(home)
        member.cookies.set(KNOWN, home.cookies[KNOWN], path="/sign-in")
        for _ in range(FREE):
            await sign_in(member, "wrong words here", "other@office.example")
        assert (await sign_in(member, "x", "other@office.example")).status_code == 429
        member.cookies.set(KNOWN, home.cookies[KNOWN][:-2] + "xx", path="/sign-in")
        assert (await sign_in(member, "x", "other@office.example")).status_code == 429


@ONE_ENGINE
async def test_nobody_learns_which_e_mails_there_are(office: Office) -> None:
    """The same words and the same time for an e-mail nobody has; medians of 20 within a third."""
    async with arrived(office) as home:
        await choose(home)
    taken: dict[str, list[float]] = {EMAIL: [], "nobody@office.example": []}
    pages: dict[str, str] = {}
    async with office.client() as thief:
        await sign_in(thief, "wrong words here")  # the hash of nobody is made once
        for _ in range(20):
            for email, times in taken.items():
                office.app.state.backoff = Backoff()
                begun = time.process_time()
                answer = await sign_in(thief, "wrong words here", email)
                times.append(time.process_time() - begun)
                assert answer.status_code == 401
                pages[email] = answer.text.replace(email, "")
    known, unknown = (statistics.median(times) for times in taken.values())
    assert abs(known - unknown) < max(known, unknown) / 3
    assert len(set(pages.values())) == 1


@pytest.mark.parametrize(
    ("tries", "waited", "wait"),
    [
        (0, 0, 0),
        (FREE - 1, 0, 0),
        (FREE, 0, 2_000),
        (FREE, 1_500, 500),
        (FREE, 2_000, 0),
        (FREE + 3, 0, 16_000),
        (1_000, 0, MOST_MS),
        (1_000, DAY, 0),
    ],
)
def test_waiting(tries: int, waited: int, wait: int) -> None:
    """Tries without a wait, then twice as long each time, five minutes at most, a day in all."""
    backoff = Backoff()
    for _ in range(tries):
        backoff.tried(["account a"], 1_000)
    assert backoff.wait_ms(["account a", "address b"], 1_000 + waited) == wait
    assert backoff.wait_ms(["account c"], 1_000 + waited) == 0
    backoff.succeeded(["account a"])
    assert backoff.wait_ms(["account a"], 1_000 + waited) == 0


def test_a_clock_that_is_put_back_makes_nobody_wait_longer() -> None:
    """Five minutes at most, by whatever clock."""
    backoff = Backoff()
    for _ in range(1_000):
        backoff.tried(["account a"], 10 * DAY)
    assert backoff.wait_ms(["account a"], 9 * DAY) == MOST_MS
    assert backoff.wait_ms(["account a"], 9 * DAY + MOST_MS) == 0
