"""Form capture at the server: what fields mean, what is kept, and what never is."""

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.ingest.fields import (
    MAX_FIELDS,
    MAX_MESSAGE,
    MAX_TOTAL,
    MAX_VALUE,
    FormData,
    read_form,
    read_traits,
)
from server.ingest.meanings import is_private_field, meaning_of
from server.ingest.private import MASK, mask_cards
from server.model import FormRule

ALLOWED = FormRule("f")


def read(fields: dict[str, Any], rule: FormRule | None = ALLOWED, **kinds: str) -> FormData:
    return read_form("f", fields, kinds, rule)


MEANINGS = [
    ("email", "email"), ("E-Mail", "email"), ("your-email", "email"), ("emailAddress", "email"),
    ("billing[email]", "email"), ("work_email", "email"), ("Mail", "email"), ("courriel", "email"),
    ("correo_electronico", "email"), ("E-Mail-Adresse", "email"), ("mce-EMAIL", "email"),
    ("contactEmail", "email"), ("useremail", "email"), ("mailing_address", ""), ("blackmailer", ""),
    ("email_optin", ""), ("friend_email", ""), ("emailConsent", ""), ("email_type", ""),
    ("phone", "phone"), ("tel", "phone"), ("Telefon", "phone"), ("Téléphone", "phone"),
    ("mobile_number", "phone"), ("Handynummer", "phone"), ("phone_country_code", ""),
    ("telescope", ""), ("hotel", ""), ("phone_ext", ""),
    ("name", "name"), ("full_name", "name"), ("your-name", "name"), ("Nom", "name"),
    ("contact_name", "name"), ("username", ""), ("user_name", ""), ("product_name", ""),
    ("first_name", "first_name"), ("firstName", "first_name"), ("FNAME", "first_name"),
    ("Vorname", "first_name"), ("prénom", "first_name"), ("given-name", "first_name"),
    ("last_name", "last_name"), ("Nachname", "last_name"), ("nom de famille", "last_name"),
    ("apellidos", "last_name"), ("Cognome", "last_name"), ("surname", "last_name"),
    ("company", "company"), ("Company Name", "company"), ("Firma", "company"),
    ("société", "company"), ("Empresa", "company"), ("organization", "company"),
    ("Unternehmen", "company"), ("company_size", ""), ("companyWebsite", ""), ("accompany", ""),
    ("title", "title"), ("jobTitle", "title"), ("job-title", "title"), ("Position", "title"),
    ("Funktion", "title"), ("role", "title"), ("poste", "title"), ("subtitle", ""),
    ("user_id", "user_id"), ("message", ""), ("budget", ""), ("", ""), ("123", ""),
]  # fmt: skip


@pytest.mark.parametrize(("name", "meaning"), MEANINGS)
def test_a_name_says_what_a_field_is(name: str, meaning: str) -> None:
    assert meaning_of(name, "") == meaning


@pytest.mark.parametrize(
    ("kind", "meaning"),
    [
        ("email", "email"), ("tel", "phone"), ("given-name", "first_name"),
        ("family-name", "last_name"), ("name", "name"), ("organization", "company"),
        ("organization-title", "title"), ("text", ""), ("checkbox", ""),
    ],
)  # fmt: skip
def test_a_kind_says_what_a_field_is(kind: str, meaning: str) -> None:
    assert meaning_of("input_7", kind) == meaning


@pytest.mark.parametrize(
    "name",
    [
        "password", "Passwort", "passwd", "pass", "user_pass", "confirmPassword", "pwd", "pin",
        "card", "card_number", "cardNumber", "cc-number", "ccnum", "credit_card", "creditcard",
        "cvv", "CVV2", "cvc", "card-cvc", "ssn", "social_security_number", "iban", "IBAN_nr", "otp",
        "one-time-code", "otp_code", "token", "csrf_token", "csrfmiddlewaretoken", "_csrf", "xsrf",
        "__RequestVerificationToken", "authenticity_token", "_wpnonce", "g-recaptcha-response",
        "secret", "client_secret", "apiKey", "session_id", "verification_code", "security-code",
        "account_number", "sort_code", "exp_month", "expYear",
    ],
)  # fmt: skip
def test_private_names_are_dropped(name: str) -> None:
    found = read({name: "value", "plan": "pro"})
    assert found.fields == {"plan": "pro"}
    assert found.masked == (name,)


