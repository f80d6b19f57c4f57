"""The routes of erasing: what would go, erase, how far it is; and the export of a person."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import msgspec
from starlette.responses import Response, StreamingResponse

from server.errors import BadRequest, Moved, NotFound
from server.reports import erasure, people
from server.reports.erasure_shapes import (
    Erasure,
    ErasurePreview,
    Erasures,
    ErasureStarted,
    Receipt,
)
from server.reports.export import person_json
from server.reports.shapes import iso
from server.storage import erasing
from server.storage.database import Reader
from server.storage.erasing import Job
from server.web.operations import JSON, Call

#: How long an answer waits for the receipt.
WAIT_S = 2.0
LISTED = 100


def name_of(number: int) -> str:
    """The id of an erasure; what followed from a withdrawn consent has a number below zero."""
    return f"r{number}" if number > 0 else f"w{-number}"


def shown(job: Job) -> Erasure:
    done = job.done_at is not None
    return Erasure(
        id=name_of(job.erasure_id),
        subject=job.subject,
        author=job.author,
        asked_at=iso(job.asked_at),
        done_at=iso(job.done_at) if job.done_at is not None else None,
        receipt=msgspec.json.decode(job.receipt, type=Receipt) if done else None,
    )


async def _person(reader: Reader, call: Call) -> str:
    """The person of the path. Raises `Moved` for one that is part of another, and `NotFound`."""
    person_id = call.path_id("person_id", "p")
    other = await people.merged_into(reader, call.site, person_id)
    if other:
        path = call.request.url.path.replace(f"/people/p{person_id}", f"/people/p{other}")
        raise Moved(f"p{person_id} was merged into p{other}", location=path)
    return f"p{person_id}"


async def _visitor(reader: Reader, call: Call) -> str:
    visitor_id = call.path_id("visitor_id", "v")
    if not await erasure.known_visitor(reader, call.site, visitor_id):
        raise NotFound("no such visitor")
    return f"v{visitor_id}"


async def preview_person(call: Call) -> ErasurePreview:
    async with call.state.database.snapshot() as reader:
        return await erasure.preview(reader, call.site, await _person(reader, call))


async def preview_visitor(call: Call) -> ErasurePreview:
    async with call.state.database.snapshot() as reader:
        return await erasure.preview(reader, call.site, await _visitor(reader, call))


async def erase_person(call: Call) -> Response:
    subject = f"p{call.path_id('person_id', 'p')}"
    async with call.state.database.snapshot() as reader:
        number = await erasing.under_way(reader, call.site.site_id, subject)
        if not number:
            await _person(reader, call)
    return await _erase(call, subject, number)


async def erase_visitor(call: Call) -> Response:
    subject = f"v{call.path_id('visitor_id', 'v')}"
    async with call.state.database.snapshot() as reader:
        number = await erasing.under_way(reader, call.site.site_id, subject)
        if not number:
            await _visitor(reader, call)
    return await _erase(call, subject, number)


async def _erase(call: Call, subject: str, number: int) -> Response:
    """The receipt, or where it takes longer the id under which it will be."""
    eraser, site_id = call.state.eraser, call.site.site_id
    number = number or await eraser.ask(site_id, subject, call.caller.author)
    answer: Erasure | ErasureStarted = ErasureStarted(erasure=name_of(number))
    with suppress(TimeoutError):  # it goes on, and the answer says where to look
        async with asyncio.timeout(WAIT_S):
            answer = shown(await eraser.wait(site_id, number))
    status = 200 if isinstance(answer, Erasure) else 202
    headers = {"Cache-Control": "no-store"}
    return Response(msgspec.json.encode(answer), status, headers, media_type=JSON)


async def list_erasures(call: Call) -> Erasures:
    async with call.state.database.snapshot() as reader:
        found = await erasing.jobs(reader, call.site.site_id, LISTED)
    return Erasures(items=[shown(job) for job in found])


async def get_erasure(call: Call) -> Erasure:
    text: str = call.request.path_params["erasure_id"]
    if text[:1] not in {"r", "w"}:
        raise BadRequest(f"`{text[:40]}` is no id here: one looks like r3")
    number = call.path_id("erasure_id", text[:1]) * (1 if text[0] == "r" else -1)
    async with call.state.database.snapshot() as reader:
        return shown(await erasing.job(reader, call.site.site_id, number))


async def export_person(call: Call) -> Response:
    """The first piece is read before the answer begins, so a fault is still an answer."""
    async with call.state.database.snapshot() as reader:
        person_id = int((await _person(reader, call))[1:])
    pieces = person_json(call.state.database.snapshot, call.site, person_id)
    first = await anext(pieces)

    async def every() -> AsyncIterator[bytes]:
        yield first
        async for piece in pieces:
            yield piece

    return StreamingResponse(every(), media_type=JSON, headers={"Cache-Control": "no-store"})
