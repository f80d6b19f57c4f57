"""The one table: what | must | stretch | measured | met or the distance."""

import statistics
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import click


class CannotMeasure(Exception):
    """Why a group has no figures: the text is a sentence for whoever runs the bench."""


class Lacking(CannotMeasure):
    """What it is measured with is not on this machine: that is no failure, and it is told."""


class Row(NamedTuple):
    """A line. `least` means that more is better. Without `must` it only informs."""

    what: str
    measured: float
    must: float | None = None
    stretch: float | None = None
    unit: str = ""
    note: str = ""
    least: bool = True
    figure: str = ""  # which of the figures of `summary` it is

    def reaches(self, goal: float) -> bool:
        return self.measured >= goal if self.least else self.measured <= goal

    def verdict(self) -> str:
        if self.must is None:
            return ""
        if not self.reaches(self.must):
            return f"MISSED, {self.measured / self.must:.2f} of the figure"
        if self.stretch is not None and self.reaches(self.stretch):
            return "met, stretch too"
        return "met"


def number(value: float | None, unit: str = "") -> str:
    if value is None:
        return ""
    text = f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return f"{text} {unit}".strip()


def spread(values: Sequence[float], unit: str = "") -> str:
    """The least and the most of repeated runs."""
    return f"{number(min(values))}–{number(max(values), unit)}"


def medians(runs: Sequence[Sequence[Row]]) -> list[Row]:
    """The same rows of several runs as one: each with its median, the spread in its note."""
    found = []
    for rows in zip(*runs, strict=True):
        values = [row.measured for row in rows]
        told = [rows[0].note, spread(values) if len(values) > 1 else ""]
        note = "; ".join(filter(None, told))
        found.append(rows[0]._replace(measured=statistics.median(values), note=note))
    return found


def shown(rows: Sequence[Row], broken: Mapping[str, str]) -> str:
    """All rows as aligned text, then the groups that broke, each with the reason."""
    lines = [("what", "must", "stretch", "measured", "verdict", "note")]
    for row in rows:
        mark = "≥ " if row.least else "≤ "
        lines.append(
            (
                row.what,
                mark + number(row.must, row.unit) if row.must is not None else "",
                mark + number(row.stretch, row.unit) if row.stretch is not None else "",
                number(row.measured, row.unit),
                row.verdict(),
                row.note,
            )
        )
    lines += [(name, "", "", "", "NOT MEASURED", why) for name, why in broken.items()]
    return aligned(lines)


def aligned(lines: Sequence[Sequence[str]]) -> str:
    """Columns of text."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def say(text: str) -> None:
    """Progress, so that nobody wonders what takes so long."""
    click.echo(text, err=True)