@pytest.mark.parametrize(
    "name",
    [
        "experience", "company", "passenger", "passion", "compass", "postcard", "discard", "cardio",
        "scarf", "zip_code", "postcode", "country_code", "promo_code", "pincode", "opinion",
        "spinning", "author", "keyword", "tokenizer", "expectations", "signup", "session",
        "accounting", "classic", "mission", "lesson", "urban", "cabana",
    ],
)  # fmt: skip
def test_words_that_only_contain_a_private_name_stay(name: str) -> None:
    assert read({name: "value"}).fields == {name: "value"}


@pytest.mark.parametrize(
    "kind",
    ["password", "hidden", "file", "cc-number", "cc-exp", "one-time-code", "current-password"],
)
def test_private_kinds_are_dropped(kind: str) -> None:
    found = read({"x": "value"}, x=kind)
    assert (found.fields, found.masked) == ({}, ("x",))
    assert is_private_field("x", kind)


CARDS = [
    ("4111111111111111", MASK),
    ("4111 1111 1111 1111", MASK),
    ("4111-1111-1111-1111", MASK),
    ("378282246310005", MASK),
    ("6011000990139424", MASK),
    ("4222222222222", MASK),
    ("my card is 4111 1111 1111 1111, thanks", f"my card is {MASK}, thanks"),
    ("4111111111111111 and 5555555555554444", f"{MASK} and {MASK}"),
    ("a4111111111111111b", f"a{MASK}b"),
    ("room 12 4111 1111 1111 1111", f"room 12 {MASK}"),
    ("4111111111111112", "4111111111111112"),
    ("411111111111", "411111111111"),
    ("41111111111111111111", "41111111111111111111"),
    ("2026-11-22", "2026-11-22"),
    ("", ""),
]


@pytest.mark.parametrize(("text", "masked"), CARDS)
def test_card_numbers_are_masked(text: str, masked: str) -> None:
    assert mask_cards(text) == masked
    assert mask_cards(masked) == masked


