"""Mails: what they say, and that nobody can put words into them."""

from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from html.parser import HTMLParser
from typing import Any

import pytest
from msgspec.structs import replace

from server.model import Kind, Site, SiteSettings
from server.tell.examples import example
from server.tell.letters import Sender, letter, number, one_line, subject
from server.tell.news import Line, News, label_of
from tests.tracking import NOON

SITE = Site(site_id=1, name="Rise & Grain", keys=("k1",), settings=SiteSettings())
NEWS = replace(example(SITE, NOON, "https://t.acme.example/people/p57"), test=False)
HOSTILE = [
    "Ann\r\nBcc: everybody@evil.example",
    "Ann\nSubject: hi\n\nbody",
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>'",
    "{{ 7 * 7 }}{% include 'x' %}${7*7}",
    "\u202egnp.exe",
    "Zero\u200bwidth\ufeff",
    "a" * 5_000,
    "\x00\x07\x1b[31m",
    "=?utf-8?q?=0D=0ABcc:_x@evil.example?=",
    "日本語 😀",
    " ",
]


def mail(news: News) -> EmailMessage:
    """As it arrives: through bytes."""
    made = letter(
        news,
        Sender(mail="Acme <handraise@acme.example>"),
        ["olga@acme.example", "otto@acme.example"],
        "msg_1",
        "Sales",
        datetime(2026, 11, 20, tzinfo=UTC),
    )
    found = message_from_bytes(made.as_bytes(), policy=default)
    assert isinstance(found, EmailMessage)
    return found


def part(message: EmailMessage, kind: str) -> str:
    found = message.get_body((kind,))
    assert found is not None
    return str(found.get_content())


def about(**person: Any) -> News:
    return replace(NEWS, person=replace(NEWS.person, **person))


def test_a_mail_says_who_why_and_where() -> None:
    """In the subject, in the text and in the HTML."""
    message = mail(NEWS)
    assert message["Subject"] == "Ann Example (Brew) is an MQL: 77 points"
    assert message["From"] == "Acme <handraise@acme.example>"
    assert message["To"] == "olga@acme.example, otto@acme.example"
    assert message["Message-ID"] == "<msg_1@acme.example>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message.get_content_type() == "multipart/alternative"
    for kind in ("plain", "html"):
        text = part(message, kind)
        for words in ("Ann Example", "+40", "77", "Pricing", "1 min 34", "/people/p57", "Sales"):
            assert words in text, (kind, words)
    assert "DO NOT CONTACT" not in part(message, "plain")


@pytest.mark.parametrize(
    ("news", "expected"),
    [
        (NEWS, "Ann Example (Brew) is an MQL: 77 points"),
        (replace(NEWS, test=True), "[Test] Ann Example (Brew) is an MQL: 77 points"),
        (replace(NEWS, score=77.125), "Ann Example (Brew) is an MQL: 77.125 points"),
        (about(company=""), "Ann Example is an MQL: 77 points"),
        (about(name=""), "ann@brew.example (Brew) is an MQL: 77 points"),
        (about(name="", email="", company=""), "p1 is an MQL: 77 points"),
        (replace(NEWS, stage="customer"), "Ann Example (Brew) is a customer: 77 points"),
        (replace(NEWS, stage=""), "Ann Example (Brew) reached “MQL”: 77 points"),
        (
            replace(NEWS, stage="", kind=Kind.REARMED, score=-3),
            "Ann Example (Brew) fell below “MQL”: −3 points",
        ),
        (
            replace(NEWS, kind=Kind.RETRACTED),
            "Taken back: Ann Example (Brew) is not an MQL after all",
        ),
    ],
)
def test_subjects(news: News, expected: str) -> None:
    """Each kind in one sentence."""
    assert subject(news) == expected


@pytest.mark.parametrize("text", HOSTILE)
def test_nobody_puts_a_header_into_a_mail(text: str) -> None:
    """Whatever a visitor is called: the same headers, one line each, nobody else gets it."""
    news = replace(about(name=text, company=text, owner=text), site=text)
    message = mail(news)
    assert sorted(message.keys()) == sorted(mail(NEWS).keys())
    assert message["To"] == "olga@acme.example, otto@acme.example"
    shown = str(message["Subject"])
    assert shown.isprintable()
    assert len(shown) < 300


class Tags(HTMLParser):
    """Every element and attribute of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, ...]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, *sorted(name for name, _ in attrs)))


def elements(text: str) -> list[tuple[str, ...]]:
    tags = Tags()
    tags.feed(text)
    return tags.found


@pytest.mark.parametrize("text", [text for text in HOSTILE if text.strip()])
def test_nobody_puts_an_element_into_a_mail(text: str) -> None:
    """Names, companies, titles, labels, owners and sites are words and nothing else."""

    def called(word: str) -> News:
        pages = tuple(replace(page, title=word, path=word) for page in NEWS.pages)
        lines = tuple(replace(line, label=word) for line in NEWS.receipt)
        cause = replace(NEWS.pages[0], title=word)
        news = about(name=word, company=word, owner=word, email=word)
        return replace(news, pages=pages, receipt=lines, site=word, cause=cause)

    harmless = "x" * len(one_line(text, 5_000))
    expected = elements(part(mail(called(harmless)), "html"))
    assert elements(part(mail(called(text)), "html")) == expected
    plain = part(mail(called(text)), "plain")
    assert not any(char in plain for char in "\x00\x07\x1b\u202e\u200b")


def test_do_not_contact_is_plain_to_see() -> None:
    """First of all, in both parts."""
    message = mail(about(do_not_contact=True))
    assert "DO NOT CONTACT" in part(message, "plain")
    html = part(message, "html")
    assert html.index("Do not contact.") < html.index("<h1")


def test_a_long_receipt_still_adds_up() -> None:
    """The weightiest lines, and one for the rest."""
    lines = tuple(
        Line(rule=f"r{n}", label=f"Reason {n}", axis="fit", points=n + 0.125) for n in range(40)
    )
    total = sum(line.points for line in lines)
    text = part(mail(replace(NEWS, receipt=lines, score=total)), "plain")
    shown = [line.split()[0] for line in text.splitlines() if line.strip().startswith("+")]
    assert len(shown) == 13
    assert sum(float(points) for points in shown) == total
    assert "28 more" in text


def test_words_for_numbers_and_bounds() -> None:
    """As people write them."""
    assert [number(n) for n in (77, 77.5, -10, 1234.125)] == ["77", "77.5", "−10", "1,234.125"]
    labels = {"demo_form": "Sent a form"}
    assert label_of("demo_form", labels) == "Sent a form"
    assert label_of("was_deleted", labels) == "Was deleted"
    assert label_of("cap:demo_form", labels) == "Limit of “Sent a form”"
    assert label_of("axis_floor:fit", labels) == "Floor of “Fit”"
    assert one_line("a\u00adb \t c\r\n", 4) == "ab c"
    assert one_line("abcdef", 4) == "abc…"
