"""Sites and their settings. A change of settings is a row here and a decision in the log."""

import secrets
from typing import Any

import msgspec

from server.errors import DataError, NotFound
from server.model import Published, Site, SiteSettings
from server.project.ruleset import DEFAULT, encode
from server.starting import command
from server.storage import rulesets
from server.storage.changes import RAISED
from server.storage.database import Query, Reader, Script

COLUMNS = (
    "s.site_id, s.name, s.key, s.key_before, s.identify_secret, s.identify_secret_before,"
    " s.generation, s.settings, s.ruleset, coalesce(r.document, ''), coalesce(r.seq, 0),"
    " coalesce(r.at, 0), coalesce(r.notify, 0)"
)


def new_key() -> str:
    """A public site key: names a site, proves nothing."""
    return "k" + secrets.token_hex(8)


def _site(row: tuple[Any, ...]) -> Site:
    """Raises `DataError` where its settings are no longer what was stored."""
    try:
        settings = msgspec.json.decode(row[7], type=SiteSettings, strict=False)
    except msgspec.DecodeError as error:
        raise DataError(
            f"the settings of site {row[0]} are damaged ({error}): `{command('restore FILE')}` puts"
            " a backup in the place of the database",
            code="damaged",
        ) from error
    return Site(
        site_id=row[0],
        name=row[1],
        keys=tuple(key for key in (row[2], row[3]) if key),
        secrets=tuple(secret for secret in (row[4], row[5]) if secret),
        generation=row[6],
        settings=settings,
        published=Published(row[8], row[9], row[10], row[11], bool(row[12])),
    )


async def all_sites(reader: Reader) -> list[Site]:
    """Every site, oldest first."""
    rows = await reader.fetch(
        f"SELECT {COLUMNS} FROM sites s LEFT JOIN rulesets r ON r.site_id = s.site_id"
        " AND r.version = s.ruleset ORDER BY s.site_id"
    )
    return [_site(row) for row in rows]


async def of_now(reader: Reader, site_id: int) -> tuple[Site, str]:
    """A site as it is stored, and its settings as they are written: equal as long as nobody has
    changed one. Raises `NotFound`."""
    rows = await reader.fetch(
        f"SELECT {COLUMNS} FROM sites s LEFT JOIN rulesets r ON r.site_id = s.site_id"
        " AND r.version = s.ruleset WHERE s.site_id = $1",
        site_id,
    )
    if not rows:
        raise NotFound("no such site")
    return _site(rows[0]), rows[0][7]


def add(name: str, key: str, secret: str, settings: SiteSettings, now: int) -> Script[Site]:
    """Create a site with its empty log, its first projector cursor and the default ruleset."""
    rows = yield Query("SELECT coalesce(max(site_id), 0) + 1 FROM sites")
    site_id = rows[0][0]
    document = msgspec.json.encode(settings).decode()
    yield Query(
        "INSERT INTO sites (site_id, name, key, identify_secret, settings, created_at)"
        " VALUES ($1, $2, $3, $4, $5, $6)",
        (site_id, name, key, secret, document, now),
    )
    yield Query("INSERT INTO heads (site_id) VALUES ($1)", (site_id,))
    yield Query("INSERT INTO cursors (site_id, gen, seq) VALUES ($1, 1, 0)", (site_id,))
    rules = encode(DEFAULT).decode()
    yield from rulesets.add_first(site_id, rules, now)
    return Site(
        site_id=site_id,
        name=name,
        keys=(key,),
        settings=settings,
        secrets=(secret,),
        published=Published(document=rules, at=now),
    )


def held_settings(site_id: int) -> Script[SiteSettings]:
    """Settings to be changed in this turn. Raises `NotFound`.

    The row is written, not only read: on PostgreSQL another node's turn waits for this one, and
    then sees what it has changed.
    """
    rows = yield Query(
        "UPDATE sites SET settings = settings WHERE site_id = $1 RETURNING settings", (site_id,)
    )
    if not rows:
        raise NotFound("no such site")
    return msgspec.json.decode(rows[0][0], type=SiteSettings, strict=False)


def change_settings(site_id: int, settings: SiteSettings, *, shapes: bool = True) -> Script[None]:
    """`shapes`: what is derived changes with them, so the tables have to be made again."""
    rows = yield Query(
        f"UPDATE sites SET settings = $2, settings_seq = settings_seq + $3, {RAISED}"
        " WHERE site_id = $1 RETURNING settings_seq",
        (site_id, msgspec.json.encode(settings).decode(), int(shapes)),
    )
    if not rows:
        raise NotFound("no such site")


def rotate_key(site_id: int, key: str) -> Script[None]:
    """A new public key. The one before stays good; the one before that is nobody's from now on."""
    rows = yield Query(
        f"UPDATE sites SET key_before = key, key = $2, {RAISED} WHERE site_id = $1"
        " RETURNING site_id",
        (site_id, key),
    )
    if not rows:
        raise NotFound("no such site")


def rotate_secret(site_id: int, secret: str) -> Script[None]:
    """A new identify secret, by the same rule: two are good at any time."""
    rows = yield Query(
        f"UPDATE sites SET identify_secret_before = identify_secret, identify_secret = $2, {RAISED}"
        " WHERE site_id = $1 RETURNING site_id",
        (site_id, secret),
    )
    if not rows:
        raise NotFound("no such site")
