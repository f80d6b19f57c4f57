"""Thresholds crossed and stages reached, the newest first, each with the person and the cause."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import msgspec

from server.model import STAGES, Kind, Site
from server.reports import paging
from server.reports.filters import EVERYTHING, Chosen
from server.reports.overview_shapes import Crossing
from server.reports.paging import Key, Where
from server.reports.reaches import first_session
from server.reports.shapes import SignalPerson, iso, points
from server.reports.spans import Span, bounds
from server.storage import entries
from server.storage.database import Reader, chunks, in_list, padded
from server.storage.entries import Entry

#: Rows looked at in one go: what was taken back, or is told twice, is left out.
WINDOW = 60
#: Written as in the schema's index, so that it serves.
_KINDS = f"p.kind IN ({Kind.SET_STAGE:d}, {Kind.STAGE_MOVED:d}, {Kind.CROSSED:d})"


class _Found(NamedTuple):
    """A row of the list before it is told."""

    seq: int
    kind: Kind
    at: int
    person_id: int
    data: Mapping[str, Any]

    @property
    def arming(self) -> tuple[int, str, int]:
        """What a threshold and the move it makes have in common."""
        return (self.person_id, self.data.get("threshold", ""), self.data.get("number", 0))


class Cause(NamedTuple):
    """The event behind a move, as far as it is still there."""

    event: str | None = None
    kind: str = ""
    path: str = ""
    title: str = ""
    form: str = ""


NO_CAUSE = Cause()


async def crossings(
    reader: Reader, site: Site, span: Span, count: int = 10, chosen: Chosen = EVERYTHING
) -> list[Crossing]:
    """The newest `count` of those decided in the span, of people whose first session matches.

    A threshold that moved somebody to a stage is told once, as the move; what was taken back is not
    told at all.
    """
    found: list[_Found] = []
    moved: set[tuple[int, str, int]] = set()
    key: Key | None = None
    while len(found) < count:
        rows, more = await _page(reader, site, span, chosen, key)
        back = await _taken_back(reader, site, sorted({row.person_id for row in rows}))
        moved |= {row.arming for row in rows if row.kind is Kind.STAGE_MOVED}
        found += [
            row
            for row in rows
            if row.seq not in back and not (row.kind is Kind.CROSSED and row.arming in moved)
        ]
        if not more:
            break
        key = (rows[-1].at, rows[-1].seq)
    return await _told(reader, site, found[:count])


async def _page(
    reader: Reader, site: Site, span: Span, chosen: Chosen, key: Key | None
) -> tuple[list[_Found], bool]:
    where = Where(
        f"p.site_id = $1 AND p.gen = $2 AND p.at >= $3 AND p.at < $4 AND {_KINDS}"
        " AND p.person_id > 0"
    )
    where.args += [site.site_id, site.generation, *bounds(site.settings.zone, span)]
    where.past(("p.at", "p.seq"), key, down=True)
    chosen.narrow(where, "f")
    joined = first_session("p.person_id") if chosen else ""
    rows = await reader.fetch(
        f"SELECT p.seq, p.kind, p.at, p.person_id FROM person_entries p {joined} WHERE {where}"
        f" ORDER BY p.at DESC, p.seq DESC LIMIT {where.arg(WINDOW + 1)}",
        *where.args,
    )
    kept, more = paging.bound(WINDOW, rows)
    seen = await entries.by_seq(reader, site.site_id, [row[0] for row in kept])
    return [
        _Found(seq, Kind(kind), at, person_id, read_data(seen.get(seq)))
        for seq, kind, at, person_id in kept
    ], more


async def _taken_back(reader: Reader, site: Site, persons: Sequence[int]) -> set[int]:
    """The consequences of these people that were retracted."""
    seqs: list[int] = []
    for part in chunks(persons):
        rows = await reader.fetch(
            "SELECT DISTINCT seq FROM person_entries WHERE site_id = $1 AND gen = $2 AND kind = $3"
            f" AND person_id IN {in_list(part, 4)}",
            site.site_id,
            site.generation,
            int(Kind.RETRACTED),
            *padded(part),
        )
        seqs += [row[0] for row in rows]
    found = await entries.by_seq(reader, site.site_id, seqs)
    return {read_data(entry).get("of", 0) for entry in found.values()}


async def _told(reader: Reader, site: Site, found: Sequence[_Found]) -> list[Crossing]:
    known = await people_named(reader, site, sorted({one.person_id for one in found}))
    why = await causes(reader, site, sorted({one.data.get("cause") or 0 for one in found} - {0}))
    before = await _stages_before(reader, site, found)
    return [
        _crossing(one, known[one.person_id], why.get(one.data.get("cause") or 0, NO_CAUSE), before)
        for one in found
        if one.person_id in known
    ]


def _crossing(
    one: _Found, person: SignalPerson, cause: Cause, before: Mapping[tuple[int, int], str]
) -> Crossing:
    by_hand = one.kind is Kind.SET_STAGE
    return Crossing(
        id=f"e{one.seq}",
        at=iso(one.at),
        cause_at=iso(one.data.get("cause_at") or one.at),
        kind=one.kind.word,
        person=person,
        stage_from=before.get((one.person_id, one.seq), "other")
        if by_hand
        else one.data.get("from", ""),
        stage_to=one.data.get("stage" if by_hand else "to", ""),
        reason="hand" if by_hand else one.data.get("threshold", ""),
        score=None if by_hand else points(one.data.get("score", 0)),
        author=one.data.get("author", "") if by_hand else "",
        event=cause.event,
        event_kind=cause.kind,
        path=cause.path,
        title=cause.title,
        form=cause.form,
    )


async def _stages_before(
    reader: Reader, site: Site, found: Sequence[_Found]
) -> dict[tuple[int, int], str]:
    """Which stage somebody was moved from by hand, by person and entry."""
    persons = sorted({one.person_id for one in found if one.kind is Kind.SET_STAGE})
    before: dict[tuple[int, int], str] = {}
    for part in chunks(persons):
        rows = await reader.fetch(
            "SELECT person_id, seq, stage_from FROM stages WHERE site_id = $1 AND gen = $2"
            f" AND person_id IN {in_list(part, 3)}",
            site.site_id,
            site.generation,
            *padded(part),
        )
        before |= {(person_id, seq): STAGES[stage] for person_id, seq, stage in rows}
    return before


# ---------------------------------------------------------------- shared with new leads


def read_data(entry: Entry | None) -> dict[str, Any]:
    """What an entry says; nothing if it was erased."""
    if entry is None or not entry.data:
        return {}
    data: dict[str, Any] = msgspec.json.decode(entry.data)
    return data


async def people_named(
    reader: Reader, site: Site, persons: Sequence[int]
) -> dict[int, SignalPerson]:
    """People by id, with what to call them."""
    found: dict[int, SignalPerson] = {}
    for part in chunks(persons):
        rows = await reader.fetch(
            "SELECT person_id, email, name FROM persons WHERE site_id = $1 AND gen = $2"
            f" AND person_id IN {in_list(part, 3)}",
            site.site_id,
            site.generation,
            *padded(part),
        )
        for person_id, email, name in rows:
            found[person_id] = SignalPerson(id=f"p{person_id}", email=email, name=name)
    return found


async def causes(reader: Reader, site: Site, seqs: Sequence[int]) -> dict[int, Cause]:
    """The events with these numbers, in words."""
    seen = await entries.by_seq(reader, site.site_id, seqs)
    ids = {text for e in seen.values() for text in (e.url_id, e.title_id) if text is not None}
    texts = await entries.texts(reader, site.site_id, sorted(ids))
    found: dict[int, Cause] = {}
    for seq, entry in seen.items():
        if entry.kind:
            url = texts.get(entry.url_id or 0, "")
            found[seq] = Cause(
                f"e{seq}",
                Kind(entry.kind).word,
                (urlsplit(url).path or "/") if url else "",
                texts.get(entry.title_id or 0, ""),
                read_data(entry).get("form", ""),
            )
    return found
