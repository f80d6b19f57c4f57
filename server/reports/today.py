"""What somebody should look at today: people, leads, crossings, claims that wait, visitors."""

from collections import Counter
from collections.abc import Mapping, Sequence

from server.model import STAGE_RANK, STAGES, Site
from server.reports import visitors
from server.reports.conflict_shapes import ConflictEvent, ConflictRow
from server.reports.conflicts import conflicts
from server.reports.crossings import NO_CAUSE, causes, crossings, read_data
from server.reports.filters import EVERYTHING, Chosen, Filters, chosen
from server.reports.overview_shapes import (
    HotPerson,
    HotVisitor,
    NewLead,
    Reason,
    Today,
    WaitingClaim,
)
from server.reports.paging import Paging, Where
from server.reports.people_list import COLUMNS, JOINED, row_of
from server.reports.reaches import FIRST_TIME, LEAD, first_session
from server.reports.shapes import (
    SignalPerson,
    VisitorRow,
    iso,
    points,
)
from server.reports.spans import Span, bounds
from server.reports.visitors import VisitorFilter
from server.storage import entries
from server.storage.database import Reader, chunks, in_list, padded

COUNT = 10
REASONS = 3
#: How many of the highest scores are looked through for those that fit.
MOST_LOOKED_AT = 2_000
_VISITOR, _PERSON = 0, 1
_CUSTOMER = STAGE_RANK["customer"]


async def today_lists(
    reader: Reader, site: Site, span: Span, filters: Filters, labels: Mapping[str, str]
) -> Today:
    """All lists of the page. Leads and crossings are those of the span; what waits is never
    filtered. `labels` are the rules' names in words. Raises `BadRequest` as `overview` does."""
    wanted = await chosen(reader, site, filters)
    return Today(
        hottest=await hottest(reader, site, labels, COUNT, wanted),
        leads=await new_leads(reader, site, span, COUNT, wanted),
        crossings=await crossings(reader, site, span, COUNT, wanted),
        waiting=await waiting(reader, site, COUNT),
        visitors=await worth_a_look(reader, site, labels, COUNT, wanted),
    )


# ---------------------------------------------------------------- by score


async def hottest(
    reader: Reader,
    site: Site,
    labels: Mapping[str, str],
    count: int = COUNT,
    wanted: Chosen = EVERYTHING,
    *,
    customers: bool = False,
) -> list[HotPerson]:
    """The people with the highest scores above zero whose first session matches, and what gives
    each the most; customers only where they are asked for. Under a filter, of the 2,000 highest."""
    below = len(STAGES) if customers else _CUSTOMER
    where = Where(f"{JOINED} AND s.score > 0 AND s.stage < $3")
    where.args += [site.site_id, site.generation, below]
    wanted.narrow(where, "f")
    table, joined = "subjects s", ""
    if wanted:
        table = (
            "(SELECT * FROM subjects s WHERE s.site_id = $1 AND s.gen = $2 AND s.kind = 1"
            f" ORDER BY s.score DESC, s.subject_id DESC LIMIT {MOST_LOOKED_AT}) s"
        )
        joined = first_session("s.subject_id")
    rows = await reader.fetch(
        f"SELECT {COLUMNS} FROM {table} CROSS JOIN persons p {joined} WHERE {where}"
        f" ORDER BY s.score DESC, s.subject_id DESC LIMIT {where.arg(count)}",
        *where.args,
    )
    why = await reasons(reader, site, _PERSON, [row[0] for row in rows], labels)
    return [HotPerson(person=row_of(row), why=why.get(row[0], [])) for row in rows]


async def worth_a_look(
    reader: Reader,
    site: Site,
    labels: Mapping[str, str],
    count: int = COUNT,
    wanted: Chosen = EVERYTHING,
) -> list[HotVisitor]:
    """The anonymous visitors with the highest scores above zero, in the same way."""
    if wanted:
        found = await _matching(reader, site, count, wanted)
    else:
        page = await visitors.visitors(reader, site, VisitorFilter(), "-score", Paging(count))
        found = [row for row in page.items if row.score > 0]
    why = await reasons(reader, site, _VISITOR, [int(row.id[1:]) for row in found], labels)
    return [HotVisitor(visitor=row, why=why.get(int(row.id[1:]), [])) for row in found]


async def _matching(reader: Reader, site: Site, count: int, wanted: Chosen) -> list[VisitorRow]:
    """Of the highest scores, the visitors whose first session that belongs to nobody matches."""
    where = Where("s.score > 0")
    where.args += [site.site_id, site.generation]
    wanted.narrow(where, "f")
    # The plus keeps SQLite to the visitor's sessions: those of nobody are most of the table.
    rows = await reader.fetch(
        "SELECT s.subject_id FROM (SELECT subject_id, score FROM subjects WHERE site_id = $1"
        " AND gen = $2 AND kind = 0 ORDER BY score DESC, subject_id DESC"
        f" LIMIT {MOST_LOOKED_AT}) s CROSS JOIN sessions f"
        f" WHERE {where} AND f.site_id = $1 AND f.gen = $2 AND f.session_id ="
        " (SELECT x.session_id FROM sessions x WHERE x.site_id = $1 AND x.gen = $2"
        " AND x.visitor_id = s.subject_id AND +x.person_id = 0"
        " ORDER BY x.start_at, x.session_id LIMIT 1)"
        f" ORDER BY s.score DESC, s.subject_id DESC LIMIT {where.arg(count)}",
        *where.args,
    )
    found = [await visitors.visitor(reader, site, row[0]) for row in rows]
    names = VisitorRow.__struct_fields__
    return [VisitorRow(**{name: getattr(row, name) for name in names}) for row in found]


