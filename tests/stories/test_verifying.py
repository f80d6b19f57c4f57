"""Somebody says whose an address is, though another one came with it; and takes it back."""

import pytest

from server.model import Identifier, Kind
from server.storage.database import Database
from server.web import deciding
from tests.stories.deciding import decide, persons
from tests.tracking import World, tracking

pytestmark = pytest.mark.anyio
A, B, C, X = (f"{name}@brew.example" for name in "abcx")


async def three(world: World) -> dict[str, int]:
    """Ann, Bob and Cleo, each on a browser of their own."""
    for number, email in enumerate((A, B, C), 1):
        browser = world.browser(number)
        await browser.view("/")
        await browser.submit("demo", email=email)
    await world.project()
    return await persons(world)


async def owners(world: World) -> dict[str, tuple[int, int]]:
    """Person and level of each address."""
    return {row[0]: row[1:] for row in await world.rows("identifiers", "value, person_id, level")}


async def test_the_next_event_does_not_undo_it(database: Database) -> None:
    """Bob has Ann's address, and keeps his own number; the one who came with it comes again."""
    async with tracking(database) as world:
        ids = await three(world)
        await decide(world, deciding.verify, ids[B], Identifier("email", A))
        for _ in range(2):
            assert await owners(world) == {A: (ids[B], 4), B: (ids[B], 1), C: (ids[C], 1)}
            await world.browser(1).submit("newsletter", email=A)
            await world.project()
        assert {row[0] for row in await world.rows("claims", "person_id")} == {ids[B], ids[C]}


async def test_what_was_said_meanwhile_stays_with_whom_it_was_said_of(database: Database) -> None:
    """Bob's owner, and that he is Cleo too, are not Ann's once her address is hers again."""
    async with tracking(database) as world:
        ids = await three(world)
        verified = await decide(world, deciding.verify, ids[B], Identifier("email", A))
        bob = (await owners(world))[B][0]
        await decide(world, deciding.plain, bob, Kind.OWNER, {"owner": "Olga"})
        await decide(world, deciding.merge, bob, ids[C])
        assert set(dict(await world.rows("claims", "value, person_id")).values()) == {bob}
        await decide(world, deciding.split, bob, verified)
        found: dict[str, int] = dict(await world.rows("claims", "value, person_id"))
        assert found[A] == ids[A]
        assert found[B] == found[C] == ids[B]
        assert await world.rows("persons", "person_id, owner") == [(ids[A], ""), (ids[B], "Olga")]


@pytest.mark.parametrize("comes", [False, True])
async def test_an_address_of_somebody_who_is_nobody_any_more(
    database: Database, comes: bool
) -> None:
    """Ann was given a second address, then her first went to Bob: nothing of her is left. Whoever
    comes with the second is the person it was given to."""
    async with tracking(database) as world:
        ids = await three(world)
        given = await decide(world, deciding.verify, ids[A], Identifier("email", X))
        taken = await decide(world, deciding.verify, ids[B], Identifier("email", A))
        assert await owners(world) == {A: (ids[B], 4), B: (ids[B], 1), C: (ids[C], 1), X: (0, 4)}
        if comes:
            await world.browser(4).submit("demo", email=X)
            await world.project()
            person, level = (await owners(world))[X]
            assert person == (await persons(world))[X] > ids[C]
            assert level == 4
        await decide(world, deciding.split, ids[B], given)
        assert (X in await owners(world)) is comes
        await decide(world, deciding.split, ids[B], taken)
        found = await owners(world)
        assert (found[A], found[B]) == ((ids[A], 1), (ids[B], 1))
