"""The fold of one visitor: sessions, cuts, who owns what."""

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.model import Consent, Flag, FormRule, Identifier, Kind, SiteSettings
from server.project.claims import Claim, purposes
from server.project.matching import Matcher
from server.project.ruleset import DEFAULT
from server.project.seen import Seen
from server.project.visitor import Rules, Visitor, grants, links_of

MIN = 60_000
DAY = 86_400_000
T0 = 1_790_000_000_000
RULES = Rules(Matcher(DEFAULT), SiteSettings(), purposes((FormRule("demo"),)))


class Everybody:
    """Who is behind an identifier, as the projector would know it."""

    def __init__(self) -> None:
        self.known: dict[Identifier, int] = {}

    def resolve(self, claim: Claim) -> int:
        return self.known.setdefault(claim.ids[0], claim.seq)


def see(seq: int, at: int, kind: Kind = Kind.PAGE_VIEW, **more: Any) -> Seen:
    values: dict[str, Any] = {
        "seq": seq,
        "at": T0 + at,
        "event_id": seq.to_bytes(16, "big"),
        "kind": kind,
        "visitor_id": 1,
        "page": "/",
    }
    return Seen(**(values | more))


def form(seq: int, at: int, email: str, **more: Any) -> Seen:
    data = {"form": "demo", "ids": {"email": email}}
    return see(seq, at, Kind.FORM_SUBMIT, data=data, **more)


def fold(events: list[Seen]) -> Visitor:
    visitor, people = Visitor(1, granted=grants(events)), Everybody()
    for event in sorted(events, key=lambda seen: seen.key):
        visitor.step(event, RULES, people)
    return visitor


def shape(visitor: Visitor) -> list[tuple[int, int, int]]:
    """(events, page views, owner) of each session."""
    return [(s.events, s.page_views, s.person_id) for s in visitor.sessions]


@pytest.mark.parametrize(
    ("name", "events", "expected"),
    [
        ("one visit", [see(1, 0), see(2, 5 * MIN)], [(2, 2, 0)]),
        ("29 minutes is one visit", [see(1, 0), see(2, 29 * MIN)], [(2, 2, 0)]),
        ("30 minutes exactly is one visit", [see(1, 0), see(2, 30 * MIN)], [(2, 2, 0)]),
        ("31 minutes is two", [see(1, 0), see(2, 31 * MIN)], [(1, 1, 0), (1, 1, 0)]),
        (
            "a new campaign cuts",
            [see(1, 0, utm='{"source":"a"}'), see(2, MIN, utm='{"source":"b"}', external=True)],
            [(1, 1, 0), (1, 1, 0)],
        ),
        (
            "the same campaign again does not cut",
            [see(1, 0, utm='{"source":"a"}'), see(2, MIN, utm='{"source":"a"}', external=True)],
            [(2, 2, 0)],
        ),
        (
            "an own-host link with a campaign does not cut",
            [see(1, 0), see(2, MIN, utm='{"source":"b"}', referrer="acme.example")],
            [(2, 2, 0)],
        ),
        (
            "an external referrer without a campaign does not cut",
            [see(1, 0), see(2, MIN, external=True, referrer="x.example")],
            [(2, 2, 0)],
        ),
        ("engagement opens nothing", [see(1, 0, Kind.ENGAGEMENT)], []),
        (
            "engagement does not keep a visit open",
            [see(1, 0), see(2, 40 * MIN, Kind.ENGAGEMENT), see(3, 50 * MIN)],
            [(2, 1, 0), (1, 1, 0)],
        ),
        ("a late event is in no session", [see(1, 0, flags=Flag.LATE)], []),
        ("cookieless events wait", [see(1, 0, flags=Flag.COOKIELESS)], []),
        (
            "and join once consent is granted",
            [see(1, 0, flags=Flag.COOKIELESS), see(2, MIN, consent=Consent.GRANTED)],
            [(2, 2, 0)],
        ),
        (
            "a: three views then a form belong to one person",
            [see(1, 0), see(2, MIN), see(3, 2 * MIN), form(4, 3 * MIN, "a@x.example")],
            [(4, 3, 4)],
        ),
        (
            "earlier unowned visits inside the lookback come along",
            [see(1, 0), see(2, 80 * DAY), form(3, 80 * DAY + MIN, "a@x.example")],
            [(1, 1, 3), (2, 1, 3)],
        ),
        (
            "visits before the lookback stay unowned",
            [see(1, 0), see(2, 91 * DAY), form(3, 91 * DAY + MIN, "a@x.example")],
            [(1, 1, 0), (2, 1, 3)],
        ),
        (
            "b: another e-mail cuts and takes only what follows",
            [
                see(1, 0),
                form(2, MIN, "a@x.example"),
                form(3, 2 * MIN, "b@x.example"),
                see(4, 3 * MIN),
            ],
            [(2, 1, 2), (2, 1, 3)],
        ),
        (
            "c: after two persons the next visit is nobody's",
            [form(1, 0, "a@x.example"), form(2, MIN, "b@x.example"), see(3, DAY)],
            [(1, 0, 1), (1, 0, 2), (1, 1, 0)],
        ),
        (
            "the next visit of one person is theirs",
            [form(1, 0, "a@x.example"), see(2, DAY)],
            [(1, 0, 1), (1, 1, 1)],
        ),
        (
            "on a shared visitor a claim takes its own visit only",
            [
                form(1, 0, "a@x.example"),
                form(2, MIN, "b@x.example"),
                see(3, DAY),
                see(4, 2 * DAY),
                form(5, 2 * DAY + MIN, "a@x.example"),
            ],
            [(1, 0, 1), (1, 0, 2), (1, 1, 0), (2, 1, 1)],
        ),
        (
            "the same e-mail again changes nothing",
            [form(1, 0, "a@x.example"), form(2, MIN, "a@x.example")],
            [(2, 0, 1)],
        ),
    ],
)
def test_sessions_and_owners(
    name: str, events: list[Seen], expected: list[tuple[int, int, int]]
) -> None:
    """One row a rule."""
    assert shape(fold(events)) == expected, name


