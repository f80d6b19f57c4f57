"""Rulesets as commands: saved, thrown away, published; each a script of one writer turn."""

from server.errors import Conflict
from server.model import Kind
from server.storage import audit, entries, rulesets
from server.storage.database import Script
from server.storage.names import Names
from server.web.commands import decision


def publish(
    site_id: int,
    author: str,
    now: int,
    *,
    notify: bool = False,
    note: str = "",
    revision: str = "",
) -> Script[int]:
    """Put the draft in force, as a decision of the log; the version's number.

    `notify`: whoever crosses a threshold by it is told of like anybody else; otherwise the moves
    are recorded and nobody hears. Raises `NotFound` without a draft, `Conflict` if another version
    was published since the draft was begun, or if the draft is not `revision` (empty: any).
    """
    draft = yield from rulesets.draft(site_id)
    version = yield from rulesets.next_version(site_id, draft.base)
    if revision not in {"", draft.revision}:
        raise Conflict(
            f"{draft.author or 'somebody'} saved another draft meanwhile: look at it, then publish"
        )
    said = {"version": version, "base": draft.base, "notify": notify, "author": author}
    entry = decision(Kind.RULESET, said, now)
    appended = yield from entries.append(site_id, [entry], Names())
    stored = draft._replace(
        version=version,
        author=author,
        note=note or draft.note,
        at=now,
        seq=appended.seqs[0],
        notify=int(notify),
    )
    yield from rulesets.publish(site_id, stored)
    yield from audit.add(site_id, author, "publish", f"ruleset version {version}", now)
    return version
