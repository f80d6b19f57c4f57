"""The registry of forms: which were seen on the site, and what is stored of each field and why."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from server.ingest.fields import read_form
from server.ingest.meanings import CONTACT, EMAIL, PHONE, is_private_field, meaning_of, qualifying
from server.model import FormRule, Kind, Site
from server.reports.shapes import Next, Shape, Time, iso
from server.storage import entries
from server.storage.database import Reader

#: The newest entries are looked through for forms, and so many of what they sent.
LOOKED_THROUGH, MOST = 100_000, 2_000
MOST_FIELDS = 60  # shown of one form
Stores = Literal["all", "contact", "nothing"]


class FieldRow(Shape, frozen=True, kw_only=True):
    """What becomes of one field: whether it is stored, under which name, and why."""

    name: str
    stored: bool
    stored_as: str
    why: str
    read: Annotated[bool, Meta(description="Whether the tag reads it; no rule makes it.")] = True


class FormRow(Shape, frozen=True, kw_only=True):
    """A form: what was decided about it and what was seen of it lately. `stores` is `all` but what
    is private, `contact` fields only (a form nobody decided about), or `nothing`."""

    key: str
    stores: Stores
    purpose: str
    kiosk: bool
    deny: list[str]
    rename: dict[str, str]
    starts: int
    submissions: int
    last: Time | None
    page: Annotated[str, Meta(description="Where it was seen last.")]
    fields: list[FieldRow]


class Forms(Shape, frozen=True, kw_only=True):
    """Registered forms and those seen in the newest 100,000 entries, the latest used first."""

    items: list[FormRow]
    next: Next = None


@dataclass
class Seen:
    """What the log tells of one form. `fields` are names in the order of their first sight."""

    fields: dict[str, None] = field(default_factory=dict)
    #: What the tag did not read, by name, and of which type it was.
    unread: dict[str, str] = field(default_factory=dict)
    starts: int = 0
    submissions: int = 0
    last: int = 0
    url_id: int = 0


async def forms(reader: Reader, site: Site) -> Forms:
    """All forms of a site."""
    seen = await _seen(reader, site)
    texts = await entries.texts(reader, site.site_id, sorted({s.url_id for s in seen.values()}))
    rules = {rule.key: rule for rule in site.settings.forms}
    rows = [
        row_of(key, rules.get(key), seen.get(key) or Seen(), texts) for key in {**seen, **rules}
    ]
    return Forms(items=sorted(rows, key=lambda row: (row.last or "", row.key), reverse=True))


async def form(reader: Reader, site: Site, key: str, rule: FormRule | None) -> FormRow:
    """One form under a rule, which need not be the one in force."""
    seen = (await _seen(reader, site)).get(key) or Seen()
    return row_of(key, rule, seen, await entries.texts(reader, site.site_id, [seen.url_id]))


async def _seen(reader: Reader, site: Site) -> dict[str, Seen]:
    head = await entries.head(reader, site.site_id)
    rows = await reader.fetch(
        "SELECT kind, at, url_id, data FROM entries WHERE site_id = $1 AND seq > $2"
        " AND kind IN ($3, $4) AND class = 0 ORDER BY seq DESC LIMIT $5",
        site.site_id,
        max(0, head - LOOKED_THROUGH),
        int(Kind.FORM_START),
        int(Kind.FORM_SUBMIT),
        MOST,
    )
    denied = {rule.key: rule.deny for rule in site.settings.forms}
    found: dict[str, Seen] = {}
    for kind, at, url_id, data in rows:
        said: dict[str, Any] = msgspec.json.decode(data) if data else {}
        key = str(said.get("form", ""))
        one = found.setdefault(key, Seen(last=at, url_id=url_id or 0))
        if kind == Kind.FORM_START:
            one.starts += 1
        else:
            one.submissions += 1
        unread = dict(name.rpartition(":")[::2] for name in said.get("unread", ()))
        # The owner left them out, and another rule may not: they are told as any other.
        left_out = [name for name in unread if name in denied.get(key, ())]
        for name in (*said.get("fields", ()), *said.get("masked", ()), *left_out):
            if len(one.fields) < MOST_FIELDS:
                one.fields.setdefault(name.partition(":")[0])
        one.unread = {**unread, **one.unread} if len(one.unread) < MOST_FIELDS else one.unread
    found.pop("", None)
    return found


def row_of(key: str, rule: FormRule | None, seen: Seen, texts: dict[int, str]) -> FormRow:
    """A form in words. `texts` are the pages by their interned ids."""
    told = rule or FormRule(key)
    return FormRow(
        key=key,
        stores=stores(rule),
        purpose=told.purpose,
        kiosk=told.kiosk,
        deny=list(told.deny),
        rename=told.rename,
        starts=seen.starts,
        submissions=seen.submissions,
        last=iso(seen.last) if seen.last else None,
        page=texts.get(seen.url_id, ""),
        fields=capture(seen.fields, rule) + _unread(seen),
    )


def stores(rule: FormRule | None) -> Stores:
    """How much of a form is stored under a rule."""
    if rule is None:
        return "contact"
    return "nothing" if rule.ignored else "all"


def capture(names: Iterable[str], rule: FormRule | None) -> list[FieldRow]:
    """What is stored of a form's fields: each goes through the very reading that submissions do,
    with a value as people type it."""
    back = {new: old for old, new in rule.rename.items()} if rule else {}
    given = dict.fromkeys(back.get(name, name) for name in names)
    return [_fate(name, rule) for name in given]


#: Types that the tag reads of no form (widget item 86); no answers, so they are not told at all.
_BUTTONS = frozenset({"submit", "button", "image", "reset", "fieldset", "output", ""})


def _unread(seen: Seen) -> list[FieldRow]:
    """What the tag leaves where it is, and why."""
    return [
        FieldRow(name=name, stored=False, stored_as="", why=_why_unread(kind), read=False)
        for name, kind in list(seen.unread.items())[:MOST_FIELDS]
        if name and name not in seen.fields and kind not in _BUTTONS
    ]


def _why_unread(kind: str) -> str:
    if kind in {"password", "hidden", "file", "search"}:
        return f"of type {kind}: never read"
    return "private by its name, its autocomplete or data-hr-ignore: never read"


def _fate(name: str, rule: FormRule | None) -> FieldRow:
    new = rule.rename.get(name, name) if rule else name
    meaning = meaning_of(new, "")
    read = read_form("", {name: _TYPED.get(meaning, "Ada")}, {}, rule)
    if stores(rule) == "nothing":
        return FieldRow(name=name, stored=False, stored_as="", why="the tag ignores this form")
    if read.masked:
        private = is_private_field(name, "") or is_private_field(new, "")
        why = "private by its name: never stored" if private else "you left it out"
        return FieldRow(name=name, stored=False, stored_as="", why=why)
    if read.left_out:
        why = "no contact field: stored once you allow all fields"
        return FieldRow(name=name, stored=False, stored_as="", why=why)
    if not read.fields:
        return FieldRow(name=name, stored=False, stored_as="", why="renamed to nothing")
    return FieldRow(name=name, stored=True, stored_as=new, why=_told(new, meaning))


_TYPED = {EMAIL: "ada@yourcompany.com", PHONE: "+49 30 901820"}


def _told(name: str, meaning: str) -> str:
    if meaning in CONTACT:
        return f"contact: {meaning.replace('_', ' ')}"
    asks = qualifying(name)
    return f"qualifies: {asks.replace('_', ' ')}" if asks else "an answer"
