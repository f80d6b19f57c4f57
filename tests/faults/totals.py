"""What all rows came to: the head that says what was tried, and the lines below the table."""

import os
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from server import __version__
from tests.faults.row import Fault, Outcome

RELIABILITY = "R"  # how the threats that are no strangers' doing begin


def program() -> str:
    """Version and commit of what is tried; the version alone where there is no git."""
    command = ["git", "describe", "--always", "--dirty"]
    try:
        done = subprocess.run(
            command, cwd=Path(__file__).parent, check=True, capture_output=True, text=True
        )
    except (OSError, subprocess.CalledProcessError):
        return f"Handraise {__version__}"
    return f"Handraise {__version__}, commit {done.stdout.strip()}"


def head(rows: int) -> str:
    return f"{program()}; {rows} faults, each with a control; {os.cpu_count()} cores"


@dataclass
class Totals:
    """What was found so far; a row is in `failed`, in `skipped`, or was survived."""

    rows: list[Fault] = field(default_factory=list)
    found: list[Outcome] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)

    def add(self, found: Outcome) -> None:
        self.found.append(found)

    def fails(self, name: str) -> None:
        if name not in self.failed:
            self.failed.append(name)

    def _sum(self, name: str) -> int:
        return sum(getattr(one, name) for one in self.found)

    @property
    def tried(self) -> int:
        return self._sum("tried")

    @property
    def survived(self) -> int:
        return self._sum("survived")

    @property
    def lost(self) -> int:
        return self._sum("lost")

    @property
    def doubled(self) -> int:
        return self._sum("doubled")

    def lines(self) -> list[str]:
        """Everything that is claimed, and what is not."""
        bad = {*self.failed, *self.skipped}
        whole = [row for row in self.rows if row.name not in bad]
        return [
            f"rows survived {len(whole)} of {len(self.rows)}"
            f" ({len(self.failed)} failed, {len(self.skipped)} skipped);"
            f" faults survived {self.survived:,} of {self.tried:,}",
            self._threats(),
            f"acknowledged events lost {self.lost} of {self._sum('acknowledged'):,}"
            f" over {self._sum('kills'):,} kills under load{self._bound()}",
            f"stored twice {self.doubled}",
            f"bad inputs tried {self._sum('inputs'):,}; answered with a 5xx {self._sum('fives')};"
            f" neighbours lost {self._sum('neighbours')}",
        ]

    def _bound(self) -> str:
        """What kills without a loss say of the next one: nothing beyond 3/K at 95 %."""
        kills = self._sum("kills")
        lost = any(one.lost for one in self.found if one.kills)
        if not kills or lost:
            return ""
        return f" (below {min(100.0, 300 / kills):.3g} % a kill at 95 %)"

    def _threats(self) -> str:
        """The faults of reliability by number, each survived if all its rows were."""
        numbers = _unique(row.threat for row in self.rows if row.threat.startswith(RELIABILITY))
        failed = _unique(row.threat for row in self.rows if row.name in self.failed)
        skipped = _unique(row.threat for row in self.rows if row.name in self.skipped)
        whole = [one for one in numbers if one not in failed and one not in skipped]
        text = f"of R1 to R22 survived {len(whole)} of {len(numbers)}"
        for word, some in (("failed", failed), ("not made", skipped)):
            if named := [one for one in numbers if one in some]:
                text += f"; {word}: {', '.join(named)}"
        return text


def _unique(threats: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(threats))
