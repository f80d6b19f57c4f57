"""The routes of decisions: read the body, append in one turn, wait for the projector, answer.

The answer is the resource as it is then; where the projector takes longer, 202 and the number of
the decision, which is in the log already.
"""

import asyncio
import re
from collections.abc import Callable, Mapping

import msgspec
from starlette.responses import Response

from server.errors import BadRequest
from server.ingest.emails import is_reserved, normalise_email, normalise_phone, normalise_user_id
from server.model import Identifier, Kind
from server.project.rules import Value
from server.reports import people
from server.reports.shapes import PersonDetail
from server.storage.database import Script
from server.web import classifying, deciding
from server.web.collect import read_body
from server.web.deciding import Act, Behind, Turn
from server.web.decision_bodies import (
    Classified,
    DoNotContact,
    Known,
    Later,
    NewClass,
    NewNote,
    NewOwner,
    NewStage,
    OtherPerson,
    TagChange,
    WhichMerge,
    read_traits,
)
from server.web.operations import BODY_BYTES, JSON, Call

#: How long an answer waits for the projector.
WAIT_S = 2.0
Deed = Callable[[Act], Script[Turn]]


async def decide(call: Call, deed: Deed) -> tuple[Turn, bool]:
    """Run a script, and whether the projector has passed what it appended."""
    until = asyncio.get_running_loop().time() + WAIT_S
    turn = await run_deed(call, deed, until)
    return turn, await passed(call, turn.seq, until)


async def run_deed(call: Call, deed: Deed, until: float) -> Turn:
    """Run a script, again once what it waits for is projected; `until` is a moment of the event
    loop (s). Raises `Behind` after that."""
    state, site_id = call.state, call.site.site_id
    while True:
        act = Act(
            state.sites.by_id[site_id], call.caller.author, state.clock(), call.request.url.path
        )
        try:
            turn: Turn = await state.writer.run(lambda act=act: deed(act))  # type: ignore[misc]
            return turn
        except Behind as behind:
            if not await passed(call, behind.seq, until):
                raise


async def passed(call: Call, seq: int, until: float) -> bool:
    """Whether the projector passes an entry before `until`, a moment of the event loop (s)."""
    try:
        async with asyncio.timeout_at(until):
            await call.state.projector.passed(call.site.site_id, seq)
    except TimeoutError:
        return False
    return True


def later(seq: int) -> Response:
    body = msgspec.json.encode(Later(seq=seq))
    return Response(body, 202, headers={"Cache-Control": "no-store"}, media_type=JSON)


async def _person(call: Call, deed: Callable[[Act, int], Script[Turn]]) -> PersonDetail | Response:
    """Decide about the person of the path; the person afterwards."""
    person_id = call.path_id("person_id", "p")
    turn, done = await decide(call, lambda act: deed(act, person_id))
    if not done:
        return later(turn.seq)
    site = call.state.sites.by_id[call.site.site_id]
    async with call.state.database.snapshot() as reader:
        person_id = await people.merged_into(reader, site, person_id) or person_id
        return await people.person(reader, site, person_id)


def _line(text: str) -> str:
    """A text in one line. Raises `BadRequest`."""
    line = " ".join(text.split())
    if not line.isprintable():
        raise BadRequest("a text holds a control character")
    return line


# ---------------------------------------------------------------- people


async def merge(call: Call) -> PersonDetail | Response:
    body: OtherPerson = call.body
    other = _number(body.other)
    return await _person(call, lambda act, person_id: deciding.merge(act, person_id, other))


async def split(call: Call) -> PersonDetail | Response:
    body: WhichMerge = call.body
    merge_seq = _number(body.merge)
    return await _person(call, lambda act, person_id: deciding.split(act, person_id, merge_seq))


def _number(text: str) -> int:
    """The number of an id whose letter is right."""
    if not re.fullmatch(r"[a-z][1-9][0-9]{0,17}", text):
        raise BadRequest(f"`{text[:40]}` is no id")
    return int(text[1:])


async def verify(call: Call) -> PersonDetail | Response:
    body: Known = call.body
    read = {"email": normalise_email, "user_id": normalise_user_id, "phone": normalise_phone}
    value = read[body.type](body.value)
    if value is None or is_reserved(value):
        raise BadRequest(f"`{body.value[:60]}` is no {body.type.replace('_', ' ')}")
    known = Identifier(body.type, value)
    return await _person(call, lambda act, person_id: deciding.verify(act, person_id, known))


async def set_stage(call: Call) -> PersonDetail | Response:
    body: NewStage = call.body
    return await _plain(call, Kind.SET_STAGE, {"stage": body.stage})


async def tag(call: Call) -> PersonDetail | Response:
    body: TagChange = call.body
    add, remove = ([_line(one) for one in tags] for tags in (body.add, body.remove))
    if not (add or remove) or "" in {*add, *remove}:
        raise BadRequest("name at least one tag to add or to remove, and none that is blank")
    return await _person(call, lambda act, person_id: deciding.tag(act, person_id, add, remove))


async def add_note(call: Call) -> PersonDetail | Response:
    body: NewNote = call.body
    if not body.text.strip():
        raise BadRequest("the note is blank")
    return await _plain(call, Kind.NOTE, {"text": body.text.strip()})


async def delete_note(call: Call) -> PersonDetail | Response:
    note = call.path_id("note_id", "e")
    return await _person(call, lambda act, person_id: deciding.delete_note(act, person_id, note))


async def set_owner(call: Call) -> PersonDetail | Response:
    body: NewOwner = call.body
    return await _plain(call, Kind.OWNER, {"owner": _line(body.owner)})


async def set_traits(call: Call) -> PersonDetail | Response:
    return await give_traits(call, read_traits(await read_body(call.request.receive, BODY_BYTES)))


async def give_traits(call: Call, values: Mapping[str, Value | None]) -> PersonDetail | Response:
    """Traits as somebody knows them; None takes back what was given by hand."""
    return await _person(call, lambda act, person_id: deciding.traits(act, person_id, values))


async def do_not_contact(call: Call) -> PersonDetail | Response:
    body: DoNotContact = call.body
    return await _plain(call, Kind.DO_NOT_CONTACT, {"on": body.on, "text": body.reason.strip()})


async def _plain(call: Call, kind: Kind, words: dict[str, object]) -> PersonDetail | Response:
    return await _person(call, lambda act, p: deciding.plain(act, p, kind, words))


# ---------------------------------------------------------------- classes


async def classify_person(call: Call) -> Classified | Response:
    person_id = call.path_id("person_id", "p")
    body: NewClass = call.body
    return await _classified(
        call,
        lambda act: classifying.classify_person(act, person_id, body.class_, body.reason),
    )


async def classify_visitor(call: Call) -> Classified | Response:
    visitor_id = call.path_id("visitor_id", "v")
    body: NewClass = call.body
    return await _classified(
        call,
        lambda act: classifying.classify_visitor(act, visitor_id, body.class_, body.reason),
    )


async def classify_event(call: Call) -> Classified | Response:
    seq = call.path_id("event_id", "e")
    body: NewClass = call.body
    return await _classified(
        call, lambda act: classifying.classify_event(act, seq, body.class_, body.reason)
    )


async def _classified(call: Call, deed: Deed) -> Classified | Response:
    turn, done = await decide(call, deed)
    if not done:
        return later(turn.seq)
    found: classifying.Targets = turn.value
    return Classified(
        class_=call.body.class_,
        visitors=[f"v{visitor_id}" for visitor_id in found.visitors],
        events=[f"e{seq}" for seq in found.events],
    )
