"""The journeys: reproducible, in order, within their weeks, and exactly what the wire allows."""

from collections import defaultdict
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.demo import content, forms
from server.demo.agents import AGENTS, ROBOTS
from server.demo.cast import COMPANIES, FREE_MAIL, person
from server.demo.journeys import DAY_MS, ORIGIN, journeys
from server.demo.wire import Batch
from server.ingest import limits
from server.ingest.emails import normalise_email
from server.ingest.fields import read_form
from server.ingest.payload import decode, read_id, read_tab
from server.ingest.private import is_secret_name
from server.model import EVENT_KINDS, PAGE_KINDS, FormRule
from server.project.typos import MOST_EDITS, within

NOW = 1_764_000_000_000


@pytest.fixture(scope="module")
def three_weeks() -> list[Batch]:
    return list(journeys(now_ms=NOW))


def events(batches: list[Batch], kind: str = "") -> list[dict[str, Any]]:
    return [e for b in batches for e in b.envelope["e"] if kind in ("", e["y"])]


def test_same_seed_and_moment_same_journeys(three_weeks: list[Batch]) -> None:
    """To the last byte; another seed, others."""
    assert list(journeys(now_ms=NOW)) == three_weeks
    assert list(journeys(now_ms=NOW, seed=2)) != three_weeks


def test_another_moment_makes_other_browsers_of_the_same_people() -> None:
    """Running it again later adds to people; it never writes into the visits of before."""
    first, second = (list(journeys(now_ms=NOW + gap)) for gap in (0, 3_600_000))
    assert not {b.envelope["v"] for b in first} & {b.envelope["v"] for b in second}
    assert addresses(first) == addresses(second)


def addresses(batches: list[Batch]) -> set[str]:
    return {e["d"]["fields"]["email"] for e in events(batches, "form_submit")}


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    visitors=st.integers(1, 160),
    weeks=st.integers(1, 8),
    now_ms=st.integers(1_500_000_000_000, 2_500_000_000_000),
)
def test_any_journeys_are_valid(seed: int, visitors: int, weeks: int, now_ms: int) -> None:
    """For any seed, size and moment: counted, in order, in time, and readable by the server."""
    batches = list(journeys(now_ms=now_ms, visitors=visitors, weeks=weeks, seed=seed))
    assert len({b.envelope["v"] for b in batches}) == visitors
    assert all(one.at_ms <= other.at_ms for one, other in pairwise(batches))
    ids = [e["i"] for e in events(batches)]
    assert len(ids) == len(set(ids))
    for batch in batches:
        check_batch(batch, now_ms - weeks * 7 * DAY_MS, now_ms)
    for own in by_visitor(batches).values():
        assert_in_order(own)


def by_visitor(batches: list[Batch]) -> dict[str, list[Batch]]:
    found: dict[str, list[Batch]] = defaultdict(list)
    for batch in batches:
        found[batch.envelope["v"]].append(batch)
    return found


def assert_in_order(own: list[Batch]) -> None:
    """A visitor's events follow each other in time, and their ids and numbers say so too."""
    told = events(own)
    assert all(one["t"] < other["t"] for one, other in pairwise(told))
    numbers = [int.from_bytes(read_id(e["i"]) or b"", "big") for e in told]
    assert numbers == sorted(numbers)
    for tab in {b.envelope["s"] for b in own}:
        here = events([b for b in own if b.envelope["s"] == tab])
        assert [e["q"] for e in here] == list(range(1, len(here) + 1))


def check_batch(batch: Batch, since_ms: int, now_ms: int) -> None:
    envelope = batch.envelope
    body = msgspec.json.encode(envelope)
    assert len(body) <= 60_000  # what a browser may still send while it leaves a page
    assert len(envelope["e"]) <= limits.BATCH_EVENTS
    read, refused = decode(body)
    assert not refused
    assert len(read.e) == len(envelope["e"])
    assert read_id(envelope["v"]) is not None
    assert len(envelope["s"]) == 11
    assert read_tab(envelope["s"]) is not None
    assert envelope["c"] in ("granted", "unknown")
    assert envelope["t"] == batch.at_ms <= now_ms
    for event in envelope["e"]:
        assert event["y"] in EVENT_KINDS
        identity = read_id(event["i"])
        assert identity is not None
        assert int.from_bytes(identity[:6], "big") == event["t"]
        assert since_ms <= event["t"] <= batch.at_ms
        if EVENT_KINDS[event["y"]] in PAGE_KINDS:
            assert event["u"].startswith(ORIGIN + "/")


def test_pages_are_those_of_the_site(three_weeks: list[Batch]) -> None:
    """Every address exists there, under the title it has there, and pages link up by referrer."""
    for batch in three_weeks:
        for event in batch.envelope["e"]:
            path = event["u"].removeprefix(ORIGIN).partition("?")[0]
            page = content.BY_PATH[path]
            if event["y"] == "page_view":
                assert event["n"] == page.full_title
                inside = event["r"].startswith(ORIGIN)
                assert inside == (event["q"] > 1)


