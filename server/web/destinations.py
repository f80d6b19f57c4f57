"""The routes of destinations: where consequences are told, how it went, and telling them again."""

import re
import secrets
from urllib.parse import urlsplit

import msgspec
from msgspec import UNSET
from msgspec.structs import replace
from starlette.responses import Response

from server.errors import BadRequest, Conflict, NotFound
from server.ingest.emails import normalise_email
from server.reports import paging
from server.reports.moments import read_time
from server.reports.shapes import iso
from server.storage import deliveries
from server.storage import destinations as rows
from server.storage.database import Reader
from server.storage.deliveries import Delivery
from server.storage.destinations import (
    MAIL,
    WEBHOOK,
    Destination,
    DestinationSettings,
    Wants,
)
from server.tell import changes
from server.tell.addresses import check_url
from server.tell.signing import new_secret
from server.web.destination_bodies import (
    Deliveries,
    DeliveriesQuery,
    DeliveryCounts,
    DeliveryRow,
    DestinationChange,
    DestinationRow,
    Destinations,
    DestinationSecret,
    EnableBody,
    MadeDestination,
    NewDestination,
    ReplayBody,
    Replayed,
    TestOutcome,
    TryRow,
    WantsBody,
)
from server.web.operations import Call

LAST = 2**62
EMPTY = Response(status_code=204, headers={"Cache-Control": "no-store"})


async def list_destinations(call: Call) -> Destinations:
    site_id = call.site.site_id
    async with call.state.database.snapshot() as reader:
        found = await rows.of_site(reader, site_id)
        counts = await deliveries.counts(reader, site_id)
    return Destinations(items=[_row(one, counts) for one in found])


async def get_destination(call: Call) -> DestinationRow:
    async with call.state.database.snapshot() as reader:
        return await _read(reader, call)


async def _read(reader: Reader, call: Call) -> DestinationRow:
    site_id, number = call.site.site_id, call.path_id("destination_id", "d")
    found = await rows.get(reader, site_id, number)
    return _row(found, await deliveries.counts(reader, site_id))


async def _now(call: Call) -> DestinationRow:
    """The destination after whatever the call changed; its courier learns of it."""
    call.state.teller.look()
    return await get_destination(call)


def _row(found: Destination, counts: dict[tuple[int, str], int]) -> DestinationRow:
    settings = found.settings
    return DestinationRow(
        id=f"d{found.destination_id}",
        kind="mail" if found.kind == MAIL else "webhook",
        name=settings.name,
        url=settings.url,
        to=settings.to,
        wants=msgspec.convert(msgspec.to_builtins(settings.wants), WantsBody),
        enabled=found.disabled_at is None,
        reason=found.reason,
        created_at=iso(found.created_at),
        cursor=found.cursor,
        deliveries=DeliveryCounts(
            **{
                state: counts.get((found.destination_id, state), 0)
                for state in DeliveryCounts.__struct_fields__
            }
        ),
    )


# ---------------------------------------------------------------- changing


async def add_destination(call: Call) -> MadeDestination:
    body: NewDestination = call.body
    state, now, author = call.state, call.state.clock(), call.caller.author
    settings = DestinationSettings(
        uid=secrets.token_hex(8),
        name=_name(body.name),
        url=body.url,
        to=_addresses(body.to),
        secret=new_secret() if body.kind == WEBHOOK else "",
        wants=_wants(body.wants),
    )
    _check(call, body.kind, settings)
    site_id = call.site.site_id
    async with state.database.snapshot() as reader:
        if len(await rows.of_site(reader, site_id)) >= changes.MOST:
            raise Conflict(f"a site has at most {changes.MOST} destinations: remove one")
    made = await state.writer.run(lambda: changes.add(site_id, body.kind, settings, author, now))
    state.teller.look()
    row = _row(made, {})
    fields = {name: getattr(row, name) for name in DestinationRow.__struct_fields__}
    return MadeDestination(**fields, secret=settings.secret or None)


async def change_destination(call: Call) -> DestinationRow:
    body: DestinationChange = call.body
    site_id, number = call.site.site_id, call.path_id("destination_id", "d")
    state, now, author = call.state, call.state.clock(), call.caller.author
    async with state.database.snapshot() as reader:
        known = await rows.get(reader, site_id, number)
    given = {
        name: value
        for name, value in (
            ("name", body.name if body.name is UNSET else _name(body.name)),
            ("url", body.url),
            ("to", body.to if body.to is UNSET else _addresses(body.to)),
            ("wants", body.wants if body.wants is UNSET else _wants(body.wants)),
        )
        if value is not UNSET
    }
    if not given:
        raise BadRequest("name at least one thing to change")
    _check(call, known.kind, replace(known.settings, **given))
    await state.writer.run(lambda: changes.change(site_id, number, given, author, now))
    return await _now(call)


def _check(call: Call, kind: str, settings: DestinationSettings) -> None:
    """Whether it can be told at all. Raises `BadRequest` with a sentence."""
    state = call.state
    if kind == MAIL:
        if settings.url or not settings.to:
            raise BadRequest("a mail needs addresses in `to`, and no `url`")
        state.teller.post.mailbox.check()
        return
    if settings.to or not settings.url:
        raise BadRequest("a webhook needs a `url`, and no addresses in `to`")
    own = urlsplit(state.base_url).hostname
    check_url(settings.url, state.teller.exempt, (own,) if own else ())


def _name(text: str) -> str:
    line = " ".join(text.split())
    if not line.isprintable():
        raise BadRequest("the name holds a control character")
    return line


