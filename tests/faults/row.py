"""What a row of `make faults` is: a fault made many times, and a control that must not survive."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path


class CannotRun(Exception):
    """This machine cannot make the fault; the text says what is missing. Skips are counted."""


@dataclass(frozen=True)
class Outcome:
    """What a row found: `tried` faults were made, after `survived` of them every promise held.

    `acknowledged` counts the events an outside ledger knows as answered with 2xx, `lost` those of
    them that are not in the database afterwards, `doubled` ids stored more than once. `note` holds
    the figures worth printing beside them.

    Some rows count more, for the closing lines: `kills` are the lives ended by kill -9 under load;
    `inputs` are the bad inputs that an application was sent and answered, `fives` those answered
    with a 5xx, and `neighbours` the good events beside them that were refused or lost.
    """

    tried: int
    survived: int
    acknowledged: int = 0
    lost: int = 0
    doubled: int = 0
    note: str = ""
    kills: int = 0
    inputs: int = 0
    fives: int = 0
    neighbours: int = 0

    @property
    def whole(self) -> bool:
        """Every fault was survived and nothing was lost or doubled."""
        return self.tried > 0 and self.survived == self.tried and not self.lost + self.doubled


def every_one(*controls: Callable[[Path], Outcome]) -> Callable[[Path], Outcome]:
    """Several controls as one: it fails only if each of them does."""

    def made(folder: Path) -> Outcome:
        found = []
        for number, control in enumerate(controls):
            own = folder / str(number)
            own.mkdir()
            found.append(control(own))
            if found[-1].whole:
                return found[-1]
        return replace(found[-1], note="; ".join(one.note for one in found))

    return made


@dataclass(frozen=True)
class Fault:
    """One row: `run(folder, times)` makes the fault `times` times in an empty folder of its own.

    `control(folder)` does the same to something broken on purpose (a server that answers before
    the commit, NORMAL in place of FULL, a limit taken away). An outcome that is `whole` there means
    that the row cannot see its fault, and fails the run. Both raise `CannotRun`.
    """

    threat: str  # "R1"
    name: str
    times: int
    run: Callable[[Path, int], Outcome]
    control: Callable[[Path], Outcome]
    long: bool = False