def test_engagement_only_grows_on_a_page(three_weeks: list[Batch]) -> None:
    """`ms` and `scroll` are so far, never more than the time that passed."""
    for batch in three_weeks:
        view = batch.envelope["e"][0]
        told = [e for e in batch.envelope["e"] if e["y"] == "engagement"]
        assert view["y"] == "page_view"
        assert all(e["p"] == view["i"] for e in batch.envelope["e"][1:])
        for event in told:
            assert event["d"]["ms"] <= event["t"] - view["t"]
            assert 0 <= event["d"]["scroll"] <= 100
        for one, other in pairwise(told):
            assert one["d"]["ms"] <= other["d"]["ms"]
            assert one["d"]["scroll"] <= other["d"]["scroll"]


def test_about_nine_in_a_hundred_become_people(three_weeks: list[Batch]) -> None:
    """Every form is used, some are left, and the mix holds what a site owner wants to see."""
    sent = events(three_weeks, "form_submit")
    assert 24 <= len(addresses(three_weeks)) <= 30
    assert {e["d"]["form"] for e in sent} == {form.key for form in forms.FORMS}
    starts = {e["p"] for e in events(three_weeks, "form_start")}
    assert len(starts - {e["p"] for e in sent}) >= 5
    assert sum(FREE_MAIL in address for address in addresses(three_weeks)) >= 2
    titles = [e["d"]["fields"].get("job_title", "") for e in sent]
    assert any(title.startswith("VP") for title in titles)
    domains = [address.partition("@")[2] for address in addresses(three_weeks)]
    assert max(domains.count(domain) for _, domain in COMPANIES) >= 3
    assert events(three_weeks, "download")


def test_some_have_two_browsers_and_some_share_one(three_weeks: list[Batch]) -> None:
    """What identity is for: two or three people on two devices, one computer with two people."""
    browsers: dict[str, set[str]] = defaultdict(set)
    people: dict[str, set[str]] = defaultdict(set)
    for batch in three_weeks:
        for event in batch.envelope["e"]:
            if event["y"] == "form_submit":
                email = event["d"]["fields"]["email"]
                browsers[email].add(batch.envelope["v"])
                people[batch.envelope["v"]].add(email)
    assert 2 <= sum(len(own) == 2 for own in browsers.values()) <= 3
    pairs = [sorted(own) for own in people.values() if len(own) > 1]
    assert [len(own) for own in pairs] == [2, 2]
    assert sum(within(one, other, MOST_EDITS) for one, other in pairs) == 1  # a slip


def test_sources_and_devices_vary(three_weeks: list[Batch]) -> None:
    """Search, ads, mail, social, referrals, assistants and nobody; about thirty browsers."""
    landings = [e for e in events(three_weeks, "page_view") if e["q"] == 1]
    told = [f"{e['u']} {e['r']}" for e in landings]
    for mark in ("gclid=", "utm_medium=email", "linkedin.com", "www.google.com", "chatgpt.com",
                 "crumb-journal.example"):  # fmt: skip
        assert any(mark in one for one in told), mark
    assert any(not e["r"] and "?" not in e["u"] for e in landings)
    seen = {b.received_user_agent for b in three_weeks}
    assert len(seen & {agent.text for agent in AGENTS}) >= 25
    assert seen & {robot.text for robot in ROBOTS}
    assert len(AGENTS) == len({agent.text for agent in AGENTS}) == 30
    assert any("/careers" in e["u"] for e in events(three_weeks, "page_view"))


def test_some_come_back_and_somebody_was_just_here(three_weeks: list[Batch]) -> None:
    """Return visits are other sessions, and today is not empty."""
    tabs = {v: {b.envelope["s"] for b in own} for v, own in by_visitor(three_weeks).items()}
    assert sum(len(own) > 1 for own in tabs.values()) >= 50
    assert any(b.at_ms > NOW - 4 * 3_600_000 for b in three_weeks)


def test_only_the_first_batch_is_of_a_new_visitor(three_weeks: list[Batch]) -> None:
    """Flag 1 once; robots say that they are driven."""
    robots = {robot.text for robot in ROBOTS}
    for own in by_visitor(three_weeks).values():
        assert [b.envelope["f"] & 1 for b in own] == [1] + [0] * (len(own) - 1)
        assert {b.envelope["f"] & 2 for b in own} == {
            2 if own[0].received_user_agent in robots else 0
        }


@pytest.mark.parametrize("form", forms.FORMS, ids=lambda form: form.key)
def test_server_understands_every_form(form: forms.Form) -> None:
    """No field of the site is taken for a secret, and the contact fields are recognised."""
    assert not [name for name in form.field_names if is_secret_name(name)]
    who = person(0)
    answers = {name: who.answer(name) for name in form.field_names}
    kinds = {f.name: f.autocomplete if f.kind == "text" else f.kind for f in form.fields}
    read = read_form(form.key, answers, kinds, FormRule(form.key))
    assert read.email == who.email
    if "job_title" in form.field_names:
        assert (read.name, read.title) == (who.name, who.job_title)


def test_nobody_real_is_in_the_cast() -> None:
    """Addresses differ, are valid, and lead nowhere: reserved domains, or names Gmail forbids."""
    everybody = [person(number).email for number in range(3_000)]
    assert len(set(everybody)) == len(everybody)
    for address in everybody:
        local, _, domain = address.partition("@")
        assert normalise_email(address)
        assert domain.endswith(".example") or (domain == FREE_MAIL and "_" in local)
