"""People as a list, and one person with everything that is known and the receipt of the score."""

from typing import NamedTuple

import msgspec

from server.errors import NotFound
from server.model import STAGES, Kind, Level, Site
from server.reports import paging
from server.reports.consequences import merges_of, notes_of, told
from server.reports.paging import Key, Paging, Where
from server.reports.receipts import receipt_of
from server.reports.rulesets import rescoring_share
from server.reports.shapes import (
    IdentifierRow,
    LinkRow,
    People,
    PersonDetail,
    PersonRow,
    TraitSource,
    iso,
    points,
)
from server.storage import identities
from server.storage import people as rows
from server.storage.database import Reader, Row

PERSON = 1
LINK_STATES = ("active", "quarantined", "ended")


class PeopleFilter(NamedTuple):
    """Which people; what is empty asks nothing. `min_score` is milli-points, `since` ms."""

    stage: str = ""
    signal: str = ""
    min_score: int | None = None
    source: str = ""
    company: str = ""
    words: tuple[str, ...] = ()
    since: int | None = None
    tag: str = ""
    email: str = ""  # any of theirs, normalised


class Order(NamedTuple):
    """A sort: the table that leads, so that its index gives the order, and its columns.

    `plain` are the same columns as expressions that no index serves.
    """

    lead: str
    columns: tuple[str, str]
    plain: tuple[str, str]
    types: tuple[type, type]
    down: bool

    def by(self, columns: tuple[str, str]) -> str:
        return ", ".join(f"{column} DESC" if self.down else column for column in columns)


_SUBJECTS, _PERSONS = "subjects s", "persons p"
ORDERS = {
    "-score": Order(
        _SUBJECTS, ("s.score", "s.subject_id"), ("+s.score", "s.subject_id"), (int, int), down=True
    ),
    "-last_seen": Order(
        _SUBJECTS,
        ("s.last_seen", "s.subject_id"),
        ("+s.last_seen", "s.subject_id"),
        (int, int),
        down=True,
    ),
    "email": Order(
        _PERSONS,
        ("p.email", "p.person_id"),
        ("p.email || ''", "p.person_id"),
        (str, int),
        down=False,
    ),
}
#: Rows looked at in order before a filter is taken for one that few people meet.
WINDOW = 2_000
#: Both tables are bound to the site on their own: CROSS JOIN keeps SQLite to the order written.
_JOINED = (
    "s.site_id = $1 AND s.gen = $2 AND p.site_id = $1 AND p.gen = $2 AND s.kind = 1"
    " AND p.person_id = s.subject_id"
)
_COLUMNS = (
    "s.subject_id, p.email, p.name, p.company, s.company, s.stage, s.score, s.fit, s.engagement,"
    " s.grade, p.level, s.first_seen, s.last_seen, s.sessions, s.page_views, s.source, s.channel,"
    " s.signals, p.tags, p.owner, p.do_not_contact"
)


def people_sql(
    site: Site, chosen: PeopleFilter, sort: str, page: Paging, way: str = "index"
) -> tuple[str, list[object]]:
    """The statement of one page of the list, in one of three ways to the same rows.

    `index` follows the order of an index; `window` does so among its next rows only; `all` finds
    everybody who fits, by words if there are any, and sorts them.
    """
    order = ORDERS[sort]
    where = Where(_JOINED)
    where.args += [site.site_id, site.generation]
    _conditions(where, chosen, by_words=way == "all")
    columns = order.plain if way == "all" else order.columns
    key = paging.decode(f"people{sort}", page.cursor, order.types)
    where.past(columns, key, down=order.down)
    other = _PERSONS if order.lead == _SUBJECTS else _SUBJECTS
    tables = f"{order.lead} CROSS JOIN {other}"
    if way == "window":
        tables = f"{_window(order, key, where)} CROSS JOIN {other}"
    elif way == "all":
        words = f"({_word(where, chosen.words[0])}) m CROSS JOIN " if chosen.words else ""
        tables = f"{words}{_SUBJECTS} CROSS JOIN {_PERSONS}"
    limit = where.arg(page.limit + 1)
    sql = (
        f"SELECT {_COLUMNS} FROM {tables} WHERE {where} ORDER BY {order.by(columns)} LIMIT {limit}"
    )
    return sql, where.args


