"""What `handraise doctor` looks at. Each check says what it found and, if wrong, what to do."""

import os
import shutil
import sqlite3
import stat
from typing import NamedTuple

import click

from server.app import Folder, sqlite_warning
from server.cli import open_files
from server.cli.client import answers, call, connected
from server.cli.holders import holders, named
from server.errors import HandraiseError
from server.settings import HELP, PREFIX, Settings
from server.starting import command
from server.storage.sqlite_faults import ERRORS
from server.storage.sqlite_opening import cannot_open, check, locked_away


class Check(NamedTuple):
    """`mark` is ✓ fine, ! worth knowing, ✗ wrong."""

    mark: str
    name: str
    detail: str


async def run_checks(settings: Settings) -> list[Check]:
    """All checks, in the order a person would want them."""
    folder = Folder(settings.data)
    if not os.access(folder.path, os.R_OK | os.W_OK | os.X_OK):
        return [_sqlite(), Check("✗", "data folder", locked_away(folder.path).detail)]
    found = [_sqlite(), _folder(folder), _room(settings, folder), _files()]
    if not settings.database:
        found += [_file(folder), *_lock(folder)]
    found.append(
        Check(
            "✓" if answers(folder.socket) else "!",
            "server",
            "running"
            if answers(folder.socket)
            else f"not running here; `{command('serve')}` starts it",
        )
    )
    try:
        found += await _sites(settings)
    except (HandraiseError, click.ClickException, *ERRORS) as error:
        found.append(Check("✗", "sites", str(error)))
    found += _settings(settings)
    return found


def _sqlite() -> Check:
    warning = sqlite_warning()
    return Check("!" if warning else "✓", "SQLite", f"{sqlite3.sqlite_version} {warning}".strip())


def _folder(folder: Folder) -> Check:
    secret = folder.path / "secret"
    if secret.exists() and stat.S_IMODE(secret.stat().st_mode) & 0o077:
        return Check("✗", "secret", f"others can read {secret}: chmod 600 {secret}")
    return Check("✓", "data folder", str(folder.path.absolute()))


def _room(settings: Settings, folder: Folder) -> Check:
    free = shutil.disk_usage(folder.path).free // 1_000_000
    if free <= settings.disk_floor_mb:
        return Check("✗", "disk", f"{free} MB free; new events are refused, make room")
    return Check("✓", "disk", f"{free:,} MB free, floor {settings.disk_floor_mb} MB")


def _files() -> Check:
    files = open_files.raise_limit()
    warning = open_files.too_few(files)
    return Check("!" if warning else "✓", "open files", warning or f"{files:,} allowed")


def _file(folder: Folder) -> Check:
    """The full check: every page and index of the file."""
    try:
        check(folder.database)
    except HandraiseError as error:
        return Check("✗", "database", error.detail)
    except ERRORS as error:
        return Check("✗", "database", cannot_open(folder.database, error).detail)
    if not folder.database.exists():
        return Check("!", "database", f"none yet; `{command('serve')}` makes it")
    try:
        connection = sqlite3.connect(f"{folder.database.absolute().as_uri()}?mode=ro", uri=True)
        try:
            verdict = connection.execute("PRAGMA integrity_check").fetchone()[0]
        finally:
            connection.close()
    except ERRORS as error:
        return Check("✗", "database", f"cannot be read: {error}; `{command('restore FILE')}`")
    if verdict != "ok":
        return Check("✗", "database", f"damaged: {verdict}; `{command('restore FILE')}`")
    size = folder.database.stat().st_size / 1e6
    return Check("✓", "database", f"sound, {size:.1f} MB")


def _lock(folder: Folder) -> list[Check]:
    """Whoever keeps the server from writing, by name; nothing where nobody does."""
    held = holders(folder.database)
    if held is None:
        return [Check("!", "lock", "this system does not tell who holds the database")]
    return [
        Check("✗", "lock", f"{named(pid)} holds {folder.database}: nothing is stored until it ends")
        for pid in sorted(held)
    ]


async def _sites(settings: Settings) -> list[Check]:
    found = []
    async with connected(settings) as client:
        for site in (await call(client, "GET", "/api/v1/sites"))["items"]:
            base = f"/api/v1/sites/{site['id']}"
            detail = (await call(client, "GET", base))["settings"]
            refused = (await call(client, "GET", f"{base}/refused"))["items"]
            name = f"site {site['name']}"
            risky = [k for k in ("allow_automation", "allow_localhost") if detail.get(k)]
            if risky:
                found.append(Check("!", name, f"{' and '.join(risky)}: meant for tests and demos"))
            if refused:
                most = ", ".join(f"{r['reason']} {r['count']}" for r in refused[:4])
                found.append(Check("!", name, f"refused or set aside lately: {most}"))
            if not (risky or refused):
                found.append(Check("✓", name, "nothing refused lately"))
    return found


def _settings(settings: Settings) -> list[Check]:
    names = ", ".join(PREFIX + name.upper() for name in HELP)
    del settings
    return [Check("✓", "settings", f"known: {names}")]
