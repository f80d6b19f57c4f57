"""What administration writes: each a script of one writer turn, with its decision in the log."""

import secrets
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, available_timezones

import msgspec
from msgspec import UNSET

from server.errors import BadRequest, NotFound
from server.model import Door, Event, FormRule, Kind, Site, SiteSettings
from server.storage import audit, entries, sites, tokens
from server.storage.changes import RAISED
from server.storage.database import Query, Reader, Row, Script
from server.storage.names import Names
from server.storage.tokens import Token
from server.web.bodies import SettingsChange

PURPOSES = frozenset({"lead", "newsletter", "search", "login"})
#: Settings that are applied when the log is read: a change concerns the past too.
SHAPING = (
    "zone",
    "own_hosts",
    "lookback_days",
    "page_key",
    "page_groups",
    "forms",
    "product_events",
)


def add_site(name: str, secret: str, settings: SiteSettings, author: str, now: int) -> Script[Site]:
    """A site with its log, which begins with the decision to make it."""
    site = yield from sites.add(name, sites.new_key(), secret, settings, now)
    said = {"name": name, "author": author}
    yield from entries.append(site.site_id, [decision(Kind.SITE_CREATED, said, now)], Names())
    return site


def change_settings(
    site_id: int, change: SettingsChange, author: str, now: int
) -> Script[SiteSettings]:
    """The row and the decision that says what was changed, by whom; the settings afterwards.

    Held, changed and written in one turn: two changes at one moment both count, on any nodes.
    """
    before = yield from sites.held_settings(site_id)
    after, said = changed(before, change)
    yield from sites.change_settings(site_id, after, shapes=shaped(before, after))
    entry = decision(Kind.SETTINGS, {"settings": said, "author": author}, now)
    yield from entries.append(site_id, [entry], Names())
    return after


def change_form(
    site_id: int, key: str, rule: FormRule | None, author: str, now: int
) -> Script[bool]:
    """What was decided about one form, in place of what was; the others stay as they are. Whether
    what is derived changes with it."""
    before = yield from sites.held_settings(site_id)
    kept = tuple(one for one in before.forms if one.key != key)
    change = SettingsChange(forms=(*kept, rule) if rule else kept)
    after = yield from change_settings(site_id, change, author, now)
    return shaped(before, after)


def rename_site(site_id: int, name: str, author: str, now: int) -> Script[None]:
    """Another name for a site, as a row, a decision and an audit line."""
    rows = yield Query(
        f"UPDATE sites SET name = $2, {RAISED} WHERE site_id = $1 RETURNING site_id",
        (site_id, name),
    )
    if not rows:
        raise NotFound("no such site")
    yield from audit.add(site_id, author, "site_renamed", "", now)
    entry = decision(Kind.SETTINGS, {"renamed": name, "author": author}, now)
    yield from entries.append(site_id, [entry], Names())


def add_token(
    site_id: int, secret: str, scope: str, name: str, author: str, now: int
) -> Script[Token]:
    """A token, with its audit line."""
    made = yield from tokens.add(site_id, secret, scope, name, author, now)
    yield from audit.add(site_id, author, "token_added", f"t{made.token_id} {scope}", now)
    return made


def rotate_key(site_id: int, key: str, author: str, now: int) -> Script[None]:
    """A new public key, as a row, a decision and an audit line."""
    yield from sites.rotate_key(site_id, key)
    yield from _rotated(site_id, "key", author, now)


def rotate_secret(site_id: int, secret: str, author: str, now: int) -> Script[None]:
    """A new identify secret, which is told to nobody here."""
    yield from sites.rotate_secret(site_id, secret)
    yield from _rotated(site_id, "identify_secret", author, now)


def _rotated(site_id: int, what: str, author: str, now: int) -> Script[None]:
    yield from audit.add(site_id, author, "rotate", what, now)
    entry = decision(Kind.SETTINGS, {"rotated": what, "author": author}, now)
    yield from entries.append(site_id, [entry], Names())