def _conditions(where: Where, chosen: PeopleFilter, *, by_words: bool) -> None:
    if chosen.stage:
        where.add(f"s.stage = {where.arg(STAGES.index(chosen.stage))}")
    if chosen.company:
        exact, low = where.arg(chosen.company), where.arg(chosen.company.lower())
        where.add(
            f"(p.company = {exact} OR lower(p.company) = {low} OR p.company_domain = {low}"
            f" OR s.company = {exact})"
        )
    if chosen.email:
        where.add(
            "s.subject_id IN (SELECT i.person_id FROM identifiers i WHERE i.site_id = $1"
            f" AND i.gen = $2 AND i.type = 'email' AND i.value = {where.arg(chosen.email)})"
        )
    if chosen.tag:
        # A line each: taking this one out must change the text.
        mark, line = where.arg(f"\n{chosen.tag}\n"), where.arg("\n")
        lines = f"{line} || p.tags || {line}"
        where.add(f"replace({lines}, {mark}, '') <> {lines}")
    subject_conditions(where, chosen.signal, chosen.min_score, chosen.source, chosen.since)
    for place, word in enumerate(chosen.words):
        if place == 0 and by_words:
            where.add("s.subject_id = m.person_id")
        else:
            where.add(f"s.subject_id IN ({_word(where, word)})")


def _word(where: Where, word: str) -> str:
    """Everybody with a word that begins so."""
    low, high = where.arg(word), where.arg(word + "\U0010ffff")
    return (
        "SELECT DISTINCT w.person_id FROM person_words w WHERE w.site_id = $1 AND w.gen = $2"
        f" AND w.word >= {low} AND w.word < {high}"
    )


def _window(order: Order, key: Key | None, where: Where) -> str:
    """The next rows of the leading table, whoever they are."""
    alias = order.lead[-1]
    rows = Where(f"{alias}.site_id = $1 AND {alias}.gen = $2")
    rows.args = where.args
    if order.lead == _SUBJECTS:
        rows.add("s.kind = 1")
    rows.past(order.columns, key, down=order.down)
    by = order.by(order.columns)
    return f"(SELECT * FROM {order.lead} WHERE {rows} ORDER BY {by} LIMIT {WINDOW}) {alias}"


def subject_conditions(
    where: Where, signal: str, min_score: int | None, source: str, since: int | None
) -> None:
    """What people and visitors are filtered by alike."""
    if signal:
        # Keys stand in one text with spaces between: taking this one out must change it.
        mark = where.arg(f" {signal} ")
        where.add(f"replace(' ' || s.signals || ' ', {mark}, '') <> ' ' || s.signals || ' '")
    if min_score is not None:
        where.add(f"s.score >= {where.arg(min_score)}")
    if source:
        where.add(f"s.source = {where.arg(source)}")
    if since is not None:
        where.add(f"s.last_seen >= {where.arg(since)}")


async def people(
    reader: Reader, site: Site, chosen: PeopleFilter, sort: str, page: Paging
) -> People:
    """One page of people.

    A filter that many meet fills the page from the next rows in order. One that few meet would read
    the whole index and jump to each row: then reading everybody in line, or the words, is faster.
    """
    ways = ("window", "all") if chosen != PeopleFilter() else ("index",)
    rows_found: list[Row] = []
    for way in ways:
        sql, args = people_sql(site, chosen, sort, page, way)
        rows_found = await reader.fetch(sql, *args)
        if len(rows_found) > page.limit:
            break
    found, more = paging.bound(page.limit, rows_found)
    items = [_item(row) for row in found]
    share = await rescoring_share(reader, site)
    if not more:
        return People(items=items, next=None, rescoring=share)
    last = found[-1]
    key = {"-score": last[6], "-last_seen": last[12], "email": last[1]}[sort]
    following = paging.encode(f"people{sort}", (key, last[0]))
    return People(items=items, next=following, rescoring=share)


