"""One decision about many people: the same entries as one by one, 500 in one turn of the writer.

Whom it changes nothing for is counted and not recorded. A person who is not there, or has become
part of another, is refused alone; the others go on.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

from msgspec import UNSET

from server.errors import BadRequest, Conflict
from server.model import STAGE_RANK, Kind
from server.reports.filter_values import Frame
from server.reports.people_filters import PeopleFilter, choices
from server.reports.people_list import ids_of
from server.reports.segments import stored_filter
from server.storage.database import Query, Row, Script, chunks, in_list, padded
from server.web.deciding import MOST_TAGS, Act, Turn, in_order, say
from server.web.decisions import WAIT_S, passed, run_deed
from server.web.operations import Call
from server.web.segment_bodies import (
    MOST_PEOPLE,
    Action,
    Bulk,
    BulkBody,
    LeaveThem,
    MoveThem,
    NotDone,
    OwnThem,
    TagThem,
)

#: Of a filter or a segment; everybody of a large site is moved by no slip of a finger.
MOST_FOUND = 5_000


class Standing(NamedTuple):
    """What the tables say of a person."""

    stage: int
    owner: str
    do_not_contact: bool
    tags: frozenset[str]


class Tally(NamedTuple):
    """What became of some people."""

    done: int
    unchanged: int
    refused: list[NotDone]


#: A decision's kind and what it says about somebody: None where that is so already. Raises
#: `Conflict` where it cannot be.
Said = Callable[[Standing], dict[str, Any] | None]


async def bulk_people(call: Call) -> Bulk:
    """The answer to `POST /people/bulk`; `call.body` is a `BulkBody`. Raises `BadRequest`, and
    `Conflict` for more people than it decides about at once."""
    body: BulkBody = call.body
    kind, said = reading(body.action)
    ids = await whom(call, body)
    until = asyncio.get_running_loop().time() + WAIT_S
    tallies, seq = [], 0
    for number, part in enumerate(chunks(ids, MOST_PEOPLE)):
        turn = await run_deed(call, partial(script, part, kind, said, not number), until)
        tallies.append(turn.value)
        seq = max(seq, turn.seq)
    return Bulk(
        done=sum(one.done for one in tallies),
        unchanged=sum(one.unchanged for one in tallies),
        refused=[one for tally in tallies for one in tally.refused],
        applied=await passed(call, seq, until),
    )


# ---------------------------------------------------------------- whom


async def whom(call: Call, body: BulkBody) -> list[int]:
    """The people of a body, each once. Raises `BadRequest`, `Conflict`, `NotFound`."""
    if sum(one is not UNSET for one in (body.people, body.filter, body.segment)) != 1:
        raise BadRequest("name exactly one of `people`, `filter` and `segment`")
    if body.people is not UNSET:
        return list(dict.fromkeys(_number(one) for one in body.people))
    async with call.state.database.snapshot() as reader:
        if body.filter is not UNSET:
            asked: PeopleFilter = body.filter
        else:
            asked = await stored_filter(reader, call.site, _number(str(body.segment)))
        now = call.state.clock()
        if not choices(asked, Frame(call.site, now)):  # blanks ask nothing either
            raise BadRequest("`filter` asks nothing: name at least one filter")
        found = await ids_of(reader, call.site, asked, now, 0, MOST_FOUND + 1)
    if len(found) > MOST_FOUND:
        raise Conflict(f"more than {MOST_FOUND:,} people fit: narrow the filter")
    return found


def _number(text: str) -> int:
    if len(text) > 19:
        raise BadRequest(f"`{text[:40]}` is no id")
    return int(text[1:])


# ---------------------------------------------------------------- what


def reading(action: Action) -> tuple[Kind, Said]:
    """What an action says of a person as he or she stands. Raises `BadRequest`."""
    if isinstance(action, TagThem):
        add, remove = _lines(action.add), _lines(action.remove)
        if not (add or remove):
            raise BadRequest("name at least one tag to add or to remove")
        return Kind.TAG, lambda known: _tagged(known, add, remove)
    if isinstance(action, MoveThem):
        rank, stage = STAGE_RANK[action.stage], action.stage
        return Kind.SET_STAGE, lambda known: None if known.stage == rank else {"stage": stage}
    if isinstance(action, OwnThem):
        (owner,) = _lines([action.owner]) or [""]
        return Kind.OWNER, lambda known: None if known.owner == owner else {"owner": owner}
    return Kind.DO_NOT_CONTACT, _left_alone(action)


def _left_alone(action: LeaveThem) -> Said:
    words = {"on": action.on, "text": action.reason.strip()}
    return lambda known: None if known.do_not_contact is action.on else words


def _tagged(known: Standing, add: Sequence[str], remove: Sequence[str]) -> dict[str, Any] | None:
    kept = (known.tags | set(add)) - set(remove)
    if kept == known.tags:
        return None
    if len(kept) > MOST_TAGS:
        raise Conflict(f"a person has at most {MOST_TAGS} tags; this would make {len(kept)}")
    return {"add": [*add], "remove": [*remove]}


def _lines(texts: Sequence[str]) -> list[str]:
    """Texts in one line each, without blanks. Raises `BadRequest`."""
    found = [" ".join(text.split()) for text in texts]
    if not all(one.isprintable() for one in found):
        raise BadRequest("a text holds a control character")
    return [one for one in found if one]


# ---------------------------------------------------------------- one turn


def script(
    ids: Sequence[int],
    kind: Kind,
    said: Said,
    first: bool,
    act: Act,
) -> Script[Turn]:
    """Decide about at most 500 people in one turn; the value is a `Tally`. What was decided before
    must be in the tables, or nobody knows what would change: `first` waits for that."""
    if first:
        yield from in_order(act, (kind,))
    known = yield from _known(act, ids)
    gone = [person_id for person_id in ids if person_id not in known]
    refused = [*(yield from _gone(act, gone))]
    words: list[tuple[Kind, dict[str, Any]]] = []
    unchanged = 0
    for person_id in ids:
        if person_id not in known:
            continue
        try:
            one = said(known[person_id])
        except Conflict as conflict:
            refused.append(NotDone(id=f"p{person_id}", reason=conflict.detail))
            continue
        if one is None:
            unchanged += 1
        else:
            words.append((kind, {"claim": person_id} | one))
    seq = (yield from say(act, words)) if words else 0
    return Turn(seq, Tally(len(words), unchanged, refused))


def _known(act: Act, ids: Sequence[int]) -> Script[dict[int, Standing]]:
    found: dict[int, Standing] = {}
    for part in chunks(ids):
        rows: list[Row] = yield Query(
            "SELECT p.person_id, s.stage, p.owner, p.do_not_contact, p.tags"
            " FROM persons p CROSS JOIN subjects s WHERE p.site_id = $1 AND p.gen = $2"
            " AND s.site_id = $1 AND s.gen = $2 AND s.kind = 1 AND s.subject_id = p.person_id"
            " AND p.person_id IN " + in_list(part, 3),
            (*act.scope, *padded(part)),
        )
        for person_id, stage, owner, do_not_contact, tags in rows:
            lines = frozenset(tags.split("\n")) - {""}
            found[person_id] = Standing(stage, owner, bool(do_not_contact), lines)
    return found


def _gone(act: Act, ids: Sequence[int]) -> Script[Iterator[NotDone]]:
    """Why nothing is decided about people of whom there is no row."""
    owners: dict[int, int] = {}
    for part in chunks(ids):
        rows: list[Row] = yield Query(
            "SELECT seq, max(person_id) FROM claims WHERE site_id = $1 AND gen = $2 AND seq IN "
            + in_list(part, 3)
            + " GROUP BY seq",
            (*act.scope, *padded(part)),
        )
        owners.update(dict(rows))
    return (
        NotDone(
            id=f"p{person_id}",
            reason=f"merged into p{owners[person_id]}"
            if owners.get(person_id)
            else "no such person",
        )
        for person_id in ids
    )
