"""What always holds of identity, whatever was claimed, by whom, in which order, and decided since.

Few identifiers, few browsers and few moments, so that everything collides.
"""

import random
from collections import Counter

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from server.model import Identifier, Level
from server.project.claims import Claim
from server.project.identity import resolve
from server.project.rulings import Decision, Merge, Release, Split, State, Verify
from tests.project.told import (
    DAY,
    MIN,
    RULES,
    SECOND,
    Said,
    Step,
    Story,
    Told,
    accept,
    api,
    by_robot,
    click,
    confirm,
    form,
    login,
    long_ago,
    mail,
    merge,
    refuse,
    signed,
    split,
    verify,
    view,
)

DEVICES = st.sampled_from(["laptop", "phone", "desk"])
USERS = st.sampled_from(["", "u1", "u2"])
NAMES = st.sampled_from(["ann", "ben", "cem"])
MAYBE = st.sampled_from(["", "ann", "ben", "cem"])
PAUSES = st.sampled_from([0, 0, SECOND, MIN, 40 * MIN, DAY])
RELEASES = {"accept", "refuse"}
pytestmark = pytest.mark.slow  # many examples
LIVELY = settings(max_examples=100, deadline=None)


@st.composite
def claims(draw: st.DrawFn, at: int) -> Step:
    """One step that may claim something."""
    device, user, name, maybe = draw(DEVICES), draw(USERS), draw(NAMES), draw(MAYBE)
    step: Step = draw(
        st.sampled_from(
            [
                form(device, at, name),
                form("", at, name),
                form(device, at, name, "fair"),
                login(device, at, user, maybe),
                login(device, at, user, name),
                signed(device, at, user, maybe),
                signed(device, at, user, name),
                signed(device, at, "u1", unsigned=name),
                api(at, user, name),
                api(at, user, maybe, device),
                confirm(device, at, name),
                click(device, at, name, user, page=f"/{maybe}"),
                click(device, at, name, user, gesture=0),
                by_robot(form(device, at, name)),
                long_ago(login(device, at, user, name)),
                view(device, at),
            ]
        )
    )
    return step


@st.composite
def histories(draw: st.DrawFn, most: int = 10) -> list[Step]:
    at, steps = 0, []
    for _ in range(draw(st.integers(1, most))):
        at += draw(PAUSES)
        steps.append(draw(claims(at)))
    return steps


@st.composite
def stories(draw: st.DrawFn, kinds: str = "accept refuse merge verify split") -> list[Step | Said]:
    """A history and what somebody decided about it."""
    story: list[Step | Said] = [*draw(histories())]
    places = st.integers(0, len(story) - 1)
    for _ in range(draw(st.integers(0, 4))):
        what, one = draw(st.sampled_from(kinds.split())), draw(places)
        story.append(
            {
                "accept": accept(one),
                "refuse": refuse(one),
                "merge": merge(one, draw(places)),
                "verify": verify(one, draw(NAMES)),
                "split": split(draw(st.integers(0, len(story)))),
            }[what]
        )
    return story


def places_of(story: Story) -> list[int]:
    return [place for place, step in enumerate(story) if isinstance(step, Step)]


def claims_of(told: Told) -> list[Claim]:
    return [claim for seen in told.events if (claim := RULES.claim_of(seen)) is not None]


def known(told: Told) -> dict[str, tuple[str, Level]]:
    """Who owns what, by words."""
    return {
        i.value: (told.name(one.person_id), one.level) for i, one in told.identity.owners.items()
    }


@LIVELY
@given(stories(), st.randoms(use_true_random=False))
def test_any_order_of_arrival_gives_the_same_people(story: Story, chance: random.Random) -> None:
    places = places_of(story)
    one, other = Told(story), Told(story, chance.sample(places, len(places)))
    assert one.rulings() == other.rulings()
    assert known(one) == known(other)
    assert one.visits() == other.visits()
    assert one.conflicts() == other.conflicts()


@LIVELY
@given(stories(), st.data())
def test_an_equal_claim_changes_nobodys_owner(story: Story, data: st.DataObject) -> None:
    named = {said.of for said in story if isinstance(said, Said) and said.what in RELEASES}
    places = [place for place in places_of(story) if place not in named]
    assume(places)  # a decision on one claim need not hold for another
    once, twice = Told(story), Told(story, again=data.draw(st.sampled_from(places)))
    assert twice.rulings() == once.rulings()
    assert known(twice) == known(once)


