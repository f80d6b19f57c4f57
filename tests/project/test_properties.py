"""What is known of a subject: comparisons of traits, and the rank in a job title."""

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from server.project.properties import met, met_by_any, with_derived
from server.project.rules import FieldTest, Op, PropertyCondition, Value
from server.project.titles import RANKS, seniority


@pytest.mark.parametrize(
    ("title", "rank"),
    [
        ("VP of Marketing", "vp"),
        ("vp marketing", "vp"),
        ("V.P. Sales", "vp"),
        ("SVP, Product", "vp"),
        ("Senior Vice President", "vp"),
        ("Vice-Président Ventes", "vp"),
        ("Vizepräsidentin", "vp"),
        ("Assistant Vice President", "vp"),
        ("VP and Head of Sales", "vp"),
        ("Chief Revenue Officer", "c_level"),
        ("Interim CTO", "c_level"),
        ("C.E.O.", "c_level"),
        ("CISO", "c_level"),
        ("Founder & CEO", "c_level"),
        ("Co-Founder", "c_level"),
        ("Founder/Head of Product", "c_level"),
        ("Managing Director", "c_level"),
        ("President", "c_level"),
        ("Owner", "c_level"),
        ("Geschäftsführer", "c_level"),
        ("GESCHÄFTSFÜHRERIN", "c_level"),
        ("Geschaeftsfuehrer", "c_level"),
        ("Mitglied der Geschäftsleitung", "c_level"),
        ("Vorstandsvorsitzende", "c_level"),
        ("PDG", "c_level"),
        ("Directeur général", "c_level"),
        ("Directora General", "c_level"),
        ("Amministratore delegato", "c_level"),
        ("Inhaberin", "c_level"),
        ("Director, Demand Generation", "director"),
        ("Associate Director", "director"),
        ("Assistant Director of Sales", "director"),
        ("Directrice marketing", "director"),
        ("Direktor Vertrieb", "director"),
        ("Vertriebsdirektorin", "director"),
        ("Director of Student Affairs", "director"),
        ("Head of Growth", "head"),
        ("Global Head of E-Commerce", "head"),
        ("Marketing Head", "head"),
        ("Head, Sales", "head"),
        ("Head of Internal Audit", "head"),
        ("Leiter Marketing", "head"),
        ("Vertriebsleiterin", "head"),
        ("Bereichsleitung IT", "head"),
        ("Responsable marketing", "head"),
        ("Jefa de ventas", "head"),
        ("assistant to the VP", ""),
        ("Executive Assistant, CEO", ""),
        ("Executive Assistant to CEO", ""),
        ("Assistenz der Geschäftsführung", ""),
        ("Vorstandsassistentin", ""),
        ("Sekretärin des Direktors", ""),
        ("Assistante du directeur", ""),
        ("Secretary to the Director", ""),
        ("Chief of Staff to the CEO", ""),
        ("Advisor to the CEO", ""),
        ("Chief of Staff, Office of the CEO", ""),
        ("Analyst reporting to the VP", ""),
        ("Former CEO", ""),
        ("ex-Director", ""),
        ("Aspiring CTO", ""),
        ("Student", ""),
        ("Marketing Intern", ""),
        ("Product Owner", ""),
        ("Projektleiter", ""),
        ("Headhunter", ""),
        ("Head chef", ""),
        ("Chief Engineer", ""),
        ("Marketing Manager", ""),
        ("Chef de projet", ""),
        ("VPN engineer", ""),
        ("", ""),
        (" , & / ", ""),
    ],
)
def test_the_rank_in_a_title(title: str, rank: str) -> None:
    assert seniority(title) == rank


@given(st.text(max_size=400))
def test_any_text_is_a_title(title: str) -> None:
    assert seniority(title) in {"", *RANKS}


GIVEN: dict[str, Value] = {
    "plan": " Pro  Plus",
    "size": 50,
    "share": 2.0,
    "paid": True,
    "none": "",
    "many": "120",
}


