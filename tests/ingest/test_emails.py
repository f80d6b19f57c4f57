"""Identifiers: one form for each address, no look-alikes, no placeholders."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.ingest.emails import (
    company_domain,
    domain_class,
    is_reserved,
    is_role,
    normalise_email,
    normalise_phone,
    normalise_user_id,
)

NORMAL = [
    ("one@x.example", "one@x.example"),
    ("  Jane.Doe+News@Example.COM\n", "jane.doe+news@example.com"),
    ("j.a.n.e@gmail.com", "j.a.n.e@gmail.com"),
    ("o'brien@x.example", "o'brien@x.example"),
    ("a/b=c@x.example", "a/b=c@x.example"),
    ("x@m\u00fcller.example", "x@xn--mller-kva.example"),
    ("x@M\u00dcLLER.example", "x@xn--mller-kva.example"),
    ("x@xn--mller-kva.example", "x@xn--mller-kva.example"),
    ("x@fa\u00df.example", "x@xn--fa-hia.example"),
    ("j\u00fcrgen@x.example", "j\u00fcrgen@x.example"),
    ("ju\u0308rgen@x.example", "j\u00fcrgen@x.example"),
    ("J\u00dcRGEN@x.example", "j\u00dcrgen@x.example"),
    ("\u7528\u6237@x.example", "\u7528\u6237@x.example"),
    ("a@b.co", "a@b.co"),
    ("x@mail.sub.x.example", "x@mail.sub.x.example"),
]

REFUSED = [
    "", " ", "a", "@", "a@b", "a@", "@x.example", "a@x.test", "a@x.invalid", "a@localhost",
    "a@x.local", "a@x.onion", "a@@x.example", "a@b@x.example", "a b@x.example", "a@x .example",
    "a..b@x.example", ".a@x.example", "a.@x.example", "a@-x.example", "a@x-.example",
    "a@x..example", "a@.x.example", "a@x.example.", '"a b"@x.example', "Jane <a@x.example>",
    "<a@x.example>",
    "a@x.example,b@x.example", "a@x.example;b@x.example", "a@[127.0.0.1]", "a@127.0.0.1",
    "mailto:a@x.example", "a@x.example\x00", "a\u200bb@x.example", "a@x\u200b.example",
    "a\u202eb@x.example", "a@\u2066x.example", "a\xadb@x.example", "a\ufeffb@x.example",
    "\uff41@x.example", "a@\uff58.example", "a@x\u3002example", "\u212aate@x.example",
    "\ufb01ne@x.example", "a@x\ud800.example", "a\r\nBcc: b@x.example", "a@x_y.example",
    "a" * 65 + "@x.example", "a@" + "x" * 64 + ".example", "a" * 250 + "@x.example",
    "a@b.1", "a@x.example?subject=1", "a@xn--a.example" + "\u0600",
]  # fmt: skip


@pytest.mark.parametrize(("text", "normal"), NORMAL)
def test_an_address_has_one_form(text: str, normal: str) -> None:
    assert normalise_email(text) == normal
    assert normalise_email(normal) == normal


@pytest.mark.parametrize("text", REFUSED)
def test_what_could_pass_for_another_address_is_refused(text: str) -> None:
    assert normalise_email(text) is None


def test_dots_and_tags_name_different_people() -> None:
    spelt = ["jane@gmail.com", "j.ane@gmail.com", "jane+a@gmail.com", "jan\u00e9@gmail.com"]
    assert len({normalise_email(text) for text in spelt}) == 4


@given(st.text())
def test_no_text_raises(text: str) -> None:
    for given_text in (text, f"{text}@x.example", f"jane@{text}", f"jane@{text}.example"):
        found = normalise_email(given_text)
        assert found is None or normalise_email(found) == found
        domain_class(given_text)
        is_role(given_text)
        company_domain(given_text)
        is_reserved(given_text)
        normalise_phone(given_text, "de")
        user_id = normalise_user_id(given_text)
        assert user_id is None or normalise_user_id(user_id) == user_id


@given(st.emails())
def test_a_normal_address_is_nfc_and_lower_in_ascii(text: str) -> None:
    found = normalise_email(text)
    if found is not None:
        assert found == unicodedata.normalize("NFC", found)
        assert not any("A" <= char <= "Z" for char in found)
        assert found.partition("@")[2].isascii()


@pytest.mark.parametrize(
    ("email", "class_"),
    [
        ("a@gmail.com", "free"), ("a@web.de", "free"), ("a@qq.com", "free"), ("a@hey.com", "free"),
        ("a@tuta.com", "free"), ("a@tutanota.com", "free"), ("a@daum.net", "free"),
        ("a@skiff.com", "free"), ("a@privaterelay.appleid.com", "free"), ("a@mozmail.com", "free"),
        ("a@simplelogin.com", "free"), ("a@mailinator.com", "disposable"),
        ("a@any.mailinator.com", "disposable"), ("a@yopmail.com", "disposable"),
        ("a@x.example", "business"), ("a@apple.com", "business"), ("a@notgmail.com", "business"),
    ],
)  # fmt: skip
def test_the_class_of_a_domain(email: str, class_: str) -> None:
    assert domain_class(email) == class_


@pytest.mark.parametrize(
    ("email", "company"),
    [
        ("a@x.example", "x.example"), ("a@mail.x.example", "x.example"),
        ("a@eu.acme.co.uk", "acme.co.uk"), ("a@acme.github.io", "github.io"),
        ("a@gmail.com", ""), ("a@mailinator.com", ""), ("a@co.uk", ""), ("nobody", ""), ("", ""),
        ("a@xn--mller-kva.example", "xn--mller-kva.example"),
    ],
)  # fmt: skip
def test_the_company_is_the_registrable_domain(email: str, company: str) -> None:
    assert company_domain(email) == company


@pytest.mark.parametrize(
    ("email", "role"),
    [
        ("info@x.example", True), ("sales@x.example", True), ("no-reply@x.example", True),
        ("no_reply@x.example", True), ("support+a@x.example", True), ("info2@x.example", True),
        ("kontakt@x.example", True), ("jane@x.example", False), ("salesforce@x.example", False),
        ("informer@x.example", False), ("x.example", False),
    ],
)  # fmt: skip
def test_role_addresses(email: str, role: bool) -> None:
    assert is_role(email) is role


@pytest.mark.parametrize(
    ("text", "country", "phone"),
    [
        ("+49 30 901820", "", "+4930901820"), ("0049 30 901820", "", "+4930901820"),
        ("030 901820", "de", "+4930901820"), ("030 901820", "", None),
        ("(202) 456-1111", "US", "+12024561111"), ("+1 202 456 1111 ext. 5", "", None),
        ("tel: +1-202-456-1111", "", "+12024561111"), ("+1", "", None), ("12345", "", None),
        ("", "", None), ("call me", "US", None), ("+49 30 901820" + "0" * 40, "", None),
        ("+4111111111111111", "", None), ("030 901820", "xx", None),
    ],
)  # fmt: skip
def test_phone_numbers(text: str, country: str, phone: str | None) -> None:
    assert normalise_phone(text, country) == phone


@pytest.mark.parametrize(
    "value",
    [
        "anonymous", "guest", "distinctid", "distinct_id", "id", "not_authenticated", "email",
        "undefined", "true", "false", "[object Object]", "NaN", "None", "none", "null", "0", "",
        " ", "-1", "00", "000-000", "-", "NULL", "'null'", '"undefined"', " null ", "Guest",
    ],
)  # fmt: skip
def test_placeholders_are_no_identifiers(value: str) -> None:
    assert is_reserved(value)


@pytest.mark.parametrize("value", ["1", "10", "u_1", "nullable", "guest1", "idris", "0a", "-12"])
def test_identifiers_that_only_look_like_placeholders(value: str) -> None:
    assert not is_reserved(value)


@pytest.mark.parametrize(
    ("text", "user_id"),
    [
        ("u_1", "u_1"), (" U_1 ", "U_1"), ("a" * 200, "a" * 200), ("a" * 201, None), ("", None),
        (" ", None), ("a\x00", None), ("a\nb", None), ("a\u200bb", None), ("u\u0308", "\u00fc"),
        ("jane doe", "jane doe"), ("\ud800", None), ("a" * 100_000, None),
    ],
)  # fmt: skip
def test_user_ids(text: str, user_id: str | None) -> None:
    assert normalise_user_id(text) == user_id