@LIVELY
@given(histories(14))
def test_nobody_has_two_proven_addresses_or_two_user_ids_undecided(steps: list[Step]) -> None:
    found: Counter[tuple[int, str]] = Counter()
    for identifier, one in Told(steps).identity.owners.items():
        if identifier.type == "user_id" or one.level >= Level.PROVEN:
            found[one.person_id, identifier.type] += 1
    assert set(found.values()) <= {1}


@LIVELY
@given(stories())
def test_a_person_is_named_by_a_claim_of_its_own(story: Story) -> None:
    """Also where a verified identifier has taken claims from one to another."""
    identity = Told(story).identity
    mine = {(seq, ruling.person_id) for seq, ruling in identity.rulings.items()}
    persons = {ruling.person_id for ruling in identity.rulings.values()} - {0}
    assert {(person_id, person_id) for person_id in persons} <= mine
    assert {one.person_id for one in identity.owners.values()} - {0} <= persons


@LIVELY
@given(stories("accept refuse merge split"))
def test_a_person_is_named_by_the_lowest_number_of_its_claims(story: Story) -> None:
    identity = Told(story).identity
    lowest: dict[int, int] = {}
    for seq, ruling in identity.rulings.items():
        lowest[ruling.person_id] = min(seq, lowest.get(ruling.person_id, seq))
    lowest.pop(0, None)
    assert lowest == {person_id: person_id for person_id in lowest}
    assert {one.person_id for one in identity.owners.values()} - {0} <= lowest.keys()


@LIVELY
@given(stories(), st.data())
def test_split_after_merge_is_as_before(story: Story, data: st.DataObject) -> None:
    told = Told(story)
    seqs = st.sampled_from(sorted(told.seqs.values()))
    merged = Merge(20_000, data.draw(seqs), data.draw(seqs))
    more = [*told.decisions, merged, Split(20_001, 20_000)]
    assert resolve(claims_of(told), more) == told.identity


@LIVELY
@given(stories(), st.data())
def test_what_does_not_count_changes_nothing(story: Story, data: st.DataObject) -> None:
    """A robot's or a late claim may lower a number, and does nothing else."""
    told = Told(story)
    all_claims = claims_of(told)
    ghost = RULES.claim_of(Told([by_robot(data.draw(claims(0)))]).events[0])
    if ghost is None:
        return
    at = data.draw(st.sampled_from([seen.at for seen in told.events]))
    ghost = replace(ghost, seq=5, at=at, event_id=b"ghost")
    identity = resolve([*all_claims, ghost], told.decisions)
    assert identity.rulings.pop(5).state is State.GHOST
    numbers = {one.person_id for one in told.identity.rulings.values()}
    names = {
        before.person_id: identity.rulings[seq].person_id
        for seq, before in told.identity.rulings.items()
    }
    assert len(set(names.values())) == len(numbers)
    for seq, before in told.identity.rulings.items():
        assert identity.rulings[seq] == before._replace(person_id=names[before.person_id])
    assert len(identity.conflicts) == len(told.identity.conflicts)


@LIVELY
@given(stories(), st.data())
def test_the_next_who_says_so_is_the_owner(story: Story, data: st.DataObject) -> None:
    """Who owns an identifier is the person of whoever claims it next, in whatever state."""
    told = Told(story)
    rulings = told.identity.rulings
    verified = [rulings.get(one.claim) for one in told.decisions if isinstance(one, Verify)]
    assume(all(one and one.state <= State.QUARANTINED for one in verified))
    for identifier, one in told.identity.owners.items():
        if not one.person_id:
            continue  # nobody's: all claims of whoever had it were given to others
        at = max(step.at for step in story if isinstance(step, Step)) + DAY
        name = identifier.value.partition("@")[0]
        if identifier.type == "user_id":
            step = login("new", at, name)
        else:
            step = data.draw(st.sampled_from([form("new", at, name), login("new", at, "", name)]))
        seen = replace(Told([step]).events[0], seq=9_000, visitor_id=99, event_id=b"next")
        claim = RULES.claim_of(seen)
        assert claim is not None
        after = resolve([*claims_of(told), claim], told.decisions)
        ruling = after.rulings[9_000]
        # By the claims that were the owner's: a merge with somebody who was nobody until now, known
        # by a robot's click alone, may give all of them a lower number.
        mine = [seq for seq, was in rulings.items() if was.person_id == one.person_id]
        assert {after.rulings[seq].person_id for seq in mine} == {ruling.person_id}
        assert after.owners[identifier].person_id == ruling.person_id
        assert ruling.state in {State.ACTIVE, State.QUARANTINED}