def luhn(digits: str) -> bool:
    doubled = [int(d) * (1 + place % 2) for place, d in enumerate(reversed(digits))]
    return sum(n // 10 + n % 10 for n in doubled) % 10 == 0


@given(
    st.text("0123456789", min_size=12, max_size=18),
    st.sampled_from(["", " ", "-"]),
    st.text("abc .,\n", max_size=20),
)
def test_no_card_number_survives(start: str, gap: str, around: str) -> None:
    card = next(start + last for last in "0123456789" if luhn(start + last))
    spelt = gap.join(card[place : place + 4] for place in range(0, len(card), 4))
    kept = read({"message": f"{around}x{spelt}x{around}", "note": [spelt, "x"]})
    for value in kept.fields.values():
        text = value if isinstance(value, str) else " ".join(value)
        assert spelt not in text
        assert MASK in text


def test_a_phone_number_is_not_taken_for_a_card() -> None:
    assert read({"phone": "+49 1512 3456 7804"}).phone == "+49 1512 3456 7804"
    assert read({"phone": "4111111111111111"}).fields["phone"] == MASK


FULL = {
    "email": "Jane@x.example", "first_name": "Jane", "last_name": "Doe", "phone": "+49 30 901820",
    "company": "X", "job_title": "VP", "budget": "10k", "message": "Hello", "topics": ["a", "b"],
}  # fmt: skip


def test_an_unknown_form_keeps_contact_fields_only() -> None:
    found = read(FULL, None)
    assert found.fields == {
        key: FULL[key]
        for key in ("email", "first_name", "last_name", "phone", "company", "job_title")
    }
    assert found.left_out == ("budget", "message", "topics")
    assert found.traits == {}
    assert read(FULL, FormRule("f", allow=False)).fields == found.fields


def test_an_allowed_form_keeps_everything() -> None:
    found = read(FULL)
    assert found.fields == FULL
    assert found.traits == {"budget": "10k"}
    assert (found.left_out, found.masked, found.cut) == ((), (), False)
    people = (found.email, found.first_name, found.last_name, found.phone, found.company)
    assert people == ("Jane@x.example", "Jane", "Doe", "+49 30 901820", "X")
    assert found.title == "VP"


def test_denied_fields_are_dropped_by_either_name() -> None:
    rule = FormRule("f", deny=("budget", "why"), rename={"input_3": "why"})
    found = read({"budget": "1", "input_3": "because", "plan": "pro"}, rule)
    assert found.fields == {"plan": "pro"}
    assert found.masked == ("budget", "why")


def test_renaming_gives_a_field_its_meaning() -> None:
    rule = FormRule("f", allow=False, rename={"input_1": "email", "input_2": "company"})
    found = read({"input_1": "jane@x.example", "input_2": "X"}, rule)
    assert (found.email, found.company) == ("jane@x.example", "X")
    assert found.fields == {"email": "jane@x.example", "company": "X"}


def test_renaming_cannot_bring_a_secret_in() -> None:
    assert read({"password": "a"}, FormRule("f", rename={"password": "hint"})).fields == {}
    assert read({"hint": "a"}, FormRule("f", rename={"hint": "password"})).fields == {}


@pytest.mark.parametrize(
    ("fields", "email"),
    [
        ({"email": "jane@x.example"}, "jane@x.example"),
        ({"email": "jane"}, ""),
        ({"email": "jane@x"}, "jane@x"),
        ({"email": "jane@x", "mail": "jane@x.example"}, "jane@x.example"),
        ({"field_3": "jane@x.example"}, "jane@x.example"),
        ({"friend_email": "bob@x.example"}, ""),
        ({"friend_email": "bob@x.example", "email": "jane@x.example"}, "jane@x.example"),
        ({"message": "write to jane@x.example"}, ""),
        ({"email": ["jane@x.example"]}, "jane@x.example"),
        ({"email_optin": "yes"}, ""),
        ({}, ""),
    ],
)
def test_the_senders_address_is_found(fields: dict[str, Any], email: str) -> None:
    assert read(fields, None).email == email


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        ({"Vorname": "Jana", "Name": "Muster"}, ("", "Jana", "Muster")),
        ({"Prénom": "Jeanne", "Nom": "Dupont"}, ("", "Jeanne", "Dupont")),
        ({"Nombre": "Juana", "Apellidos": "P"}, ("", "Juana", "P")),
        ({"Nome": "Gianna", "Cognome": "Rossi"}, ("", "Gianna", "Rossi")),
        ({"name": "Jane Doe"}, ("Jane Doe", "", "")),
        ({"title": "Dr.", "name": "Jane"}, ("Jane", "", "")),
    ],
)
def test_names_in_several_languages(fields: dict[str, str], names: tuple[str, ...]) -> None:
    found = read(fields, None)
    assert (found.name, found.first_name, found.last_name) == names
    assert found.title == ""


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        ("  a ", "a"), ("a\x00\u202eb", "ab"), ("a\r\nb", "a\nb"), ("a\ud800", "a"), (7, "7"),
        (1.5, "1.5"), (True, "true"), (False, "false"), ({"a": 1}, '{"a":1}'),
        (10**30, str(10**30)),
        (["a", "b"], ["a", "b"]), (["a", 1, None, ""], ["a", "1"]), (["a"], "a"),
    ],
)  # fmt: skip
def test_values_become_text(value: object, stored: object) -> None:
    assert read({"x": value}).fields == {"x": stored}


@pytest.mark.parametrize("value", ["", " ", None, [], [""], "\x00", object(), float("nan")])
def test_empty_values_are_left_out(value: object) -> None:
    assert read({"x": value}).fields in ({}, {"x": "null"})


