"""What people change about destinations, each a script of one turn: the row, an audit line, and a
decision in the log that says what was done, by whom. Neither holds a URL, an address or a secret.
"""

import secrets
from typing import Any

import msgspec

from server.errors import Conflict
from server.model import Door, Event, Kind
from server.storage import audit, deliveries, destinations, entries
from server.storage.database import Script
from server.storage.destinations import Destination, DestinationSettings
from server.storage.names import Names

#: How long the secret before stays good after a rotation.
GRACE_MS = 24 * 3_600_000
RECEIVER = "receiver"  # the author where it has answered that it wants no more
GONE = "the receiver has answered 410 Gone"
MOST = 50  # of a site


def add(
    site_id: int, kind: str, settings: DestinationSettings, author: str, now: int
) -> Script[Destination]:
    """A new destination; it is told what is decided from now on."""
    number = yield from destinations.add(site_id, kind, settings, now)
    yield from _said(site_id, number, "added", author, now)
    made: Destination = yield from destinations.read(site_id, number)
    return made


def change(site_id: int, number: int, given: dict[str, Any], author: str, now: int) -> Script[None]:
    """Other settings, those given. Read and written in one turn: two changes both count."""
    known = yield from destinations.read(site_id, number)
    settings = msgspec.structs.replace(known.settings, **given)
    yield from destinations.change(site_id, number, settings)
    yield from _said(site_id, number, "changed", author, now)


def rotate(site_id: int, number: int, secret: str, author: str, now: int) -> Script[Destination]:
    """A new secret; for a day both sign. Raises `NotFound`, `Conflict` for a mail."""
    known = yield from destinations.read(site_id, number)
    if not known.settings.secret:
        raise Conflict("a mail is not signed: it has no secret")
    settings = msgspec.structs.replace(
        known.settings,
        secret=secret,
        secret_before=known.settings.secret,
        before_until=now + GRACE_MS,
    )
    yield from destinations.change(site_id, number, settings)
    yield from _said(site_id, number, "secret_rotated", author, now)
    made: Destination = yield from destinations.read(site_id, number)
    return made


def remove(site_id: int, number: int, author: str, now: int) -> Script[None]:
    yield from destinations.read(site_id, number)
    yield from destinations.remove(site_id, number, now)
    yield from _said(site_id, number, "removed", author, now)


def disable(site_id: int, number: int, author: str, now: int) -> Script[None]:
    yield from destinations.read(site_id, number)
    if (yield from destinations.disable(site_id, number, "disabled by hand", now)):
        yield from _said(site_id, number, "disabled", author, now)


def gone(site_id: int, number: int, now: int) -> Script[None]:
    """The receiver wants no more."""
    if (yield from destinations.disable(site_id, number, GONE, now)):
        yield from _said(site_id, number, "disabled", RECEIVER, now)


def enable(site_id: int, number: int, author: str, now: int, *, catch_up: bool) -> Script[None]:
    """Raises `NotFound`, `Conflict` for one that is enabled."""
    known = yield from destinations.read(site_id, number)
    if known.disabled_at is None:
        raise Conflict("this destination is enabled")
    yield from destinations.enable(site_id, number, now, catch_up=catch_up)
    yield from _said(site_id, number, "enabled", author, now)


def replay(site_id: int, number: int, seq: int, author: str, now: int) -> Script[None]:
    """One delivery again. Raises `NotFound`."""
    yield from destinations.read(site_id, number)
    yield from deliveries.replay(site_id, number, seq, now)
    yield from _said(site_id, number, "replayed", author, now)


def rewind(site_id: int, number: int, cursor: int, author: str, now: int) -> Script[bool]:
    """Everything after an entry again; False if none of it was told yet. Raises `NotFound`."""
    yield from destinations.read(site_id, number)
    done = yield from destinations.rewind(site_id, number, cursor)
    if done:
        yield from _said(site_id, number, "replayed", author, now)
    return bool(done)


def tested(site_id: int, number: int, author: str, now: int) -> Script[None]:
    """A test decides nothing: an audit line is all."""
    yield from audit.add(site_id, author, "destination_tested", f"d{number}", now)


def _said(site_id: int, number: int, what: str, author: str, now: int) -> Script[None]:
    yield from audit.add(site_id, author, f"destination_{what}", f"d{number}", now)
    said = {"destination": f"d{number}", "did": what, "author": author}
    entry = Event(
        event_id=secrets.token_bytes(16),
        kind=Kind.SETTINGS,
        at=now,
        received=now,
        door=Door.OPERATOR,
        data=msgspec.json.encode(said, order="sorted").decode(),
    )
    yield from entries.append(site_id, [entry], Names())
