"""`make faults`: every fault with its control, one table. Skips are loud and counted.

The exit status is 0 if every fault was survived and every control was not.
"""

import math
import tempfile
import time
import traceback
from pathlib import Path

import click

from tests.faults import (
    again,
    again_nodes,
    backups,
    clocks,
    damaged,
    disk,
    exact,
    files,
    full,
    kill,
    lives,
    locks,
    migrations,
    outage,
    overload,
    postgres,
    power,
    readers,
    receivers,
    roles,
    slow,
    soak,
    starved,
    threats,
    unwritable,
    versions,
)
from tests.faults.row import CannotRun, Fault, Outcome
from tests.faults.totals import Totals, head

MODULES = (
    kill,
    exact,
    power,
    disk,
    full,
    unwritable,
    locks,
    damaged,
    versions,
    slow,
    again,
    again_nodes,
    readers,
    files,
    soak,
    threats,
    lives,
    roles,
    receivers,
    migrations,
    backups,
    postgres,
    overload,
    outage,
    clocks,
    starved,
)
FAULTS: tuple[Fault, ...] = tuple(fault for module in MODULES for fault in module.FAULTS)
HEAD = f"{'':<5}{'fault':<46}{'survived':>11}{'acknowledged':>14}{'lost':>6}{'twice':>6}  control"


class Run(Totals):
    """What was found so far, at a scale."""

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.scale = scale

    def row(self, fault: Fault) -> None:
        """Make one fault, judge it, then make its control, and print what came of both.

        What was found stands whatever becomes of the control: a control that cannot be made leaves
        a good row unproven, which is skipped, and a bad one bad.
        """
        began = time.monotonic()
        self.rows.append(fault)
        try:
            with tempfile.TemporaryDirectory(prefix="hr-faults-") as folder:
                found = fault.run(Path(folder), max(1, math.ceil(fault.times * self.scale)))
        except CannotRun as error:
            self.skip(fault, str(error))
            return
        except Exception as error:  # the others are made all the same
            self.fails(fault.name)
            traceback.print_exc()
            click.echo(f"{fault.threat:<5}{fault.name:<46}  BROKE: {error!r}")
            return
        self.add(found)
        if not found.whole:
            self.fails(fault.name)
        control, caught = self._control(fault, found)
        counts = f"{found.survived}/{found.tried}"
        click.echo(
            f"{fault.threat:<5}{fault.name:<46}{counts:>11}{found.acknowledged:>14,}{found.lost:>6}"
            f"{found.doubled:>6}  {caught}  ({time.monotonic() - began:.0f} s)"
        )
        for line in (found.note, control and f"control: {control}"):
            if line:
                click.echo(f"{'':<5}  {line}")

    def _control(self, fault: Fault, found: Outcome) -> tuple[str, str]:
        """The control's note, and whether it failed, in words."""
        try:
            with tempfile.TemporaryDirectory(prefix="hr-faults-") as folder:
                control = fault.control(Path(folder))
        except CannotRun as error:
            if found.whole:
                self.skipped.append(fault.name)
                return "", f"SKIPPED, no control here: {error}"
            return "", f"no control here: {error}"
        except Exception as error:
            self.fails(fault.name)
            traceback.print_exc()
            return "", f"BROKE: {error!r}"
        if control.whole:
            self.fails(fault.name)
        return control.note, "DID NOT FAIL" if control.whole else "fails, as it must"

    def skip(self, fault: Fault, why: str) -> None:
        """A row that is not made: counted and said, never passed over."""
        if fault not in self.rows:
            self.rows.append(fault)
        self.skipped.append(fault.name)
        click.echo(f"{fault.threat:<5}{fault.name:<46}  SKIPPED: {why}")


def chosen(words: list[str]) -> list[Fault]:
    """The rows of these threats, or with one of the words in their name; all of them for none."""
    return [
        fault
        for fault in FAULTS
        if not words
        or any(word == fault.threat.lower() or word in fault.name.lower() for word in words)
    ]


@click.command()
@click.option("--only", default="", help="threats, such as R1,R3, or words of a name")
@click.option("--scale", default=1.0, show_default=True, help="how often, beside the usual")
@click.option("--soak", "with_soak", is_flag=True, help="also the rows that take half an hour")
@click.option(
    "--seconds", default=4.0, show_default=True, help="of one rate of the overload; 300 to publish"
)
@click.option("--list", "listed", is_flag=True, help="name the faults and end")
def main(only: str, scale: float, with_soak: bool, seconds: float, listed: bool) -> None:
    """Make every fault, each with a control that must fail, and print one table."""
    words = [word.strip().lower() for word in only.split(",") if word.strip()]
    wanted = chosen(words)
    if not wanted:
        raise click.BadParameter("no fault is called so; --list names them", param_hint="--only")
    if listed:
        for fault in wanted:
            when = f"  only by --soak or --only {fault.threat}" if fault.long else ""
            click.echo(f"{fault.threat:<5}{fault.name}  × {fault.times}{when}")
        return
    began = time.monotonic()
    click.echo(head(len(wanted)))
    click.echo(HEAD)
    run = Run(scale)
    overload.PACE.seconds = seconds
    for fault in wanted:
        if fault.long and not (with_soak or fault.threat.lower() in words):
            run.skip(fault, f"it takes long; --soak or --only {fault.threat} makes it")
        else:
            run.row(fault)
    click.echo("\n".join(["", *run.lines(), f"took {time.monotonic() - began:.0f} s"]))
    if run.skipped:
        click.echo(f"SKIPPED: {'; '.join(run.skipped)}")
    if run.failed:
        click.echo(f"FAILED: {'; '.join(run.failed)}")
    raise SystemExit(1 if run.failed else 0)


if __name__ == "__main__":
    main()
