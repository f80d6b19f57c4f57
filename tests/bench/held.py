"""What is held in memory where visitors are not those of the workload: many events each, or
addresses that are long and never come again. Measured while the server takes them as fast as it
can, and then catches up: bounds that only count things let it be several times as much (decision
19 of docs/decisions)."""

from tests.bench.runs import generate
from tests.bench.serving import Sqlite, until_projected
from tests.bench.table import CannotMeasure, Row, number

CONNECTIONS = 8
#: Longer than it takes: the load ends with its events.
SECONDS = 120.0
#: Page views of 500 a visitor, and with long addresses of ten.
BUSY, LONG = 500_000, 50_000


def held(place: Sqlite, *, quick: bool) -> list[Row]:
    """Memory at most, with what it was before."""
    busy, long = (BUSY // 50, LONG // 50) if quick else (BUSY, LONG)
    return [
        _row(place, "memory, 500 page views of each visitor", "busy", busy, 50),
        _row(place, "memory, addresses of 1,900 characters, no two alike", "long", long, 10),
    ]


def _row(place: Sqlite, what: str, shape: str, events: int, batch: int) -> Row:
    with place.serve() as running:
        before = running.ask()["peak_mb"]
        sent = {"requests": events // batch, "batch": batch, "connections": CONNECTIONS}
        load = generate(running.port, SECONDS, shape=shape, **sent)
        told = until_projected(running, SECONDS)
    if told["cursor"] < told["head"]:
        raise CannotMeasure(f"{what}: not projected within {SECONDS:.0f} s")
    note = f"{before:.0f} MB before; {number(load['events'])} events, all projected"
    return Row(what, told["peak_mb"], unit="MB", note=note, least=False)
