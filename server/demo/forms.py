"""The four forms of the demo site: what they ask, what they refuse, where they lead."""

from dataclasses import dataclass, field
from urllib.parse import parse_qsl

CONSENT_TEXT = "Ovenbird may write to me about its product. I can unsubscribe at any time."
CONSENT_VERSION = "1"
LONGEST_VALUE = 4_000


@dataclass(frozen=True)
class Field:
    """One question of a form, named as the browser and the tracker know it."""

    name: str
    label: str
    kind: str = "text"
    required: bool = False
    autocomplete: str = "off"
    hint: str = ""
    wide: bool = False


@dataclass(frozen=True)
class Form:
    """A form of the site. Its key is the `id` and the `name` of the element and never changes."""

    key: str
    action: str
    thanks: str
    button: str
    fields: tuple[Field, ...]
    purpose: str = "lead"

    @property
    def field_names(self) -> tuple[str, ...]:
        return (*(asked.name for asked in self.fields), "consent")


@dataclass(frozen=True)
class Answers:
    """What somebody typed, and what is wrong with it."""

    values: dict[str, str] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)


_NAME = Field("name", "Full name", required=True, autocomplete="name")
_EMAIL = Field("email", "Work e-mail", "email", required=True, autocomplete="email")
_JOB_TITLE = Field("job_title", "Job title", autocomplete="organization-title")
_COMPANY = Field("company", "Company", autocomplete="organization")

DEMO = Form(
    key="demo",
    action="/demo",
    thanks="/thanks/demo",
    button="Book my demo",
    fields=(
        _NAME,
        _EMAIL,
        Field("company", "Company", required=True, autocomplete="organization"),
        _JOB_TITLE,
        Field(
            "phone", "Phone", "tel", autocomplete="tel", hint="Only if you like a call.", wide=True
        ),
        Field("message", "What should we show you?", "textarea", wide=True),
    ),
)
NEWSLETTER = Form(
    key="newsletter",
    action="/newsletter",
    thanks="/thanks/newsletter",
    button="Send me the letter",
    fields=(Field("email", "E-mail", "email", required=True, autocomplete="email"),),
    purpose="newsletter",
)
EBOOK = Form(
    key="ebook",
    action="/ebook",
    thanks="/thanks/ebook",
    button="Get the workbook",
    fields=(_NAME, _EMAIL, _COMPANY, _JOB_TITLE),
)
CONTACT = Form(
    key="contact",
    action="/contact",
    thanks="/thanks/contact",
    button="Send the message",
    fields=(
        _NAME,
        Field("email", "E-mail", "email", required=True, autocomplete="email"),
        _COMPANY,
        Field("message", "Message", "textarea", required=True, wide=True),
    ),
)
FORMS: tuple[Form, ...] = (DEMO, NEWSLETTER, EBOOK, CONTACT)
BY_KEY = {form.key: form for form in FORMS}


def read_answers(form: Form, body: bytes) -> Answers:
    """Read an urlencoded body: known fields only, cut to a sane length, each checked."""
    sent = dict(parse_qsl(body.decode("utf-8", "replace")))
    values = {name: sent.get(name, "").strip()[:LONGEST_VALUE] for name in form.field_names}
    errors = {asked.name: wrong for asked in form.fields if (wrong := _wrong(asked, values))}
    return Answers(values, errors)


def _wrong(asked: Field, values: dict[str, str]) -> str:
    value = values[asked.name]
    if asked.required and not value:
        return f"{asked.label} is missing."
    if asked.kind == "email" and value:
        before, at, after = value.rpartition("@")
        if not (before and at and "." in after) or " " in value:
            return "That does not look like an e-mail address."
    return ""