def _item(row: Row) -> PersonRow:
    return PersonRow(
        id=f"p{row[0]}",
        email=row[1],
        name=row[2],
        company=row[3] or row[4],
        stage=STAGES[row[5]],
        score=points(row[6]),
        fit=points(row[7]),
        engagement=points(row[8]),
        grade=row[9],
        level=Level(row[10]).word,
        first_seen=iso(row[11]),
        last_seen=iso(row[12]),
        sessions=row[13],
        page_views=row[14],
        source=row[15],
        channel=row[16],
        signals=row[17].split(),
        tags=row[18].split("\n") if row[18] else [],
        owner=row[19],
        do_not_contact=bool(row[20]),
    )


async def merged_into(reader: Reader, site: Site, person_id: int) -> int:
    """The person this one is part of now, 0 if none. Raises `NotFound` if nobody has this id.

    A person's id is the number of a claim, so whoever has the claim now is who was meant."""
    if await rows.person(reader, site.site_id, site.generation, person_id) is not None:
        return 0
    owner = await identities.owner_of(reader, site.site_id, site.generation, person_id)
    if not owner:
        raise NotFound("no such person")
    return owner


async def person(reader: Reader, site: Site, person_id: int) -> PersonDetail:
    """A person as of now. Raises `NotFound`."""
    found = await reader.fetch(
        f"SELECT {_COLUMNS}, p.created_at, s.ruleset FROM persons p CROSS JOIN subjects s"
        f" WHERE {_JOINED} AND p.person_id = $3",
        site.site_id,
        site.generation,
        person_id,
    )
    if not found:
        raise NotFound("no such person")
    row = found[0]
    item = _item(row)
    sources = await trait_sources(reader, site, person_id)
    return PersonDetail(
        **{name: getattr(item, name) for name in PersonRow.__struct_fields__},
        created_at=iso(row[21]),
        ruleset=row[22],
        traits={one.name: one.value for one in sources},
        trait_sources=sources,
        identifiers=await identifiers_of(reader, site, person_id),
        links=await links_of(reader, site, person_id),
        receipt=await receipt_of(reader, site, PERSON, person_id),
        notes=await notes_of(reader, site, person_id),
        merges=await merges_of(reader, site, person_id),
    )


async def identifiers_of(reader: Reader, site: Site, person_id: int) -> list[IdentifierRow]:
    found = await rows.identifiers_of(reader, site.site_id, site.generation, person_id)
    return [
        IdentifierRow(type=kind, value=value, level=Level(level).word, at=iso(at), event=f"e{seq}")
        for kind, value, level, at, seq in found
    ]


async def links_of(reader: Reader, site: Site, person_id: int) -> list[LinkRow]:
    """Which spans of which visitors belong to the person; a claim without a browser has none."""
    found = await reader.fetch(
        "SELECT visitor_id, level, state, reason, from_at, to_at, evidence FROM links"
        " WHERE site_id = $1 AND gen = $2 AND person_id = $3 AND visitor_id > 0"
        " ORDER BY from_at, visitor_id, evidence",
        site.site_id,
        site.generation,
        person_id,
    )
    return [
        LinkRow(
            visitor=f"v{visitor_id}",
            level=Level(level).word,
            state=LINK_STATES[state],
            reason=reason,
            since=iso(from_at),
            until=iso(to_at) if to_at else None,
            evidence=f"e{evidence}",
        )
        for visitor_id, level, state, reason, from_at, to_at, evidence in found
    ]


async def trait_sources(
    reader: Reader, site: Site, person_id: int, until: int = 2**62
) -> list[TraitSource]:
    """The value of each trait that the strongest evidence gives, then the newest; nothing that was
    said after `until` (ms)."""
    found = await rows.traits(reader, site.site_id, site.generation, person_id)
    best: dict[str, tuple[tuple[int, int, int], str]] = {}
    for name, seq, value, _type, level, at in found:
        weight = (level, at, seq)
        if at <= until and (name not in best or weight > best[name][0]):
            best[name] = (weight, value)
    by_hand = any(weight[0] == Level.DECIDED for weight, _ in best.values())
    said = await told(reader, site, person_id, [Kind.TRAIT]) if by_hand else []
    authors = {one.seq: one.said.author for one in said}
    return [
        TraitSource(
            name=name,
            value=msgspec.json.decode(value),
            level=Level(level).word,
            at=iso(at),
            event=f"e{seq}",
            author=authors.get(seq, ""),
        )
        for name, ((level, at, seq), value) in sorted(best.items())
    ]
