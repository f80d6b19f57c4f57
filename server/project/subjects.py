"""A subject's row: what lists, filters and sorts ask of a person or an unowned visitor."""

from collections.abc import Iterable, Sequence

from msgspec import structs

from server.model import STAGE_RANK
from server.project.people import Part
from server.project.scoring import Line, Receipt, signals_of
from server.storage.database import Reader, Row, chunks, in_list, padded
from server.storage.derived import CONTRIBUTIONS, SUBJECTS, Changes

VISITOR, PERSON = 0, 1
UNTOLD = {"", "Direct"}


def ordered(parts: Iterable[Part]) -> list[Part]:
    """Sessions in the order they happened."""
    return sorted(parts, key=lambda part: (part.row.start_at, part.row.session_id))


def put_subject(
    changes: Changes,
    kind: int,
    subject_id: int,
    parts: Sequence[Part],
    receipt: Receipt,
    day: int,
    ruleset: int,
    stage: str = "other",
    company: str = "",
    since: int = 0,
    told: tuple[Line, ...] | None = None,
) -> None:
    """Write the subject and its receipt, line by line. `parts` are in order; of a subject without
    any, only the moment `since` (ms) is known. `told` are the lines that the tables hold, None
    where nobody knows."""
    if told is None:
        changes.drop(CONTRIBUTIONS, "kind = $3 AND subject_id = $4", kind, subject_id)
    lines = () if told == receipt.lines else receipt.lines
    for number, line in enumerate(lines):
        if told is None or number >= len(told) or told[number] != line:
            changes.put(CONTRIBUTIONS, (kind, subject_id, number, *structs.astuple(line)))
    for number in range(len(receipt.lines), len(told or ())):
        changes.remove(CONTRIBUTIONS, (kind, subject_id, number))
    head: Row = (
        kind,
        subject_id,
        receipt.score,
        receipt.fit,
        receipt.engagement,
        receipt.grade,
        day,
        receipt.next_change_day or 0,
        ruleset,
        STAGE_RANK[stage],
    )
    signals = " ".join(signals_of(receipt))
    changes.put(SUBJECTS, (*head, *_seen(parts, since), *_touches(parts, company), signals))


async def lines_of(
    reader: Reader, site_id: int, gen: int, kind: int, subject_ids: Sequence[int]
) -> dict[int, tuple[Line, ...]]:
    """The receipts of subjects of one kind as the tables hold them."""
    found: dict[int, list[Line]] = {subject_id: [] for subject_id in subject_ids}
    for part in chunks(subject_ids):
        stored = await reader.fetch(
            f"SELECT subject_id, {', '.join(Line.__struct_fields__)} FROM contributions"
            " WHERE site_id = $1 AND gen = $2 AND kind = $3 AND subject_id IN "
            + in_list(part, 4)
            + " ORDER BY kind, subject_id, line",
            site_id,
            gen,
            kind,
            *padded(part),
        )
        for subject_id, *line in stored:
            found[subject_id].append(Line(*line))
    return {subject_id: tuple(lines) for subject_id, lines in found.items()}


def drop_subject(changes: Changes, kind: int, subject_id: int) -> None:
    """A visitor without unowned sessions is no subject."""
    changes.drop(SUBJECTS, "kind = $3 AND subject_id = $4", kind, subject_id)
    changes.drop(CONTRIBUTIONS, "kind = $3 AND subject_id = $4", kind, subject_id)


def _seen(parts: Sequence[Part], since: int) -> Row:
    if not parts:
        return (since, since, 0, 0)
    return (
        parts[0].row.start_at,
        max(part.row.end_at for part in parts),
        len(parts),
        sum(part.row.page_views for part in parts),
    )


def _touches(parts: Sequence[Part], company: str) -> Row:
    """First touch, touch at becoming lead, last touch that was not direct; country and company."""
    if not parts:
        return ("", "", "", "", "", "", "", "", "", company)
    first = next((p.row for p in parts if p.row.channel), parts[0].row)
    lead = next((p.row for p in parts if p.row.leads), None)
    last = next((p.row for p in reversed(parts) if p.row.channel not in UNTOLD), first)
    country = next((p.row.country for p in reversed(parts) if p.row.country), "")
    by_address = next((p.row.company for p in reversed(parts) if p.row.company), "")
    return (
        first.source,
        first.medium,
        first.campaign,
        first.channel,
        lead.source if lead else "",
        lead.channel if lead else "",
        last.source,
        last.channel,
        country,
        company or by_address,
    )
