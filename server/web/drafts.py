"""A site's draft as several people edit it: each change names the draft it was made on, so that
nobody takes back what somebody else has saved meanwhile without being told."""

import asyncio
from functools import partial
from typing import Any, NamedTuple

import msgspec

from server.errors import Conflict, NotFound
from server.model import Site
from server.project.document import write_document
from server.project.rules import Ruleset, decode, encode
from server.reports import rulesets as reports
from server.reports.rulesets import DraftDetail, page_groups_of
from server.storage import rulesets
from server.storage.database import Query, Reader, Script
from server.storage.rulesets import Stored
from server.web.operations import Call
from server.web.rulesets import read_given

CHANGED = (
    "somebody saved the draft after you opened it; nothing of yours was saved yet: look at the"
    " draft as it is now, then decide"
)
GONE = (
    "the draft you were working on was published or thrown away meanwhile; nothing of yours was"
    " saved yet"
)


class Working(NamedTuple):
    """What somebody edits: the draft, or what is in force where there is none. `revision` names the
    draft, empty is none; `at` is ms."""

    ruleset: Ruleset
    revision: str = ""
    base: int = 0
    author: str = ""
    at: int = 0
    stale: bool = False

    @property
    def document(self) -> dict[str, Any]:
        """As its author writes it."""
        found: dict[str, Any] = msgspec.json.decode(write_document(self.ruleset))
        return found


async def working(reader: Reader, site: Site) -> Working:
    """What a change would be made on now."""
    stored = await rulesets.read(reader, site.site_id, rulesets.DRAFT)
    if stored is None:
        return Working(await reports.named(reader, site, "published"))
    stale = stored.base != site.published.version
    said = stored.revision, stored.base, stored.author, stored.at
    return Working(decode(stored.document), *said, stale)


async def keep(call: Call, body: bytes, revision: str, base: int = 0) -> DraftDetail:
    """Save an author's document as the draft, in place of the draft named by `revision`; empty
    stands for none. `base` 0 keeps the version that the draft was begun from.

    Raises `RulesetRefused` with everything that is wrong, `Conflict` if the draft is another.
    """
    # A large document takes longer than anybody should wait for their turn.
    ruleset = await asyncio.to_thread(read_given, body, page_groups_of(call.site))
    await _save(call, ruleset, revision, base)
    async with call.state.database.snapshot() as reader:
        return await reports.draft(reader, call.site)


async def begin(call: Call, word: str, revision: str) -> DraftDetail:
    """A draft that is what a word names: a version's number, `published`, `draft` itself, or a
    preset; begun from the version in force. Raises `NotFound`, `RulesetRefused`, `Conflict`."""
    async with call.state.database.snapshot() as reader:
        ruleset = await reports.named(reader, call.site, word)
    return await keep(call, write_document(ruleset), revision, call.site.published.version)


async def drop(call: Call, revision: str) -> None:
    """Throw the draft away. Raises `Conflict` if it is another one than `revision`."""
    await call.state.writer.run(partial(_drop, call.site.site_id, revision))


async def _save(call: Call, ruleset: Ruleset, revision: str, base: int) -> None:
    document, site_id = encode(ruleset).decode(), call.site.site_id
    author, now = call.caller.author, call.state.clock()
    await call.state.writer.run(
        lambda: _replace(site_id, document, base, author, now, revision=revision)
    )


def _replace(
    site_id: int, document: str, base: int, author: str, now: int, *, revision: str
) -> Script[None]:
    known, version = yield from _known(site_id, revision)
    begun = base or (known.base if known else version)
    note = known.note if known else ""
    yield from rulesets.save_draft(site_id, document, begun, author, note, now)


def _drop(site_id: int, revision: str) -> Script[None]:
    yield from _known(site_id, revision)
    yield from rulesets.drop_draft(site_id)


def _known(site_id: int, revision: str) -> Script[tuple[Stored | None, int]]:
    """The draft, which must be `revision`, and the version in force; nobody changes either before
    the turn ends. Raises `Conflict`."""
    rows = yield Query(
        "UPDATE sites SET ruleset = ruleset WHERE site_id = $1 RETURNING ruleset", (site_id,)
    )
    if not rows:
        raise NotFound("no such site")
    try:
        known: Stored | None = yield from rulesets.draft(site_id)
    except NotFound:
        known = None
    if known is None and revision:
        raise Conflict(GONE)
    if known is not None and known.revision != revision:
        raise Conflict(CHANGED)
    return known, rows[0][0]
