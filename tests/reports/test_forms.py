"""What the registry of forms tells of fields that the tag never reads, and of those left out."""

import pytest

from server.model import FormRule, SiteSettings
from server.reports.forms import form, forms
from server.storage.database import Database
from tests.tracking import tracking

pytestmark = pytest.mark.anyio
PRIVATE = "private by its name, its autocomplete or data-hr-ignore: never read"


async def test_what_is_never_read_is_shown_with_a_reason(database: Database) -> None:
    denied = SiteSettings(forms=(FormRule("demo", deny=("phone",)),))
    async with tracking(database, denied) as world:
        ann = world.browser(1)
        unread = ["phone:tel", "pw:password", "csrf:hidden", "card:text", "go:submit", ":submit"]
        began = {"form": "demo", "fields": ["email", "budget"], "unread": unread}
        await ann.send(ann.event("form_start", "/demo", d=began))
        async with database.snapshot() as reader:
            (row,) = (await forms(reader, world.site)).items
            allowed = await form(reader, world.site, "demo", FormRule("demo"))
    assert [(one.name, one.stored, one.why) for one in row.fields] == [
        ("email", True, "contact: email"),
        ("budget", True, "qualifies: budget"),
        ("phone", False, "you left it out"),
        ("pw", False, "of type password: never read"),
        ("csrf", False, "of type hidden: never read"),
        ("card", False, PRIVATE),
    ]
    assert [one.name for one in row.fields if not one.read] == ["pw", "csrf", "card"]
    assert [one.name for one in allowed.fields if one.stored] == ["email", "budget", "phone"]