@pytest.mark.parametrize(
    ("when", "holds"),
    [
        (PropertyCondition("plan"), True),
        (PropertyCondition("none"), False),
        (PropertyCondition("missing"), False),
        (PropertyCondition("missing", "equals", ""), False),
        (PropertyCondition("plan", "equals", "pro plus"), True),
        (PropertyCondition("plan", "equals", "pro"), False),
        (PropertyCondition("plan", "contains", "PLUS"), True),
        (PropertyCondition("plan", "in", ("free", "Pro Plus")), True),
        (PropertyCondition("plan", "in", ("free",)), False),
        (PropertyCondition("plan", "in", "pro plus"), False),
        (PropertyCondition("share", "equals", 2), True),
        (PropertyCondition("paid", "equals", True), True),
        (PropertyCondition("paid", "equals", "true"), True),
        (PropertyCondition("size", "at_least", 50), True),
        (PropertyCondition("size", "at_least", 51), False),
        (PropertyCondition("size", "at_most", 50), True),
        (PropertyCondition("size", "at_most", 49), False),
        (PropertyCondition("many", "at_least", 100), True),
        (PropertyCondition("plan", "at_least", 1), False),
        (PropertyCondition("paid", "at_least", 0), False),
        (PropertyCondition("size", "at_least", ("x",)), False),
    ],
)
def test_a_comparison(when: PropertyCondition, holds: bool) -> None:
    assert met(when, GIVEN) is holds


def test_not_a_number_is_in_no_range() -> None:
    for op in ("at_least", "at_most"):
        when = PropertyCondition("size", op, 1)
        assert not met(when, {"size": float("nan")})
        assert not met(when, {"size": "nan"})


def test_derived_traits_never_replace_given_ones() -> None:
    derived = with_derived({"email": "ann@mail.example", "title": "CTO"})
    assert derived["email_domain"] == "mail.example"
    assert derived["seniority"] == "c_level"
    assert with_derived({"title": "CTO", "seniority": "vp"})["seniority"] == "vp"
    assert "email_domain" not in with_derived({"email": "no address", "title": ""})


PLAIN = (
    st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=9)
    | st.sampled_from([10**400, -(10**5_000), "9" * 5_000, "nan", "inf", " ", 1e308])
)
ANY = (
    PLAIN | st.none() | st.lists(PLAIN, max_size=3) | st.dictionaries(st.text(), PLAIN, max_size=2)
)
TESTS = st.builds(
    FieldTest,
    st.just("a"),
    st.sampled_from(get_args(Op)),
    PLAIN | st.lists(PLAIN, max_size=3).map(tuple),
    st.booleans(),
)


@given(TESTS, PLAIN, ANY)
def test_any_test_of_any_value_has_an_answer(test: FieldTest, value: Value, sent: object) -> None:
    """Also of values that no document may hold, and of whatever a browser sends."""
    other = replace(test, negate=not test.negate)
    answers = {met(test, {"a": value}), met(other, {"a": value})}
    ranged = test.op in {"at_least", "at_most", "between"}
    assert len(answers) == 2 or value == "" or (ranged and answers == {False})
    assert isinstance(met_by_any(test, sent), bool)
    assert met_by_any(test, value) is met(test, {"a": value})


@pytest.mark.parametrize(
    ("sent", "is_pro", "is_not_pro"),
    [
        ("Pro", True, False),
        ("free", False, True),
        (["free", "pro"], True, False),
        (["free", "team"], False, True),
        ([], False, False),
        ("", False, False),
        (None, False, False),
        ({"plan": "pro"}, False, False),
        ([["pro"]], False, False),
    ],
)
def test_of_several_values_one_must_fit(sent: object, is_pro: bool, is_not_pro: bool) -> None:
    test = FieldTest("plan", "equals", "pro")
    assert met_by_any(test, sent) is is_pro
    assert met_by_any(replace(test, negate=True), sent) is is_not_pro


def test_what_is_no_number_is_in_no_range_and_outside_of_none() -> None:
    for value in ("many", True, float("nan"), ""):
        for negate in (False, True):
            test = FieldTest("size", "between", (1, 9), negate=negate)
            assert not met(test, {"size": value})


def test_one_and_true_are_not_the_same() -> None:
    truth, number = FieldTest("a", "in", (True, "x")), FieldTest("a", "in", (1, "x"))
    assert [met(test, {"a": 1}) for test in (truth, number)] == [False, True]
    assert [met(test, {"a": True}) for test in (truth, number)] == [True, False]
