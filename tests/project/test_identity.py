"""The rules of identity, one story a row: what happened, whose the visits are, what is doubtful.

Every story is also told in other orders of arrival, with each claim sent twice under two event ids,
and with each event in turn as the last to arrive: the answer must not change. Scenarios of the
identity rules carry their letter.
"""

import json
import random
from collections.abc import Mapping
from typing import NamedTuple

import pytest

from server.errors import Refusal
from server.ingest.content import read_content
from server.ingest.emails import is_reserved
from server.model import Door, Flag, Kind, Site, SiteSettings
from server.project.rulings import State
from tests.project.told import (
    DAY,
    HOUR,
    MIN,
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
    consent,
    forgotten,
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


class Row(NamedTuple):
    """`visits` by device: number of events, whose, how well known. "alone" is a submission of which
    no visit is known."""

    name: str
    story: Story
    visits: Mapping[str, str]
    conflicts: tuple[str, ...] = ()


PROVEN_ON_LAPTOP = (form("laptop", 0, "ann"), confirm("laptop", MIN, "ann"))
STRANGER = (*PROVEN_ON_LAPTOP, view("phone", DAY), form("phone", DAY + MIN, "ann"))
TWO_PEOPLE = (form("laptop", 0, "ann"), form("laptop", MIN, "ben"))
#: Ann is signed in and has proven an address; ann2 is another one of hers.
KNOWN = signed("laptop", 0, "u1", "ann")
#: What the owner's server knows, with an address that a token proves.
PASSED_ON = {"ids": {"user_id": "u1", "email": mail("ann")}, "proven": ["email"]}
DEVICES = [form(f"device{n:02}", n * MIN, "ann") for n in range(10)]


def ten(more: Mapping[str, str]) -> dict[str, str]:
    return {step.device: "1 ann claimed" for step in DEVICES} | dict(more)


SCENARIOS = [
    Row(
        "a: what was seen before a form belongs to who sent it",
        [view("laptop", n * MIN) for n in range(3)] + [form("laptop", 3 * MIN, "ann")],
        {"laptop": "4 ann claimed"},
    ),
    Row(
        "b: another address in the same browser cuts the visit",
        [
            *(view("laptop", n * MIN) for n in range(3)),
            form("laptop", 3 * MIN, "ann"),
            form("laptop", 4 * MIN, "ben"),
        ],
        {"laptop": "4 ann claimed, 1 ben claimed"},
    ),
    Row(
        "c: a browser of two people is nobody's the next day",
        [*TWO_PEOPLE, view("laptop", DAY)],
        {"laptop": "1 ann claimed, 1 ben claimed, 1 nobody"},
    ),
    Row(
        "d: a proven address typed elsewhere waits, and takes no history",
        [view("phone", 0), *STRANGER],
        {"laptop": "2 ann proven", "phone": "1 nobody, 2 ann quarantined"},
        ("quarantined ann",),
    ),
    Row(
        "e: the confirmation opened there ends the wait, history joins",
        [view("phone", 0), *STRANGER, confirm("phone", DAY + 2 * MIN, "ann")],
        {"laptop": "2 ann proven", "phone": "1 ann proven, 3 ann proven"},
    ),
    Row(  # reset gives the browser a new visitor id; the widget's own tests prove that
        "f: log in, log out, log in as another: no shared events",
        [
            login("before", 0, "u1"),
            view("before", MIN),
            login("after", 2 * MIN, "u2"),
            view("after", 3 * MIN),
        ],
        {"before": "2 u1 claimed", "after": "2 u2 claimed"},
    ),
    Row(  # the widget resets by itself; should an old one not do so, the visit is cut here
        "g: log in as another without logging out: no shared events",
        [
            login("laptop", 0, "u1"),
            view("laptop", MIN),
            login("laptop", 2 * MIN, "u2"),
            view("laptop", 3 * MIN),
        ],
        {"laptop": "2 u1 claimed, 2 u2 claimed"},
    ),
    Row(  # one lead: test_the_same_form_twice_is_one_lead; one event id: the writer's tests
        "h: two tabs send the same form within 50 ms",
        [form("laptop", 0, "ann"), form("laptop", 50, "ann")],
        {"laptop": "2 ann claimed"},
    ),
    Row(  # two workers write one log: the storage tests
        "i: the same new address at the same moment in two browsers",
        [form("laptop", 0, "ann"), form("phone", 0, "ann")],
        {"laptop": "1 ann claimed", "phone": "1 ann claimed"},
    ),
    Row(
        "j: a newsletter forwarded to a colleague is not the recipient's",
        [click("laptop", 0, "ann"), click("desk", HOUR, "ann"), view("desk", HOUR + MIN)],
        {"laptop": "1 ann proven", "desk": "2 nobody"},
    ),
    Row(
        "k: a scanner that opens all links is nobody",
        [click("scanner", n * SECOND, "ann", page=f"/{n}") for n in range(3)],
        {"scanner": "3 nobody"},
    ),
    Row(  # the address is taken out of the URL at the door: the tests of URLs
        "l: an address in a URL claims nothing",
        [view("laptop", 0, page="/?email=victim@acme.example")],
        {"laptop": "1 nobody"},
    ),
    Row(
        "m: merged and split is as before",
        [*TWO_PEOPLE, merge(0, 1), split(2)],
        {"laptop": "1 ann claimed, 1 ben claimed"},
    ),
    Row(
        "n: what waited offline belongs to the browser that was before the reset",
        [
            login("before", 0, "u1"),
            login("after", HOUR, "u2"),
            view("before", MIN),
            view("before", 2 * MIN),
        ],
        {"before": "3 u1 claimed", "after": "1 u2 claimed"},
    ),
    Row(  # queued events of an erased person are dropped at the door: the tests of erasing
        "o: an erased person's browser does not become the next one's",
        [forgotten("laptop", 0), view("laptop", DAY), form("laptop", 2 * DAY, "ben")],
        {"laptop": "1 nobody, 1 ben claimed"},
    ),
    Row(
        "q: consent refused after two views leaves them nobody's",
        [
            view("laptop", 0),
            view("laptop", MIN),
            consent("laptop", 2 * MIN, "denied"),
        ],
        {"laptop": "3 nobody"},
    ),
    Row(
        "r: fifty browsers behind one address are fifty strangers",
        [view(f"desk{n:02}", n * SECOND) for n in range(50)],
        {f"desk{n:02}": "1 nobody" for n in range(50)},
    ),
]

VISITORS = [
    Row(
        "two people who share a laptop keep what they do themselves",
        [
            *TWO_PEOPLE,
            view("laptop", DAY),
            view("laptop", 2 * DAY),
            form("laptop", 2 * DAY + MIN, "ann"),
        ],
        {"laptop": "1 ann claimed, 1 ben claimed, 1 nobody, 2 ann claimed"},
    ),
    Row(
        "a kiosk's submissions are each its own, and nobody's visit",
        [
            view("kiosk", 0),
            form("kiosk", MIN, "ann", "fair"),
            form("kiosk", 2 * MIN, "ben", "fair"),
            view("kiosk", 3 * MIN),
        ],
        {"kiosk": "2 nobody, alone ann claimed, alone ben claimed"},
    ),
    Row(
        "accepting one submission at a kiosk says nothing about the next",
        [
            *PROVEN_ON_LAPTOP,
            form("kiosk", DAY, "ann", "fair"),
            form("kiosk", DAY + MIN, "ann", "fair"),
            accept(2),
        ],
        {"laptop": "2 ann proven", "kiosk": "alone ann decided, alone ann quarantined"},
        ("quarantined ann",),
    ),
    Row(
        "consent withdrawn: past visits are nobody's and nothing joins them again",
        [
            form("laptop", 0, "ann"),
            view("laptop", DAY),
            consent("laptop", DAY + MIN, "denied"),
            form("laptop", DAY + 2 * MIN, "ben"),
        ],
        {"laptop": "1 nobody, 2 nobody, 1 ben claimed"},
    ),
    Row(
        "without storage allowed a form is a submission, the views are nobody's",
        [
            view("laptop", 0, flags=Flag.COOKIELESS),
            form("laptop", MIN, "ann", flags=Flag.COOKIELESS),
        ],
        {"laptop": "alone ann claimed"},
    ),
    Row(
        "a submission of a proven address without a visitor waits too",
        [*PROVEN_ON_LAPTOP, form("", DAY, "ann")],
        {"laptop": "2 ann proven"},
        ("quarantined ann",),
    ),
    Row(
        "an erased person and one more share the browser",
        [forgotten("laptop", 0), form("laptop", DAY, "ben"), view("laptop", 2 * DAY)],
        {"laptop": "1 ben claimed, 1 nobody"},
    ),
    Row(
        "a claim taken for a robot's later says nothing any more",
        [view("laptop", 0), by_robot(form("laptop", MIN, "ann")), form("phone", DAY, "ann")],
        {"laptop": "1 nobody", "phone": "1 ann claimed"},
    ),
    Row(
        "a late claim says nothing",
        [view("laptop", 0), long_ago(form("laptop", MIN, "ann"))],
        {"laptop": "1 nobody"},
    ),
    Row(
        "a sign-in form claims nothing",
        [form("laptop", 0, "ann", "sign_in")],
        {"laptop": "1 nobody"},
    ),
]

QUARANTINE = [
    Row(
        "accepted: as if it had been so from the start",
        [view("phone", 0), *STRANGER, accept(4)],
        {"laptop": "2 ann proven", "phone": "1 ann decided, 2 ann decided"},
    ),
    Row(
        "refused: nobody's",
        [*STRANGER, refuse(3)],
        {"laptop": "2 ann proven", "phone": "2 nobody"},
    ),
    Row(
        "accepted by mistake and refused later",
        [*STRANGER, accept(3), refuse(3)],
        {"laptop": "2 ann proven", "phone": "2 nobody"},
    ),
    Row(
        "refused by mistake and accepted later",
        [*STRANGER, refuse(3), accept(3)],
        {"laptop": "2 ann proven", "phone": "2 ann decided"},
    ),
    Row(
        "a decision holds for what is claimed there afterwards",
        [*STRANGER, form("phone", 2 * DAY, "ann"), accept(3)],
        {"laptop": "2 ann proven", "phone": "2 ann decided, 1 ann decided"},
    ),
    Row(
        "the last decision about a browser holds, whichever claim it names",
        [*STRANGER, form("phone", 2 * DAY, "ann"), refuse(3), accept(4)],
        {"laptop": "2 ann proven", "phone": "2 ann decided, 1 ann decided"},
    ),
    Row(
        "who claims again and again is one item",
        [*STRANGER, form("phone", 2 * DAY, "ann"), form("phone", 3 * DAY, "ann")],
        {
            "laptop": "2 ann proven",
            "phone": "2 ann quarantined, 1 ann quarantined, 1 ann quarantined",
        },
        ("quarantined ann",),
    ),
    Row(
        "what was claimed before anybody proved it stays",
        [form("phone", 0, "ann"), form("laptop", DAY, "ann"), confirm("laptop", DAY + MIN, "ann")],
        {"phone": "1 ann claimed", "laptop": "2 ann proven"},
    ),
    Row(
        "asserted by the owner's server quarantines nobody and is never quarantined",
        [api(0, "", "ann"), form("phone", DAY, "ann"), api(2 * DAY, "", "ann", "laptop")],
        {"phone": "1 ann claimed", "laptop": "1 ann asserted"},
    ),
    Row(
        "an unknown user id does not get past the quarantine of its address",
        [*PROVEN_ON_LAPTOP, login("phone", DAY, "u1", "ann")],
        {"laptop": "2 ann proven", "phone": "1 ann quarantined"},
        ("quarantined ann",),
    ),
    Row(
        "a token beside somebody else's address is its own person, the address stays",
        [*PROVEN_ON_LAPTOP, signed("phone", DAY, "u1", unsigned="ann")],
        {"laptop": "2 ann proven", "phone": "1 u1 proven"},
        ("two_persons u1 ann",),
    ),
    Row(
        "strangers who type a proven address that nobody may have mean one person",
        [
            KNOWN,
            signed("laptop", MIN, "u1", "ann2"),
            form("phone", DAY, "ann2"),
            form("desk", DAY, "ann2"),
        ],
        {
            "laptop": "2 ann+u1 proven",
            "phone": "1 ann2 quarantined",
            "desk": "1 ann2 quarantined",
        },
        ("second_address ann+u1", "quarantined ann2", "quarantined ann2"),
    ),
]

NAMES = [
    Row(
        "a user id and an address in one event are one person",
        [login("laptop", 0, "u1", "ann"), form("phone", DAY, "ann"), login("desk", DAY, "u1")],
        {"laptop": "1 ann+u1 claimed", "phone": "1 ann+u1 claimed", "desk": "1 ann+u1 claimed"},
    ),
    Row(
        "two known persons in one event are refused; the user id leads",
        [
            login("laptop", 0, "u1"),
            form("phone", MIN, "ann"),
            login("desk", HOUR, "u1", "ann"),
        ],
        {"laptop": "1 u1 claimed", "phone": "1 ann claimed", "desk": "1 u1 claimed"},
        ("two_persons u1 ann",),
    ),
    Row(
        "what is refused on every page is one item",
        [
            login("laptop", 0, "u1"),
            form("phone", MIN, "ann"),
            *(login("desk", n * HOUR, "u1", "ann") for n in (1, 2, 3)),
        ],
        {
            "laptop": "1 u1 claimed",
            "phone": "1 ann claimed",
            "desk": "1 u1 claimed, 1 u1 claimed, 1 u1 claimed",
        },
        ("two_persons u1 ann",),
    ),
    Row(
        "the stronger identifier leads, whatever its type",
        [login("laptop", 0, "u1"), click("laptop", MIN, "ben"), api(HOUR, "u1", "ben")],
        {"laptop": "1 u1 claimed, 1 ben proven"},
        ("two_persons u1 ben",),
    ),
    Row(
        "stronger evidence takes an identifier",
        [
            api(0, "u1"),
            form("phone", MIN, "ann"),
            api(HOUR, "u1", "ann"),
            form("phone", DAY, "ann"),
        ],
        {"phone": "1 former ann claimed, 1 ann+u1 claimed"},
        ("taken ann+u1 former ann",),
    ),
    Row(
        "a user id too goes to who has the stronger evidence",
        [
            login("laptop", 0, "u1"),
            click("phone", MIN, "ann"),
            api(HOUR, "u1", "ann")._replace(data=PASSED_ON),
            login("laptop", DAY, "u1"),
        ],
        {"laptop": "1 former u1 claimed, 1 ann+u1 claimed", "phone": "1 ann+u1 proven"},
        ("taken ann+u1 former u1",),
    ),
    Row(
        "equal evidence never takes",
        [api(0, "u1"), api(MIN, "", "ann", "phone"), api(HOUR, "u1", "ann")],
        {"phone": "1 ann asserted"},
        ("two_persons u1 ann",),
    ),
    Row(
        "a token that names two joins them, a second device is no stranger",
        [login("laptop", 0, "u1"), form("phone", MIN, "ann"), signed("desk", HOUR, "u1", "ann")],
        {"laptop": "1 ann+u1 claimed", "phone": "1 ann+u1 claimed", "desk": "1 ann+u1 proven"},
    ),
    Row(
        "a token does not join two user ids; it takes the address",
        [
            login("laptop", 0, "u1"),
            login("phone", MIN, "u2", "ann"),
            signed("desk", HOUR, "u1", "ann"),
        ],
        {"laptop": "1 ann+u1 claimed", "phone": "1 u2 claimed", "desk": "1 ann+u1 proven"},
        ("taken ann+u1 u2",),
    ),
    Row(
        "a token does not join two proven addresses",
        [
            KNOWN,
            confirm("phone", MIN, "ben"),
            form("phone", 2 * MIN, "ben"),
            signed("desk", HOUR, "u1", "ben"),
        ],
        {"laptop": "1 ann+u1 proven", "phone": "1 ben proven", "desk": "1 ann+u1 proven"},
        ("two_persons ann+u1 ben",),
    ),
    Row(
        "a second proven address is refused, the visit is still that person's",
        [KNOWN, signed("laptop", DAY, "u1", "ann2")],
        {"laptop": "1 ann+u1 proven, 1 ann+u1 proven"},
        ("second_address ann+u1",),
    ),
    Row(
        "an address that is proven leaves a person who has proven another",
        [
            signed("laptop", 0, "u1", "ann"),
            login("laptop", MIN, "u1", "ben"),
            form("phone", HOUR, "ben"),
            confirm("phone", HOUR + MIN, "ben"),
        ],
        {"laptop": "2 ann+u1 proven", "phone": "1 ann+u1 claimed, 1 ben proven"},
        ("second_address ben ann+u1",),
    ),
    Row(
        "a second user id is another person",
        [login("laptop", 0, "u1", "ann"), login("phone", HOUR, "u2", "ann")],
        {"laptop": "1 ann+u1 claimed", "phone": "1 u2 claimed"},
        ("two_persons u2 ann+u1",),
    ),
    Row(
        "the sixth address of one person is refused",
        [login("laptop", n * MIN, "u1", f"ann{n}") for n in range(6)],
        {"laptop": "6 ann0+ann1+ann2+ann3+ann4+u1 claimed"},
        ("too_many_addresses ann0+ann1+ann2+ann3+ann4+u1",),
    ),
    Row(
        "the eleventh browser of a week waits, with one item for all of them",
        [*DEVICES, form("phone", DAY, "ann"), form("desk", DAY + MIN, "ann")],
        ten({"phone": "1 ann quarantined", "desk": "1 ann quarantined"}),
        ("too_many_devices ann",),
    ),
    Row(
        "a week later it links again",
        [*DEVICES, form("phone", DAY, "ann"), form("phone", 8 * DAY, "ann")],
        ten({"phone": "1 ann quarantined, 1 ann claimed"}),
        ("too_many_devices ann",),
    ),
    Row(
        "proof on the eleventh browser ends its wait",
        [*DEVICES, form("phone", DAY, "ann"), confirm("phone", DAY + MIN, "ann")],
        ten({"phone": "2 ann proven"}),
        ("too_many_devices ann",),
    ),
    Row(
        "proof is no matter of number",
        [*DEVICES, signed("phone", DAY, "", "ann")],
        ten({"phone": "1 ann proven"}),
    ),
]

MAIL = [
    Row(
        "a link opened by hand proves the address on its browser, also for what came before",
        [form("laptop", 0, "ann"), click("laptop", DAY, "ann")],
        {"laptop": "1 ann proven, 1 ann proven"},
    ),
    Row(
        "opened without a gesture it proves nothing",
        [click("laptop", 0, "ann", gesture=0)],
        {"laptop": "1 nobody"},
    ),
    Row(
        "from a datacentre it proves nothing, and is not the first browser",
        [click("scanner", 0, "ann", network="datacentre"), click("laptop", HOUR, "ann")],
        {"scanner": "1 nobody", "laptop": "1 ann proven"},
    ),
    Row(
        "another mail has its own first browser",
        [click("laptop", 0, "ann", "may"), click("phone", DAY, "ann", "june")],
        {"laptop": "1 ann proven", "phone": "1 ann proven"},
    ),
    Row(
        "a burst does not take the first browser from the reader",
        [
            *(click("scanner", n * SECOND, "ann", page=f"/{n}") for n in range(3)),
            click("laptop", HOUR, "ann"),
        ],
        {"scanner": "3 nobody", "laptop": "1 ann proven"},
    ),
    Row(
        "three clicks on two links, or three links at leisure, are a person's",
        [
            *(click("laptop", n * SECOND, "ann", page=f"/{n % 2}") for n in range(3)),
            *(click("laptop", HOUR + n * 6 * SECOND, "ann", page=f"/{n}") for n in range(3)),
        ],
        {"laptop": "3 ann proven, 3 ann proven"},
    ),
    Row(
        "what looks like a mail's link at a public door claims nothing",
        [
            confirm("laptop", 0, "ann", door=Door.COLLECT),
            click("laptop", MIN, "ann", door=Door.COLLECT),
        ],
        {"laptop": "1 nobody"},
    ),
    Row(
        "a mail's link without a message is judged like any other",
        [click("laptop", 0, "ann", message="", gesture=0)],
        {"laptop": "1 nobody"},
    ),
]

DECISIONS = [
    Row(
        "merged persons share their browser with nobody",
        [*TWO_PEOPLE, view("laptop", DAY), merge(0, 1)],
        {"laptop": "2 ann+ben claimed, 1 ann+ben claimed"},
    ),
    Row(
        "a chain of merges is one person",
        [form("a", 0, "ann"), form("b", 0, "ben"), form("c", 0, "cem"), merge(0, 1), merge(1, 2)],
        {device: "1 ann+ben+cem claimed" for device in "abc"},
    ),
    Row(
        "a ring of merges is one person, and still one with a merge less",
        [
            form("a", 0, "ann"),
            form("b", 0, "ben"),
            form("c", 0, "cem"),
            merge(0, 1),
            merge(1, 2),
            merge(2, 0),
            split(4),
        ],
        {device: "1 ann+ben+cem claimed" for device in "abc"},
    ),
    Row(
        "a split in a chain leaves the rest",
        [
            form("a", 0, "ann"),
            form("b", 0, "ben"),
            form("c", 0, "cem"),
            merge(0, 1),
            merge(1, 2),
            split(3),
        ],
        {"a": "1 ann claimed", "b": "1 ben+cem claimed", "c": "1 ben+cem claimed"},
    ),
    Row(
        "a merge of one with itself is nothing",
        [form("a", 0, "ann"), merge(0, 0)],
        {"a": "1 ann claimed"},
    ),
    Row(
        "a merge ends what was doubtful between the two",
        [login("a", 0, "u1"), form("b", MIN, "ann"), login("c", HOUR, "u1", "ann"), merge(0, 1)],
        {device: "1 ann+u1 claimed" for device in "abc"},
    ),
    Row(
        "a merge brings a second proven address, a verified one needs no look",
        [KNOWN, signed("laptop", DAY, "u1", "ann2"), verify(0, "ann2")],
        {"laptop": "1 ann+ann2+u1 decided, 1 ann+ann2+u1 decided"},
    ),
    Row(
        "a verified address is decided wherever it was claimed",
        [form("laptop", 0, "ann"), verify(0, "ann")],
        {"laptop": "1 ann decided"},
    ),
    Row(
        "a verified address brings its claims along",
        [form("laptop", 0, "ann"), form("phone", MIN, "ben"), verify(0, "ben")],
        {"laptop": "1 ann+ben claimed", "phone": "1 ann+ben decided"},
    ),
    Row(
        "a decision may name a claim that counts no more",
        [by_robot(form("a", 0, "ann")), form("b", MIN, "ann"), form("c", 0, "cem"), merge(0, 2)],
        {"a": "", "b": "1 ann+cem claimed", "c": "1 ann+cem claimed"},
    ),
    Row(
        "and one that is nobody's: then it says nothing",
        [by_robot(form("a", 0, "ann")), form("b", MIN, "ben"), verify(0, "ben"), merge(0, 1)],
        {"a": "", "b": "1 ben claimed"},
    ),
    Row(
        "but not those that name somebody by more",
        [form("laptop", 0, "ann"), login("phone", MIN, "u2", "ben"), verify(0, "ben")],
        {"laptop": "1 ann+ben claimed", "phone": "1 u2 claimed"},
    ),
]

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
