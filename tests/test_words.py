"""Names that the program keeps are read as people write them, the same on every page."""

import pytest

from server.words import field, field_words, stage_word, stage_words


@pytest.mark.parametrize(
    ("name", "alone", "within"),
    [
        ("job_title", "Job title", "job title"),
        ("jobTitle", "Job title", "job title"),
        ("job-title", "Job title", "job title"),
        ("  your   name ", "Your name", "your name"),
        ("firstName", "First name", "first name"),
        ("VAT-id", "VAT id", "VAT id"),
        ("email_class", "Email class", "email class"),
        ("größe", "Größe", "größe"),
        ("", "", ""),
    ],
)
def test_a_field(name: str, alone: str, within: str) -> None:
    assert (field(name), field_words(name)) == (alone, within)


@pytest.mark.parametrize(
    ("stage", "alone", "within"),
    [
        ("visitor", "Visitor", "visitor"),
        ("lead", "Lead", "lead"),
        ("mql", "MQL", "MQL"),
        ("sql", "SQL", "SQL"),
        ("very_hot", "Very hot", "very hot"),
        ("VIP", "VIP", "VIP"),
        ("", "", ""),
    ],
)
def test_a_stage_or_a_threshold(stage: str, alone: str, within: str) -> None:
    assert (stage_word(stage), stage_words(stage)) == (alone, within)
