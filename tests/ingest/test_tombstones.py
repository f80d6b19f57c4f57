"""Who was erased is known again by a hash, for that site and up to that moment only."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.errors import Refusal
from server.ingest.agents import Agents
from server.ingest.geo import Geo
from server.ingest.payload import decode, write_id
from server.ingest.pipeline import Arrival, Reading, Tools, read_batch
from server.ingest.tombstones import IDENTIFIERS, Named, Tombstone, Tombstones
from server.model import Event, Kind, Site, SiteSettings

NOW = 1_790_000_000_000
KEY = bytes(range(32))
ANN, BEN = b"ann's browser 01", b"ben's browser 02"
EMAIL = "ann@brew.example"
AGENTS = Agents()
KINDS: tuple[Named, ...] = ("visitor", *IDENTIFIERS)


def erased(kind: Named, value: bytes | str, at: int = NOW, site_id: int = 1) -> Tombstones:
    known = Tombstones(KEY)
    known.add([Tombstone(site_id, known.mark(site_id, kind, value), at)])
    return known


def event(kind: str, at: int = NOW, **data: Any) -> dict[str, Any]:
    page = {"u": "https://acme.example/"}
    return {"i": write_id(BEN), "y": kind, "t": at, "d": data} | page


def read(known: Tombstones, *events: dict[str, Any], site_id: int = 1, **more: Any) -> Reading:
    """A batch of Ann's browser, sent a day later."""
    late = NOW + 86_400_000
    body = {"k": "k", "v": write_id(ANN), "t": late, "e": list(events)} | more
    wire, _ = decode(json.dumps(body).encode())
    site = Site(site_id=site_id, name="Acme", keys=("k",), settings=SiteSettings())
    arrival = Arrival(received=late, user_agent="Mozilla/5.0 Firefox/140.0")
    return read_batch(site, arrival, wire, Tools(AGENTS, Geo.open(None), known))


FORM = event("form_submit", form="demo", fields={"email": " Ann@Brew.example "})
TABLE: list[tuple[str, Named, bytes | str, dict[str, Any], bool]] = [
    ("a view of an erased visitor", "visitor", ANN, event("page_view"), True),
    ("of another visitor", "visitor", BEN, event("page_view"), False),
    ("a view at the very moment", "visitor", ANN, event("page_view", NOW), True),
    ("a millisecond later", "visitor", ANN, event("page_view", NOW + 1), False),
    ("a form with an erased e-mail", "email", EMAIL, FORM, True),
    ("later", "email", EMAIL, FORM | {"t": NOW + 1}, False),
    ("another e-mail", "email", "ben@brew.example", FORM, False),
    ("the e-mail as a user id", "user_id", EMAIL, FORM, False),
    (
        "a phone in a form",
        "phone",
        "+4930901820",
        event("form_submit", form="demo", fields={"phone": "+49 30 901820"}),
        True,
    ),
    ("an identify by user id", "user_id", "u-7", event("identify", user_id="u-7"), True),
    ("an identify by number", "user_id", "7", event("identify", user_id=7), True),
    ("one of two ids", "email", EMAIL, event("identify", user_id="u-8", email=EMAIL), True),
    ("a mail opened", "email", EMAIL, event("email_open", message="m", email=EMAIL), True),
    ("a mail clicked", "email", EMAIL, event("email_click", message="m", email=EMAIL), True),
    ("a mail without address", "email", EMAIL, event("email_open", message="m"), False),
    ("a form without fields", "email", EMAIL, event("form_submit", form="demo"), False),
    ("a view that only mentions it", "email", EMAIL, event("page_view", email=EMAIL), False),
    ("a track of the person's visitor", "visitor", ANN, event("track", name="x"), True),
]


def stubs(reading: Reading) -> list[bool]:
    """Of which events only the id is kept; nothing else may be in them."""
    assert reading.refused == []
    for one in reading.events:
        if one.kind is Kind.ERASED:
            bare = Event(
                event_id=one.event_id, kind=Kind.ERASED, at=one.received, received=one.received
            )
            assert one == bare
    return [one.kind is Kind.ERASED for one in reading.events]