def _addresses(given: tuple[str, ...]) -> tuple[str, ...]:
    found = []
    for one in given:
        address = normalise_email(one)
        if address is None:
            raise BadRequest(f"`{one[:60]}` is no e-mail address")
        found.append(address)
    return tuple(dict.fromkeys(found))


def _wants(body: WantsBody) -> Wants:
    if any(not re.fullmatch(r"[a-z][a-z0-9_]{0,63}", key) for key in body.thresholds or ()):
        raise BadRequest("`thresholds` holds keys of the ruleset, such as mql")
    return Wants(kinds=body.kinds, stages=body.stages, thresholds=body.thresholds)


async def remove_destination(call: Call) -> Response:
    site_id, number = call.site.site_id, call.path_id("destination_id", "d")
    now, author = call.state.clock(), call.caller.author
    await call.state.writer.run(lambda: changes.remove(site_id, number, author, now))
    call.state.teller.look()
    return EMPTY


async def disable_destination(call: Call) -> DestinationRow:
    site_id, number = call.site.site_id, call.path_id("destination_id", "d")
    now, author = call.state.clock(), call.caller.author
    await call.state.writer.run(lambda: changes.disable(site_id, number, author, now))
    return await _now(call)


async def enable_destination(call: Call) -> DestinationRow:
    body: EnableBody = call.body
    site_id, number = call.site.site_id, call.path_id("destination_id", "d")
    now, author = call.state.clock(), call.caller.author
    await call.state.writer.run(
        lambda: changes.enable(site_id, number, author, now, catch_up=body.catch_up)
    )
    return await _now(call)


# ---------------------------------------------------------------- secrets


async def get_secret(call: Call) -> DestinationSecret:
    site_id, number = call.site.site_id, call.path_id("destination_id", "d")
    async with call.state.database.snapshot() as reader:
        found = await rows.get(reader, site_id, number)
    if not found.settings.secret:
        raise NotFound("a mail is not signed: it has no secret")
    return _secret(found, call.state.clock())


async def rotate_secret(call: Call) -> DestinationSecret:
    site_id, number = call.site.site_id, call.path_id("destination_id", "d")
    now, author, secret = call.state.clock(), call.caller.author, new_secret()
    made: Destination = await call.state.writer.run(
        lambda: changes.rotate(site_id, number, secret, author, now)
    )
    call.state.teller.look()
    return _secret(made, now)


def _secret(found: Destination, now: int) -> DestinationSecret:
    newest, *before = found.settings.secrets(now)
    return DestinationSecret(
        secret=newest,
        before=before[0] if before else None,
        before_until=iso(found.settings.before_until) if before else None,
    )


# ---------------------------------------------------------------- how it went


async def test_destination(call: Call) -> TestOutcome:
    site_id, number = call.site.site_id, call.path_id("destination_id", "d")
    state, now, author = call.state, call.state.clock(), call.caller.author
    async with state.database.snapshot() as reader:
        found = await rows.get(reader, site_id, number)
    outcome = await state.teller.test(found)
    await state.writer.run(lambda: changes.tested(site_id, number, author, now), moves=False)
    return TestOutcome(
        ok=outcome.ok,
        words=outcome.words,
        status=outcome.status,
        answer="" if outcome.ok else outcome.answer,
    )


async def list_deliveries(call: Call) -> Deliveries:
    query: DeliveriesQuery = call.query
    site_id, number = call.site.site_id, call.path_id("destination_id", "d")
    key = paging.decode("deliveries", query.cursor, (int,))
    before = int(key[0]) if key else LAST
    state = "" if query.state is UNSET else query.state
    async with call.state.database.snapshot() as reader:
        await rows.get(reader, site_id, number)
        found = await deliveries.newest(reader, site_id, number, state, before, query.limit + 1)
    page, more = paging.bound(query.limit, found)
    following = paging.encode("deliveries", (page[-1].seq,)) if more else None
    return Deliveries(items=[_delivery(one) for one in page], next=following)


def _delivery(one: Delivery) -> DeliveryRow:
    return DeliveryRow(
        event=f"e{one.seq}",
        state=one.state,  # type: ignore[arg-type]  # written by us from the same words
        attempts=one.attempts,
        next_at=iso(one.next_at) if one.next_at else None,
        words=one.words,
        tries=[TryRow(at=iso(each.at), status=each.status, ms=each.ms) for each in one.tries],
    )


async def replay(call: Call) -> Replayed:
    body: ReplayBody = call.body
    site_id, number = call.site.site_id, call.path_id("destination_id", "d")
    state, now, author = call.state, call.state.clock(), call.caller.author
    if (body.event is UNSET) == (body.since is UNSET):
        raise BadRequest("name either `event`, one delivery, or `since`, an entry or a time")
    if body.event is not UNSET:
        seq = _entry(body.event)
        await state.writer.run(lambda: changes.replay(site_id, number, seq, author, now))
    else:
        seq = await _since(call, str(body.since))
        done = await state.writer.run(lambda: changes.rewind(site_id, number, seq - 1, author, now))
        if not done:
            raise Conflict(f"nothing from e{seq} on was told yet: the cursor is not there")
    state.teller.look()
    return Replayed(since=f"e{seq}")


def _entry(text: str) -> int:
    if not re.fullmatch(r"e[1-9][0-9]{0,17}", text):
        raise BadRequest(f"`{text[:40]}` is no id here: one looks like e91")
    return int(text[1:])


async def _since(call: Call, text: str) -> int:
    """The first entry of a replay. Raises `BadRequest`."""
    if text.startswith("e"):
        return _entry(text)
    at = read_time("since", text)
    async with call.state.database.snapshot() as reader:
        return await rows.seq_at(reader, call.site.site_id, at) + 1
