"""The mail a person gets about somebody: text and HTML, from the same news as a webhook.

Names, titles and pages come from visitors and are hostile: HTML is escaped by default, and what
goes into a header is one line of visible characters.
"""

import unicodedata
from collections.abc import Sequence
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from server.model import Kind
from server.tell.news import Line, News, Page
from server.words import stage_words

MOST_LINES = 12  # of a receipt in a mail
MOST_NAME = 80  # characters
_AN = {"mql", "sql", "opportunity", "evangelist"}


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("server", "templates/mail"),
        autoescape=select_autoescape(["html"]),
        auto_reload=False,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def one_line(text: str, most: int = MOST_NAME) -> str:
    """A text in one line of characters that can be seen; what turns or hides others is gone."""
    kept = "".join(
        " " if char.isspace() or unicodedata.category(char) == "Cc" else char
        for char in unicodedata.normalize("NFC", text)
        if unicodedata.category(char) not in {"Cf", "Co", "Cs"}
    )
    line = " ".join(kept.split())
    return line if len(line) <= most else line[: most - 1].rstrip() + "…"


def a_stage(stage: str) -> str:
    """With its article: an MQL, a lead."""
    return f"{'an' if stage in _AN else 'a'} {stage_words(stage)}"


def number(value: float) -> str:
    """Points as people write them: 77, 77.5, −5."""
    return f"{value:,.3f}".rstrip("0").rstrip(".").replace("-", "−")


def signed(value: float) -> str:
    return f"+{number(value)}" if value > 0 else number(value)


def name_of(news: News) -> str:
    who = news.person
    return one_line(who.name) or one_line(who.email) or who.id


def headline(news: News) -> str:
    """What happened, in one sentence without the points."""
    name, stage = name_of(news), news.stage
    key = stage_words(stage or news.threshold)
    if news.kind is Kind.RETRACTED:
        return f"{name} is not {a_stage(stage)} after all" if stage else f"Never reached: {name}"
    if news.kind is Kind.REARMED:
        return f"{name} fell below “{stage_words(news.threshold)}”"
    return f"{name} is {a_stage(stage)}" if stage else f"{name} reached “{key}”"


def subject(news: News) -> str:
    """`Ann Example (Brew) is an MQL: 77 points`."""
    company = one_line(news.person.company, 60)
    name = name_of(news)
    told = headline(news)
    if company and told.startswith(name):
        told = f"{name} ({company}){told[len(name) :]}"
    if news.kind is Kind.RETRACTED:
        told = f"Taken back: {told}"
    else:
        told = f"{told}: {number(news.score)} points"
    return f"[Test] {told}" if news.test else told


class Sender(msgspec.Struct, frozen=True, kw_only=True):
    """Who sends: `mail` is `Handraise <handraise@acme.example>` or a bare address."""

    mail: str

    @property
    def address(self) -> str:
        return parseaddr(self.mail)[1]

    @property
    def header(self) -> Address:
        name, address = parseaddr(self.mail)
        return Address(display_name=one_line(name) or "Handraise", addr_spec=address)


def letter(
    news: News, sender: Sender, to: Sequence[str], message_id: str, name: str, now: datetime
) -> EmailMessage:
    """The mail. `message_id` is that of the delivery, the same each time; `name` is that of the
    destination, so that people know why they get it."""
    message = EmailMessage(policy=SMTP)
    # A name may look like an encoded word, which a mail program would decode.
    message["Subject"] = subject(news).replace("=?", "= ?")
    message["From"] = sender.header
    message["To"] = [Address(addr_spec=one) for one in to]
    message["Date"] = format_datetime(now)
    message["Message-ID"] = f"<{message_id}@{sender.address.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"
    message["X-Auto-Response-Suppress"] = "All"
    values = _values(news, name)
    for file, kind in (("consequence.txt", "plain"), ("consequence.html", "html")):
        text = _environment().get_template(file).render(**values)
        if kind == "plain":
            message.set_content(text, cte="quoted-printable")
        else:
            message.add_alternative(text, subtype="html", cte="quoted-printable")
    return message


def _values(news: News, name: str) -> dict[str, Any]:
    zone = ZoneInfo(news.zone)

    def local(text: str, year: bool = False) -> str:
        moment = datetime.fromisoformat(text).astimezone(zone)
        return moment.strftime("%-d %b %Y, %H:%M" if year else "%-d %b, %H:%M")

    about = (one_line(news.person.company, 120), one_line(news.person.email, 120))
    return {
        "news": news,
        "headline": headline(news),
        "retracted": news.kind is Kind.RETRACTED,
        "name": name_of(news),
        "about": [one for one in about if one and one != name_of(news)],
        "lines": _shortened(news.receipt),
        "pages": [_page(page) for page in news.pages],
        "cause": _cause(news.cause) if news.cause else "",
        "destination": one_line(name),
        "local": local,
        "number": number,
        "signed": signed,
        "one_line": one_line,
    }


def _shortened(receipt: Sequence[Line]) -> list[Line]:
    """The weightiest reasons; the rest is one line, so that it still adds up."""
    lines = sorted(receipt, key=lambda line: -abs(line.points))
    kept, rest = lines[:MOST_LINES], lines[MOST_LINES:]
    if not rest:
        return kept
    worth = round(sum(line.points for line in rest), 3)
    return [*kept, Line(rule="more", label=f"{len(rest)} more", axis="", points=worth)]


def _page(page: Page) -> dict[str, str]:
    read = []
    if page.ms >= 1_000:
        minutes, seconds = divmod(page.ms // 1_000, 60)
        read.append(f"{minutes} min {seconds}\u00a0s" if minutes else f"{seconds}\u00a0s")
    if page.scroll:
        read.append(f"{page.scroll}\u00a0%\u00a0read")
    path = one_line(page.path, 100)
    title = one_line(page.title, 120)
    return {
        "title": title or path,
        "path": path if title else "",
        "at": page.at,
        "read": " · ".join(read),
    }


_CAUSES = {
    "page_view": "read",
    "form_submit": "sent a form on",
    "form_confirm": "confirmed a form on",
    "download": "downloaded from",
    "engagement": "read on",
    "click": "clicked on",
}


def _cause(cause: Page) -> str:
    """What made it happen, without a subject: `sent a form on “Demo”`."""
    where = one_line(cause.title, 100) or one_line(cause.path, 100)
    verb = _CAUSES.get(cause.kind)
    return f"{verb} “{where}”" if verb and where else ""
