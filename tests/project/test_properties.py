"""What is known of a subject: comparisons of traits, and the rank in a job title."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.project.properties import met, with_derived
from server.project.rules import PropertyCondition, Value
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