@LIVELY
@given(stories())
def test_every_visit_has_at_most_one_owner_who_claimed_there(story: Story) -> None:
    """And every event that counts is in exactly one session."""
    told = Told(story)
    for number in told.visitors.values():
        visitor = told.folded(number)
        events = [seen for seen in told.events if seen.visitor_id == number]
        rulings = [told.identity.rulings[s.seq] for s in events if s.seq in told.identity.rulings]
        here = {one.person_id for one in rulings if one.state <= State.QUARANTINED}
        sessions = [*visitor.sessions, *visitor.alone]
        assert {session.person_id for session in sessions} <= here | {0}
        counted = [seen for seen in events if seen.human and seen.counts]
        lost = [s for s in counted if s.kind.word == "form_confirm"]  # opens no visit
        total = sum(session.events for session in sessions)
        assert len(counted) - len(lost) <= total <= len(counted)
        for session in sessions:
            assert bool(session.person_id) == bool(session.evidence) == bool(session.level)


@LIVELY
@given(stories())
def test_conflicts_are_rows_of_known_persons(story: Story) -> None:
    """Each has a key of its own; between two it is between two different persons."""
    identity = Told(story).identity
    keys = [(one.seq, one.kind, one.other_id) for one in identity.conflicts]
    assert len(keys) == len(set(keys))
    for one in identity.conflicts:
        assert one.person_id in identity.bases.values()
        assert one.other_id == 0 or one.other_id in identity.bases.values()
        assert one.person_id != one.other_id


@LIVELY
@given(histories(), NAMES, st.sampled_from(["form", "login", "token"]))
def test_nobody_gets_at_a_proven_address_from_elsewhere(
    steps: list[Step], name: str, how: str
) -> None:
    """A stranger's claims never count for whom an address was proven elsewhere, whatever was
    before; a token of their own does not help."""
    at = steps[-1].at + DAY
    told = Told(
        [
            *steps,
            confirm("home", at, name),
            {
                "form": form("elsewhere", at + MIN, name),
                "login": login("elsewhere", at + MIN, "mallory", name),
                "token": signed("elsewhere", at + MIN, "mallory", unsigned=name),
            }[how],
        ]
    )
    proven, stranger = (told.identity.rulings[told.seqs[len(steps) + n]] for n in (0, 1))
    if how == "token":
        assert stranger.person_id != proven.person_id
    else:
        assert (stranger.person_id, stranger.state) == (proven.person_id, State.QUARANTINED)
    before = Told([*steps, confirm("home", at, name)])
    assert known(told).items() >= {k: v for k, v in known(before).items() if "@" in k}.items()


@LIVELY
@given(histories(), st.lists(st.integers(0, 120), max_size=12), st.data())
def test_decisions_about_what_is_not_there_do_no_harm(
    steps: list[Step], seqs: list[int], data: st.DataObject
) -> None:
    """Erased claims leave decisions behind."""
    decisions: list[Decision] = []
    for seq, one in enumerate(seqs, 1_000):
        kinds: list[Decision] = [
            Merge(seq, one, seqs[0]),
            Split(seq, one),
            Verify(seq, one, Identifier("email", mail("ann"))),
            Release(seq, one, one % 2 == 0),
        ]
        decisions.append(data.draw(st.sampled_from(kinds)))
    told = Told(steps)
    identity = resolve(claims_of(told), decisions)
    assert identity.rulings.keys() == told.identity.rulings.keys()
    gone = [d for d in decisions if isinstance(d, Release) and d.claim not in identity.rulings]
    assert resolve(claims_of(told), gone) == told.identity
