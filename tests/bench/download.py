"""Everybody as a CSV file over HTTP: how long it takes, and that memory stays flat."""

import http.client
import time
from collections.abc import Iterator
from pathlib import Path

from server.model import Event, Kind
from tests.bench.place import DAY_MS, Copies, now_ms
from tests.bench.reading_fill import AGENTS, filled_with
from tests.bench.serving import SITE, served
from tests.bench.table import Row, number, say
from tests.bench.workload import HOST, Workload

#: What the file may cost in memory, beyond what was used before it was asked for.
FLAT_MB = 10


def people_events(count: int) -> Iterator[list[Event]]:
    """So many people: each looks at a page and fills in the form."""
    work, now = Workload(41, now_ms()), now_ms() - 5 * DAY_MS
    for start in range(0, count, 500):
        part = []
        for person in range(start, min(start + 500, count)):
            key, at = work.random.randbytes(16), now + person * 1_000
            address = f"person{person}@firm{person % 997}.example"
            ids = f'{{"email":"{address}"}}'
            form = f'{{"fields":{ids},"form":"demo","ids":{ids},"traits":{ids}}}'
            for kind, data in ((Kind.PAGE_VIEW, ""), (Kind.FORM_SUBMIT, form)):
                moment = at + 20_000 * bool(data)
                part.append(
                    Event(
                        event_id=moment.to_bytes(6, "big") + work.random.randbytes(10),
                        kind=kind,
                        at=moment,
                        received=moment,
                        visitor=key,
                        tab=1,
                        q=int(bool(data)),
                        url=f"https://{HOST}/pricing",
                        title="Pricing",
                        agent=AGENTS[person % len(AGENTS)],
                        data=data,
                    )
                )
        yield sorted(part, key=lambda event: event.at)


def filled_people(data: Path, count: int) -> Path:
    say(f"  a site of {count:,} people is filled and projected, unless it is kept")
    return filled_with(data / f"people-{count}", people_events(count), 2 * count)


def people_csv(data: Path, scratch: Path, count: int) -> list[Row]:
    """All people over HTTP: how long it takes, and what it costs in memory."""
    copies = Copies(filled_people(data, count), scratch / "csv")
    with served(copies.fresh()) as (running, token):
        connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=120)
        bearer = {"Authorization": f"Bearer {token}"}
        connection.request("GET", f"{SITE}/people.csv?q=nobody", headers=bearer)
        connection.getresponse().read()  # what is loaded at the first question of its kind
        running.forget_peak()
        before = running.ask()["peak_mb"]
        started = time.perf_counter()
        connection.request("GET", f"{SITE}/people.csv", headers=bearer)
        answer = connection.getresponse()
        lines, size = 0, 0
        while part := answer.read1(65_536):
            lines, size = lines + part.count(b"\n"), size + len(part)
        took, whole = time.perf_counter() - started, running.ask()["peak_mb"]
        connection.close()
    copies.drop()
    if answer.status != 200 or lines - 1 != count:
        raise RuntimeError(f"the file was answered {answer.status} with {lines - 1} people")
    what = f"CSV of {count:,} people"
    note = f"{number(count / took)} rows/s, {size / 1e6:.1f} MB"
    told = f"{before:.0f} MB before, {whole:.0f} MB at most"
    return [
        Row(what, took, unit="s", note=note, least=False),
        Row("  memory for it", whole - before, FLAT_MB, None, "MB", told, False),
    ]
