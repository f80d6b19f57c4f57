"""What one erasure does, decided once and written down, so that a kill at any moment loses nothing.

Between the first stub and the last the tables no longer tell whose an entry was; the plan does.
"""

import hashlib

import msgspec

from server.model import RESERVED_IDS, Door, Event, Kind
from server.reports.erasure import Cover
from server.reports.erasure_shapes import Receipt
from server.storage.erasing import Job


class Plan(msgspec.Struct):
    """What one job does to the log; made once, then only carried out."""

    stubs: list[int] = []
    kept: list[int] = []
    reworded: list[int] = []
    blanked: list[int] = []
    names: list[tuple[str, str]] = []  # that are taken out of the reworded entries
    touched: list[int] = []
    claims: list[int] = []
    strings: list[int] = []
    receipt: Receipt = Receipt()


class Work(msgspec.Struct):
    """How far a job is; kept in its row. `at` is UTC ms, `cut` the last entry it may take."""

    at: int = 0
    cut: int = 0
    marks: list[str] = []
    visitors: list[int] = []
    plan: Plan | None = None


def text_of(work: Work) -> str:
    return msgspec.json.encode(work).decode()


def plan_of(cover: Cover, work: Work) -> Plan:
    every = cover.events | cover.said
    return Plan(
        stubs=sorted(every - cover.kept),
        kept=sorted(cover.kept),
        reworded=sorted(cover.reworded),
        blanked=sorted(cover.blanked),
        names=sorted(cover.identifiers) if cover.reworded else [],
        touched=sorted(cover.touched),
        claims=sorted(cover.claims | cover.related),
        receipt=Receipt(
            events=len(cover.events),
            sessions=len(cover.sessions),
            visitors=len(set(work.visitors) | cover.whole),
            claims=len(cover.claims),
            decisions=len(cover.said),
            reworded=len(cover.reworded),
            tombstones=len(work.marks),
        ),
    )


def decision_of(job: Job, work: Work, now: int) -> Event:
    """What the log says of an erasure: numbers and keyed hashes, nothing that names anybody."""
    assert work.plan is not None  # noqa: S101 - planned before
    name = f"erase {job.site_id} {job.erasure_id}".encode()
    counts = msgspec.to_builtins(work.plan.receipt)
    said = {
        "visitors": work.plan.touched,
        "claims": work.plan.claims,
        "marks": work.marks,
        "at": work.at,
        "author": job.author,
        "counts": {name: count for name, count in counts.items() if count},
    }
    return Event(
        event_id=RESERVED_IDS + hashlib.blake2b(name, digest_size=14).digest(),
        kind=Kind.ERASE,
        at=now,
        received=now,
        door=Door.OPERATOR,
        data=msgspec.json.encode(said).decode(),
    )
