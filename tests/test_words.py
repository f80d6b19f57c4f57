"""Names that the program keeps are read as people write them, the same on every page."""

import pytest

from server.words import field, field_words, stage_word


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
    ("stage", "word"),
    [
        ("visitor", "Visitor"),
        ("lead", "Lead"),
        ("mql", "MQL"),
        ("sql", "SQL"),
        ("customer", "Customer"),
        ("very_hot", "Very hot"),
        ("", ""),
    ],
)
def test_a_stage_or_a_threshold(stage: str, word: str) -> None:
    assert stage_word(stage) == word
