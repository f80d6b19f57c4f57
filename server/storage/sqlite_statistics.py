"""What SQLite's planner is told of tables in which a site is all and a person is little.

Told nothing it takes ten rows for each value of an index's first column. Every index here begins
with the site, so it thinks a site has ten sessions, and reads a million of them to find one
person's, by the primary key, instead of fifty by the index that is there for them. What it is told
are round figures of a site of ten million events. They never change with a site's own, so that a
plan that was tested is the plan that runs: SQLite promises the same plan for the same schema and
statistics ("Query Planner Stability Guarantee", sqlite.org/queryplanner-ng.html). Of PostgreSQL
see `postgres_statistics`.
"""

from server.storage.database import Query, Script

#: By table: an index (the primary key has the table's name), how many rows it has, and how many of
#: them share the value of its first column, its first two, and so on. Half a site stands with each
#: primary key, because what reads all of a site should read it in the order in which it lies.
#: Tables that are not told are read as before: their plans were chosen without.
STATISTICS = {
    "claims": {
        "claims": "100000 50000 50000 1 1",
        "claims_person": "100000 100000 100000 6 1",
        "claims_value": "100000 100000 100000 50000 5",
    },
    "conflicts": {
        "conflicts": "1000 500 500 1 1 1",
        "conflicts_open": "1000 1000 1000 500 1 1",
        "conflicts_person": "1000 1000 1000 2",
    },
    "identifiers": {
        "identifiers": "20000 10000 10000 5000 1",
        "identifiers_person": "20000 20000 20000 2",
    },
    "links": {
        "links": "20000 10000 10000 2 1 1",
        "links_person": "20000 20000 20000 2",
    },
    "person_entries": {
        "person_entries": "60000 30000 30000 4 1",
        "person_entries_person": "60000 60000 60000 4 2 1",
    },
    "sessions": {
        "sessions": "1000000 500000 500000 1",
        "sessions_day": "1000000 1000000 1000000 5500 60",
        "sessions_open": "100 100 100 10 1",  # only who asks for what is open can use it
        "sessions_person": "1000000 1000000 1000000 50 1",
        "sessions_visitor": "1000000 1000000 1000000 5 1",
    },
}


def tell(made: bool) -> Script[bool]:
    """Keep the figures in the file, from where every connection reads them with the schema; whether
    they were others. Where nothing is to be done nothing is written. `made`: tables were made on
    this connection, which has to read the figures again."""
    wanted = {
        (table, index, figures)
        for table, indices in STATISTICS.items()
        for index, figures in indices.items()
    }
    known = yield Query("SELECT name FROM sqlite_schema WHERE name = 'sqlite_stat1'")
    rows = (yield Query("SELECT tbl, idx, stat FROM sqlite_stat1")) if known else []
    others = set(rows) != wanted
    if others:
        # Another table is another schema, which open connections read again; other rows are not.
        # `sqlite_stat4`, where there is one, has samples of what was stored when somebody looked.
        yield Query("DROP TABLE IF EXISTS sqlite_stat1")
        yield Query("DROP TABLE IF EXISTS sqlite_stat4")
        yield Query("ANALYZE sqlite_schema")  # looks at nothing, but makes the table
        insert = "INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES ($1, $2, $3)"
        yield Query(insert, sorted(wanted), many=True)
    if others or made:
        yield Query("ANALYZE sqlite_schema")  # reads them
    return others
