"""Receipts: why a score is what it is, line by line."""

from collections.abc import Iterable

from server.model import Site
from server.project.decay import FULL
from server.project.scoring import Line
from server.reports.shapes import ReceiptLine, iso, iso_day, points
from server.storage.database import Reader


def receipt_lines(lines: Iterable[Line]) -> list[ReceiptLine]:
    """The lines of a receipt in words; their points add up to the score as before."""
    return [
        ReceiptLine(
            rule=line.rule,
            axis=line.axis,
            points=points(line.points),
            base=points(line.base),
            factor=1 if line.factor == FULL else line.factor / FULL,
            at=iso(line.at) if line.seq else None,
            event=f"e{line.seq}" if line.seq else None,
            expires=iso_day(line.expires) if line.expires is not None else None,
            times=line.times,
        )
        for line in lines
    ]


async def contributions(reader: Reader, site: Site, kind: int, subject_id: int) -> list[Line]:
    """The receipt of a subject as it stands in the tables."""
    rows = await reader.fetch(
        "SELECT rule, axis, points, base, factor, at, seq, expires, times FROM contributions"
        " WHERE site_id = $1 AND gen = $2 AND kind = $3 AND subject_id = $4 ORDER BY line",
        site.site_id,
        site.generation,
        kind,
        subject_id,
    )
    return [Line(*row) for row in rows]


async def receipt_of(reader: Reader, site: Site, kind: int, subject_id: int) -> list[ReceiptLine]:
    """The receipt of a subject; `kind` 0 is a visitor, 1 a person."""
    return receipt_lines(await contributions(reader, site, kind, subject_id))
