"""Stories of whose visits are whose: in one browser, by decision, and the lettered scenarios."""

from server.model import Flag
from tests.project.told import (
    DAY,
    HOUR,
    KNOWN,
    MIN,
    PROVEN_ON_LAPTOP,
    SECOND,
    STRANGER,
    TWO_PEOPLE,
    Row,
    accept,
    by_robot,
    click,
    confirm,
    consent,
    forgotten,
    form,
    login,
    long_ago,
    merge,
    signed,
    split,
    verify,
    view,
)

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
