"""Everything that is stored of a person, as JSON: for whoever asks what is known of them."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager

import msgspec

from server.model import STAGES, Level, Site
from server.reports.erasure import Until, covered
from server.reports.erasure_shapes import DoubtRow, PersonExport, StageMove, TraitGiven, Visit
from server.reports.log import log_entries
from server.reports.people import LINK_STATES, person
from server.reports.shapes import iso
from server.storage import entries
from server.storage import people as rows
from server.storage.database import Reader, chunks
from server.storage.derived import SESSIONS

CHUNK = 500
_encode = msgspec.json.Encoder().encode
Snapshots = Callable[[], AbstractAsyncContextManager[Reader]]


async def person_json(snapshots: Snapshots, site: Site, person_id: int) -> AsyncIterator[bytes]:
    """A `PersonExport` in pieces: first all that is derived, then the entries. Raises `NotFound`.

    What an erasure would take now is what is here.
    """
    async with snapshots() as reader:
        known = await _known(reader, site, person_id)
        cover = await covered(reader, site, f"p{person_id}", Until())
    yield _encode(known).removesuffix(b"]}")
    before = b""
    for part in chunks(sorted(cover.events | cover.said), CHUNK):
        async with snapshots() as reader:
            found = await entries.by_seq(reader, site.site_id, part)
            lines = await log_entries(reader, site, [found[seq] for seq in part if seq in found])
        if lines:
            yield before + _encode(lines)[1:-1]
            before = b","
    yield b"]}"


async def _known(reader: Reader, site: Site, person_id: int) -> PersonExport:
    scope = (reader, site.site_id, site.generation, person_id)
    return PersonExport(
        person=await person(reader, site, person_id),
        traits=[
            TraitGiven(
                name=name,
                value=msgspec.Raw(value.encode()),
                type=kind,
                level=Level(level).word,
                at=iso(at),
                event=f"e{seq}",
            )
            for name, seq, value, kind, level, at in await rows.traits(*scope)
        ],
        sessions=await _visits(reader, site, person_id),
        stages=[
            StageMove(stage_from=STAGES[one], stage_to=STAGES[to], at=iso(at), cause=cause)
            for _seq, one, to, at, cause in await rows.stages(*scope)
        ],
        conflicts=await _doubts(reader, site, person_id),
        entries=[],
    )


async def _visits(reader: Reader, site: Site, person_id: int) -> list[Visit]:
    """Every visit, those in quarantine too."""
    columns = SESSIONS.columns[2:]
    found = await reader.fetch(
        f"SELECT {', '.join(columns)} FROM sessions WHERE site_id = $1 AND gen = $2"
        " AND person_id = $3 ORDER BY start_at, session_id",
        site.site_id,
        site.generation,
        person_id,
    )
    named = [dict(zip(columns, row, strict=True)) for row in found]
    ids = [row["session_id"] for row in named]
    rules: dict[int, dict[str, None]] = {}
    for session_id, rule, *_ in await rows.signals(reader, site.site_id, site.generation, ids):
        rules.setdefault(session_id, {})[rule] = None
    same = set(Visit.__struct_fields__) & set(columns) - {"state"}
    return [
        Visit(
            id=f"s{row['session_id']}",
            visitor=f"v{row['visitor_id']}" if row["visitor_id"] else None,
            state=LINK_STATES[row["state"]],
            start=iso(row["start_at"]),
            end=iso(row["end_at"]),
            signals=list(rules.get(row["session_id"], ())),
            **{name: row[name] for name in same},
        )
        for row in named
    ]


async def _doubts(reader: Reader, site: Site, person_id: int) -> list[DoubtRow]:
    found = await reader.fetch(
        "SELECT kind, at, state, evidence FROM conflicts WHERE site_id = $1 AND gen = $2"
        " AND person_id = $3 ORDER BY at, seq, kind, other_id",
        site.site_id,
        site.generation,
        person_id,
    )
    return [
        DoubtRow(kind=kind, at=iso(at), open=not state, evidence=msgspec.Raw(evidence.encode()))
        for kind, at, state, evidence in found
    ]