def test_long_values_are_cut_and_flagged() -> None:
    found = read({"message": "a" * 9_000, "note_on": "b" * 1_001, "comment": "c"})
    assert isinstance(found.fields["message"], str)
    assert len(found.fields["message"]) == MAX_MESSAGE
    assert found.cut
    assert len(read({"plan": "b" * 1_001}).fields["plan"]) == MAX_VALUE
    assert len(read({"plan": "b" * 8_001}, plan="textarea").fields["plan"]) == MAX_MESSAGE
    assert not read({"plan": "b" * 1_000}).cut


def test_a_form_has_at_most_50_fields_and_contact_goes_first() -> None:
    found = read({**{f"f{place}": "x" for place in range(80)}, "email": "jane@x.example"})
    assert len(found.fields) == MAX_FIELDS
    assert found.email == found.fields["email"] == "jane@x.example"
    assert found.cut


def test_a_form_holds_at_most_24_kilobytes() -> None:
    many = {f"message{place}": "\u20ac" * 8_000 for place in range(5)}
    found = read({**many, "email": "jane@x.example"})
    size = sum(len(key.encode()) + len(str(text).encode()) for key, text in found.fields.items())
    assert MAX_TOTAL - 4 <= size <= MAX_TOTAL
    assert found.cut
    assert found.fields["email"] == "jane@x.example"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)
RULES = st.none() | st.builds(
    FormRule,
    key=st.just("f"),
    allow=st.booleans(),
    deny=st.lists(st.text(max_size=5)).map(tuple),
    rename=st.dictionaries(st.text(max_size=5), st.text(max_size=5)),
)


@given(st.dictionaries(st.text(max_size=20), JSON, max_size=60), RULES, st.text(max_size=12))
def test_no_submission_raises_or_breaks_a_limit(
    fields: dict[str, object], rule: FormRule | None, kind: str
) -> None:
    found = read_form("f", fields, dict.fromkeys(fields, kind), rule)
    assert len(found.fields) <= MAX_FIELDS
    for name, value in found.fields.items():
        for text in [name, value] if isinstance(value, str) else [name, *value]:
            assert text
            assert len(text) <= MAX_MESSAGE
            text.encode()


@given(st.dictionaries(st.text(max_size=20), JSON, max_size=120))
def test_no_traits_raise(traits: dict[str, object]) -> None:
    found = read_traits(traits)
    assert len(found) <= 100
    for value in found.values():
        assert isinstance(value, str | int | float | bool)


@pytest.mark.parametrize(
    ("given_traits", "kept"),
    [
        ({"plan": "pro", "seats": 5, "vip": True}, {"plan": "pro", "seats": 5, "vip": True}),
        ({"rate": 1.5}, {"rate": 1.5}),
        ({"a": None, "b": [1], "c": {"d": 1}}, {}),
        ({"password": "x", "apiKey": "y", "card": "z", "plan": "p"}, {"plan": "p"}),
        ({"note": "4111 1111 1111 1111"}, {"note": MASK}),
        ({"number": 4111111111111111}, {"number": MASK}),
        ({"created_at": 1700000000006}, {"created_at": 1700000000006}),
        ({"big": 2**70}, {"big": str(2**70)}),
        ({"x": float("inf")}, {}),
        ({"x" * 200: 1}, {"x" * 100: 1}),
        ({"x": "a" * 2_000}, {"x": "a" * 1_000}),
        ({"phone": "+49 1512 3456 7804"}, {"phone": "+49 1512 3456 7804"}),
        ({" ": 1, "\x00": 2}, {}),
    ],
)  # fmt: skip
def test_traits(given_traits: dict[str, object], kept: dict[str, object]) -> None:
    assert read_traits(given_traits) == kept


def test_at_most_100_traits() -> None:
    assert len(read_traits({f"t{place}": place for place in range(300)})) == 100


def test_a_hostile_form_costs_little() -> None:
    hostile: list[dict[str, object]] = [
        {f"{place}" + "aB" * 500: "1 " * 50 for place in range(3_000)},
        {"message": "4111 " * 6_000},
        {"message": "1 " * 16_000},
        {"x": "@" * 30_000},
    ]
    for fields in hostile:
        start = time.perf_counter()
        read(fields)
        assert time.perf_counter() - start < 5  # a runaway pattern takes minutes
