"""The rules of identity, one story a row: what happened, whose the visits are, what is doubtful.

Every story is also told in other orders of arrival, with each claim sent twice under two event ids,
and with each event in turn as the last to arrive: the answer must not change. Scenarios of the
identity rules carry their letter.
"""

import json
import random

import pytest

from server.errors import Refusal
from server.ingest.content import read_content
from server.ingest.emails import is_reserved
from server.model import Kind, Site, SiteSettings
from server.project.rulings import State
from tests.project.identity_claims import MAIL, NAMES, QUARANTINE
from tests.project.identity_visits import DECISIONS, SCENARIOS, VISITORS
from tests.project.told import (
    DAY,
    STRANGER,
    TWO_PEOPLE,
    Row,
    Said,
    Step,
    Told,
    by_robot,
    form,
    merge,
)

ROWS = [*SCENARIOS, *VISITORS, *QUARANTINE, *NAMES, *MAIL, *DECISIONS]
EACH = pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])


def places(row: Row) -> list[int]:
    return [place for place, step in enumerate(row.story) if isinstance(step, Step)]


@EACH
def test_whose_the_visits_are(row: Row) -> None:
    told = Told(row.story)
    assert told.visits() == row.visits
    assert tuple(told.conflicts()) == row.conflicts


@EACH
def test_the_order_of_arrival_does_not_matter(row: Row) -> None:
    chance = random.Random(row.name)
    for _ in range(6):
        told = Told(row.story, chance.sample(places(row), len(places(row))))
        assert told.visits() == row.visits
        assert tuple(told.conflicts()) == row.conflicts


@EACH
def test_one_event_may_be_late(row: Row) -> None:
    for late in places(row)[:12]:
        told = Told(row.story, [place for place in places(row) if place != late] + [late])
        assert told.visits() == row.visits
        assert tuple(told.conflicts()) == row.conflicts


@EACH
def test_saying_it_twice_changes_nothing(row: Row) -> None:
    """The log refuses an event id it has; an equal event under another id is as harmless."""
    once = Told(row.story)
    for place in once.rulings():
        step = row.story[place]
        if isinstance(step, Said) or (step.kind is Kind.FORM_SUBMIT and not step.device):
            continue  # without a visitor nobody can tell that it was the same browser again
        twice = Told(row.story, again=place)
        assert twice.visits(counted=False) == once.visits(counted=False)
        assert twice.rulings() == once.rulings()
        assert sorted(twice.conflicts()) == sorted(once.conflicts())


def test_the_same_form_twice_is_one_lead() -> None:
    """h: a double submit is one submission."""
    [session] = Told([form("laptop", 0, "ann"), form("laptop", 50, "ann")]).folded(1).sessions
    assert (session.events, session.leads) == (2, 1)


@pytest.mark.parametrize("word", ["undefined", "null", '"NULL"', "0", "[object Object]", "000"])
def test_p_placeholders_name_nobody(word: str) -> None:
    """p: refused where events come in, so that no claim ever holds one."""
    site = Site(site_id=1, name="Acme", keys=(), settings=SiteSettings())
    raw = json.dumps({"user_id": word}).encode()
    assert is_reserved(word)
    assert read_content(Kind.IDENTIFY, raw, site, 0) is Refusal.RESERVED


def test_a_persons_number_is_the_lowest_that_ever_said_so() -> None:
    """A claim that counts no more keeps the number alive, so that links to the person hold."""
    counted = Told([form("laptop", 0, "ann"), form("phone", DAY, "ann")])
    later = Told([by_robot(form("laptop", 0, "ann")), form("phone", DAY, "ann")])
    for told in (counted, later):
        assert {one.person_id for one in told.identity.rulings.values()} == {10}
    assert later.identity.rulings[10].state is State.GHOST


def test_a_merge_keeps_the_older_number_and_tells_who_they_were() -> None:
    told = Told([*TWO_PEOPLE, merge(1, 0)])
    assert {one.person_id for one in told.identity.rulings.values()} == {10}
    assert told.identity.bases == {10: 10, 20: 20}


def test_a_conflict_says_what_it_is_about() -> None:
    """Enough for the person who decides."""
    [conflict] = Told(STRANGER).identity.conflicts
    assert conflict.evidence == {
        "ids": [["email", "ann@acme.example"]],
        "visitor": 2,
        "form": "demo",
    }