async def reasons(
    reader: Reader, site: Site, kind: int, ids: Sequence[int], labels: Mapping[str, str]
) -> dict[int, list[Reason]]:
    """By subject, the rules that give the most, with all their points; `kind` 0 is a visitor."""
    found: dict[int, list[Reason]] = {}
    for part in chunks(ids):
        rows = await reader.fetch(
            "SELECT subject_id, rule, sum(points) FROM contributions WHERE site_id = $1"
            f" AND gen = $2 AND kind = $3 AND subject_id IN {in_list(part, 4)}"
            " GROUP BY subject_id, rule",
            site.site_id,
            site.generation,
            kind,
            *padded(part),
        )
        given: dict[int, Counter[str]] = {}
        for subject_id, rule, milli in rows:
            of = rule.removeprefix("cap:")  # what a rule's own limit takes back
            if ":" not in of:
                given.setdefault(subject_id, Counter())[of] += int(milli)
        for subject_id, sums in given.items():
            most = sorted(sums.items(), key=lambda one: (-one[1], one[0]))[:REASONS]
            found[subject_id] = [
                Reason(rule=rule, label=labels.get(rule, rule), points=points(milli))
                for rule, milli in most
                if milli > 0
            ]
    return found


# ---------------------------------------------------------------- new leads


async def new_leads(
    reader: Reader, site: Site, span: Span, count: int = COUNT, wanted: Chosen = EVERYTHING
) -> list[NewLead]:
    """Who first became a lead in the span, the newest first, with the form that did it."""
    where = Where("m.site_id = $1 AND m.gen = $2 AND m.at >= $3 AND m.at < $4 AND m.stage_to = $5")
    since, until = bounds(site.settings.zone, span)
    where.args += [site.site_id, site.generation, since, until, STAGE_RANK[LEAD]]
    where.add(FIRST_TIME)
    wanted.narrow(where, "f")
    joined = first_session("m.person_id") if wanted else ""
    rows = await reader.fetch(
        "SELECT m.seq, m.at, m.person_id, p.email, p.name, p.company, s.stage, s.score, s.source,"
        " s.channel, s.campaign FROM stages m JOIN persons p ON p.site_id = $1 AND p.gen = $2"
        " AND p.person_id = m.person_id JOIN subjects s ON s.site_id = $1 AND s.gen = $2"
        f" AND s.kind = 1 AND s.subject_id = m.person_id {joined} WHERE {where}"
        f" ORDER BY m.at DESC, m.seq DESC LIMIT {where.arg(count)}",
        *where.args,
    )
    moves = await entries.by_seq(reader, site.site_id, [row[0] for row in rows])
    causing = {seq: read_data(entry).get("cause") or 0 for seq, entry in moves.items()}
    why = await causes(reader, site, sorted(set(causing.values()) - {0}))
    return [
        NewLead(
            person=SignalPerson(id=f"p{person_id}", email=email, name=name),
            company=company,
            stage=STAGES[stage],
            score=points(score),
            at=iso(at),
            source=source,
            channel=channel,
            campaign=campaign,
            form=cause.form,
            path=cause.path,
            event=cause.event,
        )
        for seq, at, person_id, email, name, company, stage, score, *touch in rows
        for source, channel, campaign in (touch,)
        for cause in (why.get(causing.get(seq, 0), NO_CAUSE),)
    ]


# ---------------------------------------------------------------- what waits

_DEVICES = {"quarantined": "from a new device", "too_many_devices": "from one device too many"}


async def waiting(reader: Reader, site: Site, count: int = COUNT) -> list[WaitingClaim]:
    """Claims that count for nobody until somebody accepts or refuses them, the newest first."""
    found: list[ConflictRow] = []
    for kind in _DEVICES:
        found += (await conflicts(reader, site, "open", kind, Paging(count))).items
    found.sort(key=lambda row: (row.at, row.id), reverse=True)
    return [_waiting(row, row.event) for row in found[:count] if row.event is not None]


def _waiting(row: ConflictRow, event: ConflictEvent) -> WaitingClaim:
    person = row.person
    given = event.ids[0].value if event.ids else "Somebody"
    name = (person.name or person.email or given) if person is not None else given
    return WaitingClaim(
        id=row.id,
        at=row.at,
        what=f"{name}? {_did(event)} {_DEVICES[row.kind]}",
        person=SignalPerson(id=person.id, email=person.email, name=person.name)
        if person is not None
        else None,
        visitor=event.visitor,
        event=event.id,
        form=event.form,
        path=event.path,
        actions=row.actions,
    )


def _did(event: ConflictEvent) -> str:
    """What the claim came with, in words."""
    form = event.form.lower()
    if event.kind != "form_submit":
        return "was named"
    if "demo" in form:
        return "asked for a demo"
    if "contact" in form:
        return "asked to be contacted"
    return f"sent the form “{event.form}”" if form else "sent a form"