def decision(kind: Kind, said: dict[str, Any], now: int) -> Event:
    """A decision as an entry of the log."""
    return Event(
        event_id=secrets.token_bytes(16),
        kind=kind,
        at=now,
        received=now,
        door=Door.OPERATOR,
        data=msgspec.json.encode(said, order="sorted").decode(),
    )


def changed(settings: SiteSettings, change: SettingsChange) -> tuple[SiteSettings, dict[str, Any]]:
    """The settings after a change, and the change as it is recorded. Raises `BadRequest`."""
    given = {
        name: value
        for name in SettingsChange.__struct_fields__
        if (value := getattr(change, name)) is not UNSET
    }
    if not given:
        raise BadRequest("name at least one setting to change")
    if "origins" in given:
        given["origins"] = origins(given["origins"])
    if "widget" in given:
        given["widget"] = settings.widget | msgspec.to_builtins(given["widget"])
    after = msgspec.structs.replace(settings, **given)
    check(after)
    return after, msgspec.to_builtins(given)


def shaped(before: SiteSettings, after: SiteSettings) -> bool:
    """Whether what is derived from the log is another under other settings."""
    return any(getattr(before, name) != getattr(after, name) for name in SHAPING)


def zones() -> set[str]:
    """The time zones a site may have. Where the system has a file `localtime`, that is listed too:
    whatever the machine is set to, so another one on each node."""
    return available_timezones() - {"localtime"}


def check(settings: SiteSettings) -> None:
    """What types alone cannot say. Raises `BadRequest`."""
    if settings.zone not in zones():
        raise BadRequest(f"setting `zone`: `{settings.zone[:64]}` is no time zone")
    ZoneInfo(settings.zone)
    if settings.lookback_days > settings.retention_days:
        raise BadRequest(
            f"setting `lookback_days` ({settings.lookback_days}) must not be more than"
            f" `retention_days` ({settings.retention_days}): what is thinned joins nobody"
        )
    for form in settings.forms:
        if form.purpose not in PURPOSES:
            raise BadRequest(
                f"setting `forms`: purpose `{form.purpose[:60]}` is unknown;"
                f" valid are: {', '.join(sorted(PURPOSES))}"
            )
    keys = [form.key for form in settings.forms]
    if len(keys) != len(set(keys)):
        raise BadRequest("setting `forms`: each form only once")
    if "\\u0000" in msgspec.json.encode(settings).decode():
        raise BadRequest("a setting holds a NUL character")


def origins(given: Sequence[str]) -> tuple[str, ...]:
    """Origins as browsers send them: scheme and host in lower case, no slash."""
    found = []
    for one in given:
        try:
            parts = urlsplit(one)
            sound = bool(parts.hostname) and parts.port is not False
        except ValueError:  # an open bracket, a port that is no number
            sound = False
        if not sound:
            raise BadRequest(f"`{one[:60]}` is no origin such as https://example.com")
        found.append(f"{parts.scheme}://{parts.netloc}".lower())
    return tuple(dict.fromkeys(found))


def revoke_token(site_id: int, token_id: int, author: str, now: int) -> Script[None]:
    """Raises `NotFound` for a token that is not there or was revoked before."""
    if not (yield from tokens.revoke(site_id, token_id, now)):
        raise NotFound("no such token")
    yield from audit.add(site_id, author, "token_revoked", f"t{token_id}", now)


async def tokens_of(reader: Reader, site_id: int) -> list[Row]:
    """(id, prefix, scope, name, author, created, used, revoked) of a site's tokens, newest first.

    Of one in force `used` is at most an hour too early."""
    return await reader.fetch(
        "SELECT token_id, prefix, scope, name, author, created_at, used_at, revoked_at FROM tokens"
        " WHERE site_id = $1 ORDER BY token_id DESC",
        site_id,
    )
