"""The fold of one visitor: sessions, cuts, who owns what."""

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.model import Class, Consent, Flag, Kind, Level
from server.project.rulings import State
from server.project.seen import Seen
from server.project.visitor import COOKIELESS, LATE, UNCOUNTED, Visitor, grants, links_of
from tests.project.told import DAY, MIN, RULES, T0, Told, confirm, resolved, view
from tests.project.told import form as form_of


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


def form(seq: int, at: int, email: str, key: str = "demo", **more: Any) -> Seen:
    data = {"form": key, "ids": {"email": email}}
    return see(seq, at, Kind.FORM_SUBMIT, data=data, **more)


def fold(events: list[Seen]) -> Visitor:
    visitor, people = Visitor(1, granted=grants(events)), resolved(events)
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
        ("a robot's event is in no session", [see(1, 0, class_=Class.BOT)], []),
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
            "what is left of an erased person's claim keeps the next visit nobody's",
            [see(1, 0), see(2, MIN, Kind.ERASED), form(3, 2 * MIN, "a@x.example"), see(4, DAY)],
            [(2, 1, 3), (1, 1, 0)],
        ),
        (
            "after consent is withdrawn a claim takes only what follows",
            [
                see(1, 0),
                form(2, MIN, "a@x.example"),
                see(3, 2 * MIN, Kind.CONSENT, data={"state": "denied"}),
                see(4, 3 * MIN),
                form(5, 4 * MIN, "a@x.example"),
                see(6, 5 * MIN),
            ],
            [(4, 2, 0), (2, 1, 2)],
        ),
        (
            "a sign-in form is nobody's claim",
            [see(1, 0), form(2, MIN, "a@x.example", "sign_in")],
            [(2, 1, 0)],
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


def test_a_link_in_quarantine_is_closed_and_says_so() -> None:
    """Nothing later joins it."""
    told = Told(
        [form_of("laptop", 0, "ann"), confirm("laptop", MIN, "ann"), form_of("phone", DAY, "ann")]
    )
    [link] = links_of(told.folded(told.visitors["phone"]))
    assert (link.state, link.level, link.to_at) == (State.QUARANTINED, Level.CLAIMED, T0 + DAY)


def test_proof_also_holds_for_what_was_claimed_before() -> None:
    """Rule 4, on every visit of that person here."""
    told = Told([form_of("laptop", 0, "ann"), view("laptop", DAY), confirm("laptop", DAY, "ann")])
    assert [s.level for s in told.folded(1).sessions] == [Level.PROVEN, Level.PROVEN]


@pytest.mark.parametrize(
    ("name", "event", "place"),
    [
        ("late", see(1, 0, flags=Flag.LATE), LATE),
        ("late and cookieless", see(1, 0, flags=Flag.LATE | Flag.COOKIELESS), LATE),
        ("without consent", see(1, 0, flags=Flag.COOKIELESS), COOKIELESS),
        ("no human's", see(1, 0, class_=Class.BOT), UNCOUNTED),
        ("erased", see(1, 0, Kind.ERASED), UNCOUNTED),
    ],
)
def test_events_in_no_session_say_why(name: str, event: Seen, place: int) -> None:
    step = Visitor(1).step(event, RULES, resolved([event]))
    assert step.session is None
    assert [row.place for row in step.rows] == [place], name


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


def test_engagement_of_an_unknown_view_is_an_event_like_any_other() -> None:
    events = [see(1, 0), see(2, MIN, Kind.ENGAGEMENT, page_view=b"gone", data={"ms": 1_000})]
    visitor = Visitor(1)
    rows = [visitor.step(event, RULES, resolved(events)).rows for event in events]
    assert [len(each) for each in rows] == [1, 1]


@pytest.mark.parametrize(
    ("name", "event", "again"),
    [
        ("later than all before", see(9, 2 * MIN), False),
        ("at the same moment, later in the queue", see(9, MIN, q=1), False),
        ("earlier", see(9, 0), True),
        ("the same", see(2, MIN), True),
        ("a grant that lets what waited join", see(9, 2 * MIN, consent=Consent.GRANTED), True),
    ],
)
def test_what_makes_a_visitor_be_read_again(name: str, event: Seen, again: bool) -> None:
    waiting = see(1, 0, flags=Flag.COOKIELESS)
    assert fold([waiting, see(2, MIN)]).needs_refold(event) is again, name


@st.composite
def histories(draw: st.DrawFn) -> list[Seen]:
    """Random histories of one visitor with up to three addresses."""
    at, events = 0, []
    for seq in range(1, draw(st.integers(2, 25))):
        at += draw(st.sampled_from([0, MIN, 10 * MIN, 31 * MIN, DAY]))
        what = draw(st.sampled_from(["view", "view", "view", "form", "beat", "denied", "erased"]))
        if what == "form":
            events.append(form(seq, at, draw(st.sampled_from(["a@x.example", "b@x.example"]))))
        elif what == "beat":
            events.append(see(seq, at, Kind.ENGAGEMENT, data={"ms": 1000, "scroll": 10}))
        elif what == "denied":
            events.append(see(seq, at, Kind.CONSENT, data={"state": "denied"}))
        elif what == "erased":
            events.append(see(seq, at, Kind.ERASED))
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
    opened = [e for e in events if e.kind in {Kind.PAGE_VIEW, Kind.FORM_SUBMIT}]
    assert len(opened) <= counted <= len(events)
    for before, after in zip(one.sessions, one.sessions[1:], strict=False):
        assert before.end_at <= after.start_at or before.start_at <= after.start_at
