"""What `threats_bodies_sql` sends: every text of every body that the program takes.

The operations and forms are those of the running program, and their bodies are made of their own
types: what must be there, then each other text beside it. What a handler reads itself is written
here by hand; a new operation of that kind breaks this until it is written as well.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any
from urllib.parse import urlencode

from msgspec import inspect
from starlette.routing import Route

from server.web.operations import Endpoint
from server.web.pages import settings_change
from server.web.pages.scoring_rule_fields import fields_of
from server.web.pages.table import PAGES, PageRoute
from tests.faults.threats_probes import in_path
from tests.office import Office

SITE = "/api/v1/sites/1"
JSON, FORM = "application/json", "application/x-www-form-urlencoded"
TEXT = "harmless"
#: What a text has in place of these: the number of the request, an id made of it, the revision of a
#: draft that is put there before, and somebody whose turn it is.
NUMBER, ID, DRAFT, PERSON, VISITOR = "§", "§id", "§draft", "§person", "§visitor"
#: Beside `SQL`: what a database may not take as a text. Only a 5xx and slowness are faults here.
ODD = ("\x00", "a\x00b", "\ud800", "\udcff'", "9" * 400, "x" * 7_000, "İ̇" * 200, "")
#: What is read here is read elsewhere, too: each third value only.
THIRD = 3
FEWER = frozenset({
    f"{SITE}/events", f"{SITE}/forms/preview", "/settings/forms", "/settings/forms/preview",
    "/settings", "/scoring/rule", "/scoring/bounds",
})  # fmt: skip
#: What can be done once only, or not to what is there.
ONCE = ("/merge", "/split", "/erase", "/dismiss", "/enable", "/replay", "/sign-in")
Way = tuple[Any, ...]  # to a text in a body: names and numbers; a last None is the name itself


@dataclass(frozen=True)
class Target:
    """A text in a body that the program takes."""

    method: str
    url: str
    body: Any
    way: Way
    media: str = JSON

    @property
    def text(self) -> str:
        """What stands there."""
        inner = self.body
        for step in self.way:
            inner = TEXT if step is None else inner[step]
        return str(inner)

    @property
    def is_taken(self) -> bool:
        """Whether the body is one that can be taken, here and more than once."""
        mailed = self.way[0] == "to" and "destinations" in self.url
        return not (mailed or self.url.endswith(ONCE))

    def filled(self, tokens: dict[str, str], value: str | None = None) -> bytes:
        """The body, with a value in that place."""
        body = with_tokens(self.body, tokens)
        if value is not None:
            *before, last = self.way
            inner = body
            for step in before[:-1] if last is None else before:
                inner = inner[step]
            if last is None:
                inner[value] = inner.pop(before[-1])
            else:
                inner[last] = value
        if self.media == FORM:
            return urlencode(body, doseq=True, errors="surrogatepass").encode()
        return json.dumps(body).encode()


def with_tokens(value: Any, tokens: dict[str, str]) -> Any:
    """A copy with what stands for something else replaced by it."""
    if isinstance(value, str):
        return re.sub("§[a-z]*[0-9]?", lambda m: tokens[m[0]], value)
    if isinstance(value, list):
        return [with_tokens(one, tokens) for one in value]
    if isinstance(value, dict):
        return {name: with_tokens(one, tokens) for name, one in value.items()}
    return value


def shaped(sample: str, value: str) -> list[str]:
    """A value as it is, and in the shape of what stands there."""
    found = [value]
    if "@" in sample:
        found.append(f"{''.join(value.split())}@brew.example")
    elif sample.startswith("https://"):
        found.append(f"{sample}/{value}")
    elif TEXT in sample and sample != TEXT:
        found.append(sample.replace(TEXT, json.dumps(value)[1:-1]))
    return found


# ---------------------------------------------------------------- what is sent

EVENT = {"t": 1_793_448_000_000, "u": "https://acme.example/harmless", "n": TEXT,
         "r": "https://search.example/", "p": ID}  # fmt: skip
FIELDS = {TEXT: TEXT, "email": "form§@brew.example", "company": TEXT}
SAID: dict[str, Any] = {
    "page_view": {"l": "en", "z": "Europe/Berlin"},
    "form_start": {"form": "demo", "field": TEXT},
    "form_submit": {
        "form": "demo",
        "fields": FIELDS,
        "consent": {"text": TEXT, "version": TEXT, "ticked": [TEXT]},
    },
    "click": {"href": "https://brew.example/", "text": TEXT, "name": TEXT},
    "identify": {"email": "said§@brew.example", "user_id": "u§", "token": "", "traits": FIELDS},
    "track": {"name": TEXT, "props": {TEXT: TEXT, "list": [TEXT]}},
    "consent": {"state": "granted", "text": TEXT, "version": TEXT},
}
BATCH = {
    "k": "k1", "v": f"{ID}9", "s": "abcdefghijk", "c": TEXT, "b": TEXT, "t": EVENT["t"],
    "e": [EVENT | {"i": f"{ID}{n}", "y": y, "d": d} for n, (y, d) in enumerate(SAID.items())],
}  # fmt: skip
WHERE = {"field": "plan", "op": "equals", "value": TEXT}
TRIAL = {"type": "event", "kinds": ["track"], "name": TEXT, "sources": [TEXT], "where": [WHERE]}
ASKED = {"field": "title", "op": "in", "value": [TEXT]}
RULES: dict[str, Any] = {
    "name": TEXT,
    "rules": [
        {"key": "trial", "label": TEXT, "points": 5, "group": "some", "when": TRIAL},
        {"key": "title", "label": TEXT, "points": 5, "axis": "fit",
         "when": {"type": "property", **ASKED}},
    ],
    "groups": [{"key": "some", "label": TEXT, "cap": 20}],
    "thresholds": [{"key": "mql", "stage": "mql", "points": 50}],
}  # fmt: skip
FREE: dict[str, list[Any]] = {
    "setTraits": [{TEXT: TEXT, "budget": "50k"}],
    "saveRulesDraft": [RULES, {"preset": "seed"}],
    "checkRules": [RULES, {"preset": "seed"}],
    "postEvents": [BATCH],
}
#: Forms that their handlers read themselves.
RAW: dict[str, dict[str, Any]] = {
    "/scoring/rule": {"do": "save", "was": "", "revision": DRAFT}
    | fields_of(RULES["rules"][0] | {"key": "new"}),
    "/scoring/bounds": {"name": TEXT, "revision": DRAFT, "engagement_cap": "99"}
    | {f"threshold0_{name}": str(value) for name, value in RULES["thresholds"][0].items()}
    | {f"group0_{name}": str(value) for name, value in RULES["groups"][0].items()},
}
#: Texts that a field takes, by the type and the field, or the field alone.
GIVEN: dict[str, Any] = {
    "name": "New §",
    "email": "new§@brew.example",
    "url": "https://crm.example.com/§",
    "revision": DRAFT,
    "draft": DRAFT,
    "zone": "Europe/Berlin",
    "stage": "lead",
    "class": "human",
    "role": "viewer",
    "since": "2026-01-01T00:00:00",
    "at": "2026-01-01T00:00:00Z",
    "what": VISITOR,
    "people": [PERSON],
    "segment": "g1",
    "thresholds": ["mql"],
    "kinds": ["crossed"],
    "stages": ["lead"],
    "kind": "webhook",
    "which": "chosen",
    "origins": ["https://acme.example"],
    "BulkBody.filter": {"tag": [TEXT]},
    "BulkForm.filter": '{"tag": ["harmless"]}',
    "BulkForm.everybody": "",
    "SegmentForm.filter": '{"tag": ["harmless"]}',
    "PeopleFilter.trait": ["budget:harmless"],
    "ReplayForm.event": "",
    "TraitForm.name": "budget",
    "DestinationForm.to": "",
    "NewDestination.to": ["olga@acme.example"],
    "BulkForm.back": '{"q": ["harmless"]}',
    "BulkForm.do": "owner",
    "FormBody.key": "second",
    "FormForm.key": "second",
    "Goal.event": "page_view",
    "FormRule.purpose": "lead",
    "StartForm.start": "seed",
    "BackForm.person": "",
    "DocumentForm.document": json.dumps(RULES),
    "NewUser.role": "member",
    "UserForm.do": "member",
    "ContactForm.on": "1",
    "KnownForm.value": "known§@brew.example",
    "Known.value": "known§@brew.example",
    "GroupsForm.goal_event": ["page_view"],
    "GroupsForm.goal_value": ["5"],
}
#: What a body lacks without a field that its type does not ask for; of two of these another field
#: takes the place of it.
NEEDED = {
    "BulkBody.people",
    "ReplayBody.since",
    "NewDestination.url",
    "TagThem.add",
    "PeopleFilter.tag",
}
INSTEAD = {"BulkBody", "ReplayBody"}
#: What a field is read with only.
BESIDE = {
    "NewDestination.to": {"kind": "mail", "url": ""},
    "/destinations to": {"kind": "mail", "to": "olga@acme.example"},
    "/people/bulk filter": {"everybody": "1"},
}


def variants(kind: inspect.Type, *names: str) -> list[Any]:
    """Values of a type that fit it; the first has nothing in it that may be left out."""
    for name in names:
        if name in GIVEN:
            return [GIVEN[name]]
    match kind:
        case inspect.Metadata():
            found = variants(kind.type)
        case inspect.ListType() | inspect.VarTupleType():
            found = [[one] for one in variants(kind.item_type)]
        case inspect.DictType():
            found = [{TEXT: one} for one in variants(kind.value_type)]
        case inspect.UnionType():
            found = [one for part in kind.types for one in variants(part)]
        case inspect.StructType():
            found = bodies(kind)
        case _:
            found = plain(kind)
    return found


def plain(kind: inspect.Type) -> list[Any]:
    """The same of a type without parts."""
    match kind:
        case inspect.LiteralType():
            return list(kind.values[:1])
        case inspect.StrType():
            return [TEXT[: kind.max_length]]
        case inspect.IntType():
            return [int(kind.ge or 1)]
        case inspect.BoolType():
            return [True]
    return []


def fitting(kind: inspect.StructType) -> dict[str, list[Any]]:
    """Values that fit each field."""
    own, names = kind.cls.__name__, [(one.encode_name, one.type) for one in kind.fields]
    return {name: variants(fits, f"{own}.{name}", name) for name, fits in names}


def bodies(kind: inspect.StructType) -> list[dict[str, Any]]:
    """What must be there, then each other text beside it."""
    own, fits = kind.cls.__name__, fitting(kind)
    tag = {kind.tag_field: kind.tag} if kind.tag_field else {}
    bare = tag | {one.encode_name: fits[one.encode_name][0] for one in kind.fields if one.required}
    least = bare | {name: fits[name][0] for name in fits if f"{own}.{name}" in NEEDED}
    found = [least]
    for name, values in fits.items():
        base = bare if own in INSTEAD and name not in bare else least
        base = base | BESIDE.get(f"{own}.{name}", {})
        found += [base | {name: value} for value in values if any(texts(value))]
    return found


def texts(value: Any, way: Way = ()) -> Iterator[Way]:
    """The way to every text in a value, and to every free name."""
    if isinstance(value, str):
        yield way
    elif isinstance(value, list):
        for number, one in enumerate(value):
            yield from texts(one, (*way, number))
    elif isinstance(value, dict):
        for name, one in value.items():
            yield from texts(one, (*way, name))
            if name == TEXT:
                yield (*way, name, None)


def of_api(office: Office, ids: dict[str, str]) -> Iterator[Target]:
    """Every text of every body of the API."""
    app = office.app.asgi.app.app  # type: ignore[attr-defined]
    for route in app.routes:
        endpoint = route.app if isinstance(route, Route) else None
        for method, one in endpoint.by_method.items() if isinstance(endpoint, Endpoint) else ():
            if one.body is None and not one.free_body:
                continue
            kind = inspect.type_info(one.body) if one.body else None
            made = bodies(kind) if isinstance(kind, inspect.StructType) else FREE[one.name]
            seen: set[Way] = set()
            for body in made:
                new = [way for way in texts(body) if way not in seen]
                seen.update(new)
                for way in new:
                    yield Target(method, in_path(route.path, ids), body, way)


def of_pages(office: Office, ids: dict[str, str]) -> Iterator[Target]:
    """Every field of every form of the pages."""
    for page in PAGES:
        body = form_of(page, office) if page.method == "POST" else {}
        for name, value in body.items():
            way = (name, 0) if isinstance(value, list) else (name,)
            read = body | BESIDE.get(f"{page.path} {name}", {})
            yield Target("POST", in_path(page.path, ids), read, way, FORM)


def form_of(page: PageRoute, office: Office) -> dict[str, Any]:
    """A form with all its fields filled, found by the type that its handler names."""
    if page.path in RAW:
        return {name: value for name, value in RAW[page.path].items() if value != []}
    handler: Any = page.handler
    scope, names = handler.__globals__, handler.__code__.co_names
    places = [scope, *(vars(scope[one]) for one in names if isinstance(scope.get(one), ModuleType))]
    shapes = [all_[one] for all_ in places for one in names if one in all_ and one.endswith("Form")]
    if not shapes:
        return {}  # one button
    if shapes[0] is settings_change.SiteForm:
        return settings_change.form_of(office.world.site) | {"sure": ""}
    kind = inspect.type_info(shapes[0])
    assert isinstance(kind, inspect.StructType)
    found = {name: values[0] for name, values in fitting(kind).items()}
    return {name: one if isinstance(one, list) else str(one) for name, one in found.items()}


def targets(office: Office, ids: dict[str, str]) -> list[Target]:
    """Every text of every body. Merges come first, while nobody is called as a probe; what changes
    the site's settings comes late, for then they are others; then sites, for every page names them
    all; then signing in, for its time passes."""
    doors = [Target("POST", "/e", BATCH, way) for way in texts(BATCH)]
    sent = FIELDS | {"_hr_page": "/harmless"}
    doors += [Target("POST", "/f/k1/demo", sent, way, FORM) for way in texts(sent)]
    last = Target("POST", "/sign-in", {"email": TEXT, "password": TEXT}, ("email",), FORM)
    rest = [*of_pages(office, ids), *of_api(office, ids)]
    late = (f"{SITE}/settings", "/api/v1/sites")
    rest.sort(key=lambda one: late.index(one.url) + 1 if one.url in late else 0)
    first = [one for one in rest if one.url.endswith("/merge")]
    return [*first, *doors, *(one for one in rest if one not in first), last]