def test_links_say_since_when_and_why() -> None:
    """An open link of the first person ends where the second one begins."""
    one = fold([see(1, 0), form(2, MIN, "a@x.example")])
    assert [(r.person_id, r.from_at, r.to_at, r.reason) for r in links_of(one)] == [
        (2, T0, 0, "form:demo")
    ]
    two = fold([see(1, 0), form(2, MIN, "a@x.example"), form(3, 2 * MIN, "b@x.example")])
    assert [(r.person_id, r.from_at, r.to_at) for r in links_of(two)] == [
        (2, T0, T0 + MIN),
        (3, T0 + 2 * MIN, 0),
    ]


def test_engagement_is_a_maximum_of_its_page_view() -> None:
    """Beacons repeat what was counted so far; the total never exceeds the largest."""
    view = see(1, 0, page="/pricing", groups=("pricing",))
    beats = [
        see(
            2 + i,
            (i + 1) * MIN,
            Kind.ENGAGEMENT,
            page_view=view.event_id,
            data={"ms": ms, "scroll": scroll},
        )
        for i, (ms, scroll) in enumerate([(5_000, 20), (61_000, 80), (30_000, 90)])
    ]
    session = fold([view, *beats]).sessions[0]
    assert session.engaged_ms == 61_000
    assert [hit.rule for hit in session.hits] == ["pricing_page", "deep_read"]


@st.composite
def histories(draw: st.DrawFn) -> list[Seen]:
    """Random histories of one visitor with up to three addresses."""
    at, events = 0, []
    for seq in range(1, draw(st.integers(2, 25))):
        at += draw(st.sampled_from([0, MIN, 10 * MIN, 31 * MIN, DAY]))
        what = draw(st.sampled_from(["view", "view", "view", "form", "beat"]))
        if what == "form":
            events.append(form(seq, at, draw(st.sampled_from(["a@x.example", "b@x.example"]))))
        elif what == "beat":
            events.append(see(seq, at, Kind.ENGAGEMENT, data={"ms": 1000, "scroll": 10}))
        else:
            events.append(see(seq, at, page=draw(st.sampled_from(["/", "/pricing"]))))
    return events


@settings(max_examples=150, deadline=None)
@given(histories(), st.integers(0, 2**32))
def test_any_order_of_arrival_folds_to_the_same(events: list[Seen], seed: int) -> None:
    """The fold is a function of the set; no event is lost or on two sessions."""
    shuffled = random.Random(seed).sample(events, len(events))
    one, other = fold(events), fold(shuffled)
    assert shape(one) == shape(other)
    counted = sum(s.events for s in one.sessions)
    opened = [e for e in events if e.kind is not Kind.ENGAGEMENT]
    assert len(opened) <= counted <= len(events)
    for before, after in zip(one.sessions, one.sessions[1:], strict=False):
        assert before.end_at <= after.start_at or before.start_at <= after.start_at