@pytest.mark.parametrize(
    ("kind", "value", "sent", "gone"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE]
)
def test_what_vanishes(kind: Named, value: bytes | str, sent: dict[str, Any], gone: bool) -> None:
    """Up to the moment of the erasure, what is of the visitor or names the person."""
    reading = read(erased(kind, value), sent)
    assert stubs(reading) == [gone]
    assert stubs(read(erased(kind, value, site_id=2), sent)) == [False]
    assert stubs(read(erased(kind, value, site_id=2), sent, site_id=2)) == [gone]


def test_whatever_else_is_wrong_is_said() -> None:
    """Else a bad event that is taken would tell of an erasure."""
    known = erased("visitor", ANN)
    told = [r for _, r in read(known, event("page_view") | {"u": "x:"}, event("nonsense")).refused]
    assert told == [Refusal.BAD_URL, Refusal.UNKNOWN_TYPE]


def test_a_submission_without_consent_is_still_the_visitors() -> None:
    """It would be stored without the visitor, yet it came from that browser before the erasure."""
    reading = read(erased("visitor", ANN), event("form_submit", form="f"), c="denied")
    assert stubs(reading) == [True]


def test_neighbours_are_kept() -> None:
    """One batch from before and after the erasure."""
    reading = read(erased("visitor", ANN), event("page_view"), event("page_view", NOW + 5))
    assert stubs(reading) == [True, False]
    assert reading.events[1].at == NOW + 5


def test_without_a_key_there_is_nothing() -> None:
    """A hash without a key could be looked up by anybody."""
    assert Tombstones().erased_at(1, "email", EMAIL) == 0
    with pytest.raises(ValueError, match="key"):
        Tombstones().mark(1, "email", EMAIL)
    assert read(Tombstones(), FORM).refused == []


values = st.binary(min_size=16, max_size=16) | st.text(max_size=40)
named = st.tuples(st.integers(1, 2**40), st.sampled_from(KINDS), values)


@given(named, named)
def test_two_names_share_a_mark_only_if_they_are_one(
    one: tuple[int, Named, bytes | str], two: tuple[int, Named, bytes | str]
) -> None:
    """Site, kind and value all count, and so does the key."""
    known = Tombstones(KEY)
    mark = known.mark(*one)
    assert len(mark) == 16
    raw = [v.encode() if isinstance(v, str) else v for v in (one[2], two[2])]
    assert (mark == known.mark(*two)) == ((*one[:2], raw[0]) == (*two[:2], raw[1]))
    assert mark != Tombstones(KEY[::-1]).mark(*one)
    assert mark != known.witness()


@given(st.lists(st.tuples(st.integers(1, 3), st.integers(0, 4), st.integers(1, 99))), st.randoms())
def test_the_latest_erasure_counts_in_any_order(
    rows: list[tuple[int, int, int]], shuffle: Any
) -> None:
    """Tombstones are a set: order and repetition change nothing."""
    known = Tombstones(KEY)
    stones = [Tombstone(s, known.mark(s, "email", str(n)), at) for s, n, at in rows]
    known.add(stones)
    again = Tombstones(KEY)
    shuffle.shuffle(stones)
    again.add(stones + stones)
    for site_id in range(1, 5):
        for number in range(5):
            latest = max((at for s, n, at in rows if (s, n) == (site_id, number)), default=0)
            for each in (known, again):
                assert each.erased_at(site_id, "email", str(number)) == latest


@given(st.integers(0, 200), st.integers(1, 200))
def test_covers_is_up_to_the_moment_and_no_further(at: int, when: int) -> None:
    """For visitors and names alike; somebody else is never covered, whatever the time."""
    assert erased("visitor", ANN, when).covers(1, at, ANN, "") == (at <= when)
    data = json.dumps({"ids": {"email": EMAIL}})
    assert erased("email", EMAIL, when).covers(1, at, None, data) == (at <= when)
    assert not erased("email", EMAIL, when).covers(1, at, ANN, "")
    assert not erased("visitor", ANN, when).covers(1, at, BEN, data)
