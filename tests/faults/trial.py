"""What the rows about a host share: a folder with one server after another, a book that outlives
them, and the verdict of both."""

from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.kill import key_of
from tests.faults.remains import look
from tests.faults.row import Outcome
from tests.faults.under_load import Book, Program
from tests.faults.weak import MODULE

TOLD = 4  # of what was wrong, so much is printed


@dataclass
class Trial:
    """A data folder, what was acknowledged of it, and what was wrong, in words.

    With a `weakness` its servers are broken on purpose in that way (`tests.faults.weak`): the
    control of a row.
    """

    folder: Path
    weakness: str = ""
    key: str = ""  # of the site, once there is one
    book: Book = field(default_factory=lambda: Book(seed=5))
    bad: list[str] = field(default_factory=list)

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def log(self) -> Path:
        """What its servers say, where a row wants to know."""
        return self.folder / "said"

    @property
    def module(self) -> str:
        return MODULE if self.weakness else "server"

    @property
    def before(self) -> tuple[str, ...]:
        """Words of its servers' command before all others."""
        return ()

    @property
    def settings(self) -> dict[str, str]:
        """What is in the environment of each server."""
        return {"FAULTS_WEAKNESS": self.weakness} if self.weakness else {}

    def add_site(self) -> None:
        """The folder and a site in it; takes a second, by a command."""
        self.key = key_of(self.data)

    def server(
        self, data: Path | None = None, under: tuple[str, ...] = (), log: Path | None = None
    ) -> Program:
        """A server that is not started yet, on the folder or a copy of it."""
        return Program(
            self.module,
            data or self.data,
            before=self.before,
            environment=self.settings,
            log=log,
            under=under,
        )

    def outcome(self, tried: int, note: str = "", *, at_once: bool = False) -> Outcome:
        """The row of the table, once nothing serves any more. Each thing that was wrong counts
        against one of the faults that were tried; `at_once`: they are one fault, by its size."""
        left = look(self.data / "handraise.db", set(self.book.acknowledged))
        if left.gaps or left.sound != "ok":
            self.bad.append(f"gaps {left.gaps}, file {left.sound}")
        against = tried if at_once and self.bad else len(self.bad)
        return Outcome(
            tried,
            max(0, tried - against),
            len(set(self.book.acknowledged)),
            left.lost,
            left.doubled,
            "; ".join(filter(None, [note, *dict.fromkeys(self.bad[:TOLD])])),
        )
