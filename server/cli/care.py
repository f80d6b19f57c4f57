"""Commands that look after the database: migrate, backup, restore, doctor."""

import contextlib
import os
import shutil
import sqlite3
from pathlib import Path

import click

from server.app import Folder, make_database, now_ms
from server.cli.checks import run_checks
from server.cli.console import json_option, run, show
from server.errors import HandraiseError
from server.settings import Settings
from server.storage.copies import Copies, sync, whole
from server.storage.ledger import sync_folder
from server.storage.migrate import migrate as apply_migrations
from server.storage.sqlite_faults import ERRORS
from server.storage.sqlite_opening import CLOSED, mark, read_ends


@click.command()
@click.pass_obj
def migrate(settings: Settings) -> None:
    """Bring the database to this program's schema (serve does it too)."""

    async def work() -> list[str]:
        folder = Folder(settings.data)
        database = make_database(settings, folder)
        folder.lock()
        try:
            await database.open()
            copies = Copies(folder, now_ms, settings.disk_floor_mb)
            keep = copies.keep if settings.upgrade_copy else None
            return await apply_migrations(database, keep=keep)
        finally:
            await database.close()
            folder.unlock()

    names = run(work())
    click.echo("\n".join(f"applied {name}" for name in names) or "nothing to do")


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.pass_obj
def backup(settings: Settings, file: Path) -> None:
    """Write a consistent copy to FILE, also while the server runs."""
    if file.exists():
        raise click.ClickException(f"{file} exists; name a new file")
    folder = Folder(settings.data)
    if settings.database:
        run(make_database(settings, folder).backup(str(file)))  # says how
        return
    if not folder.database.exists():
        raise click.ClickException(f"there is no database in {folder.path}")
    try:
        with whole(file) as part:
            run(make_database(settings, folder).backup(str(part)))
    except HandraiseError as error:
        raise click.ClickException(error.detail) from error
    except (OSError, *ERRORS) as error:
        raise click.ClickException(f"{file} cannot be written: {error}") from error
    click.echo(f"wrote {file} ({file.stat().st_size / 1e6:.1f} MB)")


@click.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True))
@click.pass_obj
def restore(settings: Settings, file: Path) -> None:
    """Put a backup in place of the database; the server must be stopped."""
    if settings.database:
        raise click.ClickException(
            "the database is PostgreSQL's: put a dump back with pg_restore, or take"
            " HANDRAISE_DATABASE away to restore a file of SQLite"
        )
    folder = Folder(settings.data)
    try:
        folder.lock()
    except HandraiseError as error:
        raise click.ClickException(error.detail) from error
    try:
        if folder.database.exists() and file.samefile(folder.database):
            raise click.ClickException("that is the database itself")
        _check_file(file)
        fresh = folder.path / "handraise.db.restoring"
        shutil.copyfile(file, fresh)
        fresh.chmod(0o600)
        sync(fresh)
        moved = _set_aside(folder)
        fresh.replace(folder.database)
        mark(folder.database, CLOSED)
        sync_folder(folder.path)
    finally:
        folder.unlock()
    kept = f"; the database before is kept as {moved.name}" if moved else ""
    click.echo(f"restored {file}{kept}")


def _check_file(file: Path) -> None:
    """Raises `ClickException` unless the file is a sound Handraise database."""
    try:
        connection = sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)
        try:
            verdict = connection.execute("PRAGMA integrity_check").fetchone()[0]
            connection.execute("SELECT max(version) FROM schema_versions").fetchone()
        finally:
            connection.close()
    except ERRORS as error:
        raise click.ClickException(f"{file} is no Handraise database: {error}") from error
    if verdict != "ok":
        raise click.ClickException(f"{file} is damaged: {verdict}")


def _set_aside(folder: Folder) -> Path | None:
    """Keep the present database under another name.

    The name stays in place until the new file takes it, so no moment is without a database; for
    that the write-ahead log must be empty. A log that cannot be emptied moves with its file, and so
    does one whose file is missing or damaged: SQLite would write it into the restored one.
    """
    there = folder.database.exists() and folder.database.stat().st_size > 0
    if not there and not Path(f"{folder.database}-wal").exists():
        return None
    if there:
        with contextlib.suppress(*ERRORS):
            read_ends(folder.database)  # a damaged one is kept as it is
            with contextlib.closing(sqlite3.connect(folder.database)) as connection:
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    number = 1
    while (kept := folder.path / f"handraise.db.before-restore-{number}").exists():
        number += 1
    log = Path(f"{folder.database}-wal")
    if there and (not log.exists() or log.stat().st_size == 0):
        os.link(folder.database, kept)
        for suffix in ("-wal", "-shm"):
            Path(f"{folder.database}{suffix}").unlink(missing_ok=True)
        return kept
    for suffix in ("-wal", "-shm", ""):
        part = Path(f"{folder.database}{suffix}")
        if part.exists():
            part.rename(f"{kept}{suffix}")
    return kept


@click.command()
@json_option
@click.pass_obj
def doctor(settings: Settings, as_json: bool) -> None:
    """Check the installation and say what to do; exits 1 if something is wrong."""
    found = run(run_checks(settings))
    show(
        [check._asdict() for check in found],
        as_json,
        "\n".join(f"{check.mark} {check.name}: {check.detail}" for check in found),
    )
    if any(check.mark == "✗" for check in found):
        raise click.exceptions.Exit(1)
