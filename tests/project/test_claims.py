"""Which events claim whom, how well, and what a form is for."""

from typing import Any

import pytest

from server.model import Class, Door, Flag, FormRule, Identifier, Kind, Level
from server.project.claims import Claim, Given, claim_of, purposes
from server.project.seen import Seen

ANN = Identifier("email", "ann@acme.example")
U1 = Identifier("user_id", "u1")
PHONE = Identifier("phone", "+4930123456")
IDS = {"email": ANN.value, "user_id": U1.value, "phone": PHONE.value}


def see(kind: Kind, data: dict[str, Any], **more: Any) -> Seen:
    return Seen(seq=7, at=1_000, event_id=b"7", kind=kind, visitor_id=1, data=data, **more)


def naming(*kinds: str, **more: Any) -> dict[str, Any]:
    return {"ids": {kind: IDS[kind] for kind in kinds}} | more


def claimed(seen: Seen, purpose: str = "lead") -> list[tuple[str, Level]]:
    claim = claim_of(seen, purpose)
    return [] if claim is None else [(one.identifier.type, one.level) for one in claim.ids]


@pytest.mark.parametrize(
    ("name", "seen", "expected"),
    [
        (
            "a form",
            see(Kind.FORM_SUBMIT, naming("email", form="demo")),
            [("email", Level.CLAIMED)],
        ),
        (
            "an identify call: the user id weighs more",
            see(Kind.IDENTIFY, naming("email", "user_id")),
            [("user_id", Level.CLAIMED), ("email", Level.CLAIMED)],
        ),
        (
            "a token that names only the user id",
            see(Kind.IDENTIFY, naming("email", "user_id", proven=["user_id"])),
            [("user_id", Level.PROVEN), ("email", Level.CLAIMED)],
        ),
        (
            "the owner's server",
            see(Kind.IDENTIFY, naming("email"), level=Level.ASSERTED, door=Door.API),
            [("email", Level.ASSERTED)],
        ),
        (
            "a confirmation by mail",
            see(Kind.FORM_CONFIRM, naming("email"), level=Level.PROVEN, door=Door.MAIL),
            [("email", Level.PROVEN)],
        ),
        (
            "a confirmation by anybody",
            see(Kind.FORM_CONFIRM, naming("email"), door=Door.COLLECT),
            [],
        ),
        (
            "an opened link by the owner's server is no mail's",
            see(Kind.EMAIL_CLICK, naming("email"), level=Level.ASSERTED, door=Door.API),
            [],
        ),
        (
            "a phone beside an address: an office shares it",
            see(Kind.FORM_SUBMIT, naming("email", "phone", form="demo")),
            [("email", Level.CLAIMED)],
        ),
        (
            "a phone alone",
            see(Kind.FORM_SUBMIT, naming("phone", form="demo")),
            [("phone", Level.CLAIMED)],
        ),
        ("nothing named", see(Kind.FORM_SUBMIT, {"form": "demo"}), []),
        ("an empty address", see(Kind.FORM_SUBMIT, {"form": "demo", "ids": {"email": ""}}), []),
        ("a view with names in its data", see(Kind.PAGE_VIEW, naming("email")), []),
        ("a mail opened", see(Kind.EMAIL_OPEN, naming("email"), door=Door.MAIL), []),
    ],
)
def test_what_an_event_claims(name: str, seen: Seen, expected: list[tuple[str, Level]]) -> None:
    assert claimed(seen) == expected, name


@pytest.mark.parametrize(
    ("purpose", "claims"), [("lead", 1), ("newsletter", 1), ("search", 0), ("login", 0)]
)
def test_searching_and_signing_in_claim_nothing(purpose: str, claims: int) -> None:
    assert len(claimed(see(Kind.FORM_SUBMIT, naming("email", form="f")), purpose)) == claims


@pytest.mark.parametrize(
    ("more", "counts"),
    [
        ({}, True),
        ({"flags": Flag.COOKIELESS}, True),
        ({"flags": Flag.MUTE}, True),
        ({"flags": Flag.LATE}, False),
        ({"class_": Class.BOT}, False),
        ({"class_": Class.INTERNAL}, False),
    ],
)
def test_what_is_late_or_no_humans_only_keeps_a_name_alive(
    more: dict[str, Any], counts: bool
) -> None:
    claim = claim_of(see(Kind.FORM_SUBMIT, naming("email", form="demo"), **more), "lead")
    assert claim is not None
    assert claim.counts is counts


@pytest.mark.parametrize(
    ("data", "by_hand"),
    [
        ({"gesture": 1}, True),
        ({}, False),
        ({"gesture": 1, "network": "home"}, True),
        ({"gesture": 1, "network": "datacentre"}, False),
        ({"gesture": 1, "network": "hosting"}, False),
    ],
)
def test_a_mails_link_is_opened_by_hand_after_a_gesture_outside_a_datacentre(
    data: dict[str, Any], by_hand: bool
) -> None:
    seen = see(
        Kind.EMAIL_CLICK,
        naming("email", message="news", **data),
        level=Level.PROVEN,
        door=Door.MAIL,
        page="/offer",
    )
    claim = claim_of(seen, "lead")
    assert claim is not None
    assert (claim.message, claim.link, claim.by_hand) == ("news", "/offer", by_hand)


def test_a_claim_says_when_where_and_why() -> None:
    data = naming("email", form="demo", traits={"name": "Ann"})
    claim = claim_of(see(Kind.FORM_SUBMIT, data, q=3), "lead", kiosk=True)
    assert claim == Claim(
        seq=7,
        at=1_000,
        visitor_id=1,
        ids=(Given(ANN, Level.CLAIMED),),
        q=3,
        event_id=b"7",
        kind=Kind.FORM_SUBMIT,
        form="demo",
        purpose="lead",
        kiosk=True,
        traits={"name": "Ann"},
    )
    assert (claim.key, claim.level, claim.reason) == (
        (1_000, 3, b"7"),
        Level.CLAIMED,
        "form:demo",
    )
    called = claim_of(see(Kind.IDENTIFY, naming("user_id")), "lead")
    assert called is not None
    assert called.reason == "identify"


def test_the_better_known_identifier_leads_then_the_heavier_type() -> None:
    """Rule 7: signed user id, proven address, what is only claimed."""
    given = [
        Given(identifier, level)
        for level in (Level.CLAIMED, Level.PROVEN)
        for identifier in (PHONE, ANN, U1)
    ]
    assert [(int(one.level), one.identifier.type) for one in sorted(given, key=_rank)] == [
        (3, "user_id"),
        (3, "email"),
        (3, "phone"),
        (1, "user_id"),
        (1, "email"),
        (1, "phone"),
    ]


def _rank(given: Given) -> tuple[int, int]:
    return given.rank


@pytest.mark.parametrize(
    ("form", "purpose"),
    [
        ("demo", "lead"),
        ("contact-us", "lead"),
        ("", "lead"),
        ("footer-newsletter", "newsletter"),
        ("Subscribe", "newsletter"),
        ("site-search", "search"),
        ("Suche", "search"),
        ("sign-in", "login"),
        ("forgot-password", "login"),
        ("newsletter-demo", "lead"),  # registered as such
    ],
)
def test_a_forms_purpose_is_the_owners_word_else_its_keys(form: str, purpose: str) -> None:
    of = purposes((FormRule("newsletter-demo", purpose="lead"), FormRule("demo")))
    assert of(form) == purpose
    assert of(form) == purpose  # and stays so
