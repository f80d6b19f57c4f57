"""One number tells a node that another has changed what it keeps in memory."""

import pytest

from server.model import SiteSettings
from server.storage import changes, generations, rulesets, sites, tokens
from server.storage.database import Database, ScriptMaker
from server.storage.rulesets import Stored
from server.web import commands
from tests.storage.world import NOW, add_site, run

pytestmark = pytest.mark.anyio

MAKERS: dict[str, ScriptMaker] = {
    "a site": lambda: sites.add("Brew", "k9", "secret", SiteSettings(), NOW),
    "its name": lambda: commands.rename_site(1, "Brewery", "ann", NOW),
    "its settings": lambda: sites.change_settings(1, SiteSettings(zone="Asia/Tokyo"), shapes=False),
    "its key": lambda: sites.rotate_key(1, "k3"),
    "its secret": lambda: sites.rotate_secret(1, "another"),
    "a ruleset": lambda: rulesets.publish(1, Stored(2, 1, "{}", "ann", "", NOW, 0, 0)),
    "a token": lambda: tokens.add(1, "hr_token", "read", "", "ann", NOW),
    "one less": lambda: commands.revoke_token(1, 1, "ann", NOW),
    "a generation": lambda: generations.begin(1, 2),
    "in place": lambda: generations.swap(1, 1, 2),
}
#: What every node reads from the tables whenever it needs it.
READ = {"a generation"}


async def test_whatever_nodes_keep_in_memory_raises_it(database: Database) -> None:
    await add_site(database)
    raised, before = set(), await number(database)
    for name, maker in MAKERS.items():
        await run(database, maker)
        after = await number(database)
        assert after >= before
        if after > before:
            raised.add(name)
        before = after
    assert raised == MAKERS.keys() - READ


async def number(database: Database) -> int:
    async with database.snapshot() as reader:
        return await changes.number(reader)
