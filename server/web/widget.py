"""The widget's file with a site's settings written into it: pure functions and a small cache.

Two builds of one source: the small one for a site with the default configuration, into which only
the key is written, the full one for everything else and for the plain `h.js`, which reads `data-*`
attributes of its tag. What only some sites want (`c.js`) the full one fetches under a name with a
hash of its text in it.
"""

import gzip
import json
import re
from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from hashlib import blake2b, sha256, sha384
from pathlib import Path
from typing import NamedTuple

import brotli

_BUILT = Path(__file__).parent.parent / "static" / "widget"
#: The end of a built file: the argument of the function round everything.
_PLACE = "({});\n"
#: All the small build knows; a value is a default, so it need not be written.
_DEFAULTS: dict[str, object] = {
    "consent": "on",
    "gpc": True,
    "count": False,
    "search": False,
    "hash": False,
    "manual": False,
    "frames": False,
    "exclude": (),
    "host": "",
    "forms": {},
    "links": False,
    "downloads": False,
    "marks": False,
    "containers": False,
    "addresses": False,
    "own": (),
    "handover": False,
    "tcf": False,
}


@dataclass(frozen=True)
class WidgetFile:
    """An answer: `encoding` is `br`, `gzip` or empty; `etag` is quoted, and one per encoding."""

    body: bytes
    encoding: str
    etag: str


def widget_body(config: Mapping[str, object]) -> bytes:
    """The script for one configuration; an empty one gives the plain `h.js`."""
    settings = _settings(config)
    small = settings.keys() == {"key"}
    text = _built("default.js" if small else "h.js")
    given = settings["key"] if small else settings
    written = json.dumps(given, separators=(",", ":"), ensure_ascii=False)
    return f"{text.removesuffix(_PLACE)}({written});\n".encode()


def widget_file(config: Mapping[str, object], accept_encoding: str) -> WidgetFile:
    """The script in the best encoding the browser takes: brotli 11, gzip 9, or none."""
    return _file(json.dumps(config, sort_keys=True), _encoding(accept_encoding))


def optional_file(accept_encoding: str) -> WidgetFile:
    """The optional part, which is the same for every site."""
    return _optional(_encoding(accept_encoding))


@cache
def optional_hash() -> str:
    """What the built widget calls the optional part by: 12 hexadecimal digits of its text."""
    return _short(_built("c.js").encode())


class Pinned(NamedTuple):
    """The plain file by a name that changes with its text; `integrity` is what a tag says of it."""

    name: str
    integrity: str


@cache
def pinned() -> Pinned:
    """Today's plain file."""
    text = widget_body({})
    digest = b64encode(sha384(text).digest()).decode()
    return Pinned(f"h.{_short(text)}.js", f"sha384-{digest}")


def pinned_file(digits: str, accept_encoding: str) -> WidgetFile | None:
    """The plain file that a tag was pinned to, today's or one of a release; None if unknown."""
    text = _pinned().get(digits)
    return _packed(text, _encoding(accept_encoding)) if text is not None else None


@cache
def _pinned() -> dict[str, bytes]:
    """By their hashes. Files of releases stay for ever: a page that is pinned must go on."""
    texts = [widget_body({}), *(file.read_bytes() for file in (_BUILT / "pinned").glob("h.*.js"))]
    return {_short(text): text for text in texts}


def _short(text: bytes) -> str:
    return sha256(text).hexdigest()[:12]


def types_text() -> str:
    """TypeScript's description of what a page may call."""
    return _built("handraise.d.ts")


@cache
def _optional(encoding: str) -> WidgetFile:
    return _packed(_built("c.js").encode(), encoding)


@lru_cache(maxsize=512)
def _file(config: str, encoding: str) -> WidgetFile:
    return _packed(widget_body(json.loads(config)), encoding)


def _packed(body: bytes, encoding: str) -> WidgetFile:
    if encoding == "br":
        body = brotli.compress(body, quality=11)
    elif encoding == "gzip":
        body = gzip.compress(body, 9, mtime=0)
    return WidgetFile(body, encoding, f'"{blake2b(body, digest_size=12).hexdigest()}"')


@cache
def _built(name: str) -> str:
    return (_BUILT / name).read_text("utf-8")


def _encoding(accepted: str) -> str:
    """`br` before `gzip`; `q=0` refuses one. `*` says nothing that a browser means."""
    offers = {}
    for offer in accepted.lower().split(","):
        name, _, weight = offer.partition(";")
        offers[name.strip()] = not re.fullmatch(r"q=0(\.0*)?", weight.replace(" ", ""))
    return next((name for name in ("br", "gzip") if offers.get(name)), "")


def _settings(config: Mapping[str, object]) -> dict[str, object]:
    """What is written into the file: no defaults; paths as a pattern, form rules as a selector."""
    settings = {
        name: value
        for name, value in config.items()
        if value is not None and value != _DEFAULTS.get(name)
    }
    exclude = _paths(settings.pop("exclude", ""))
    if exclude:
        settings["exclude"] = exclude
    forms = settings.pop("forms", None)
    selectors = _selectors(forms, "[data-hr-form]" if settings.get("containers") else "")
    private = "".join(f",{selector}" for selector in selectors)
    if private:
        settings["private"] = private
    if "gpc" in settings:
        settings["gpc"] = int(bool(settings["gpc"]))
    return settings


def _paths(given: object) -> str:
    """`/admin*, /cart` → a regular expression; `*` stands for anything, all else for itself."""
    items = given.split(",") if isinstance(given, str) else given
    if not isinstance(items, list | tuple):
        return ""
    paths = [str(item).strip() for item in items]
    found = "|".join(
        ".*".join(re.sub(r"[^\w/%~@ -]", r"\\\g<0>", part) for part in path.split("*"))
        for path in paths
        if path
    )
    return f"^(?:{found})$" if found else ""


def _selectors(forms: object, container: str) -> Iterator[str]:
    """CSS selectors of what the owner wants left alone: whole forms, or fields by their names.

    `container` selects what else the page has marked to be taken for a form, if that is wanted.
    """
    form = f":is(form,{container})" if container else "form"
    if not isinstance(forms, Mapping):
        return
    for key, rule in forms.items():
        names = ("id", "name", "data-hr-form") if container else ("id", "name")
        ways = [f"{form}[{name}={_text(key)}]" for name in names]
        if key == "form":  # the widget's key of a form without id and name
            named = f",{container}:not([data-hr-form=''])" if container else ""
            ways.append(f"{form}:not([id],[name]{named})")
        if rule.get("ignore"):
            yield from ways
        for field in rule.get("deny", ()):
            by = _text(field)
            yield f"[form={_text(key)}]:is([name={by}],[id={by}])"
            yield from (f"{way} :is([name={by}],[id={by}])" for way in ways)


def _text(value: object) -> str:
    """A CSS string. Unusual characters are escaped by their code point."""
    return '"' + re.sub(r"[^\w .:/-]", lambda found: f"\\{ord(found[0]):x} ", str(value)) + '"'
