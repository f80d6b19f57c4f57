"""The address of a page: what of it is stored, and which views of it are views of the same page.

An address loses its userinfo, its tracking parameters (they become the campaign), its secrets and
its fragment before it is stored (widget item 32, trust T26). Every function is pure, never raises
on any text, and takes time linear in it.
"""

import ipaddress
import re
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import quote, unquote_plus

from server.ingest.campaigns import campaign_of, is_tracking
from server.ingest.private import UNSEEN, has_private_pair, is_private_text, without_secrets
from server.model import PageGroup, PageKey

MAX_URL = 2_048  # characters stored
_MAX_READ = 8_192  # characters looked at
MAX_CACHED = 768  # longer addresses are read each time: a hostile sender cannot fill the memory

_SHAPE = re.compile(r"(https?)://([^/\\?#]*)([^?#]*)(?:\?([^#]*))?(?:#(.*))?", re.I | re.S)
_ANDROID = re.compile(r"android-app://([a-z][\w.]{0,200})(?:/|$)", re.I | re.A)
_NAME = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*")
_PLAIN = re.compile(r"[!#-;=?-\[\]-_a-{}~|]*")
_ESCAPE = re.compile(r"%[0-9a-fA-F]{2}")
_SAFE = "/%:@!$&'()*+,;=~|[]{}?-._"


class Page(NamedTuple):
    """An address as it is stored. `campaign` is compact JSON with sorted keys, or empty."""

    url: str
    host: str
    path: str
    campaign: str
    local: bool = False  # on the reader's own machine


def read_url(raw: str) -> Page | None:
    """The page at an address, or None if it is not an http(s) address with a valid host."""
    return _read_cached(raw) if len(raw) <= MAX_CACHED else _read(raw)


def _read(raw: str) -> Page | None:
    shape = _shape(raw)
    if shape is None:
        return None
    origin, host, path, query, route = shape
    kept, tracked = _sift(query)
    url = _fit(origin + path, kept)
    if route.startswith(("/", "!/")) and not has_private_pair(route.partition("?")[0]):
        way, _, way_query = route.partition("?")
        way_kept, way_tracked = _sift(way_query)
        tracked = way_tracked | tracked
        tail = _fit("#" + without_secrets(way), way_kept)
        url = url + tail if len(url) + len(tail) <= MAX_URL else url
    return Page(url, host, path, campaign_of(tracked) if tracked else "", is_local(host))


_read_cached = lru_cache(maxsize=8_192)(_read)


@lru_cache(maxsize=4_096)
def _read_short_referrer(raw: str) -> str:
    app = _ANDROID.match(raw.strip())
    if app is not None:
        return f"android-app://{app[1].lower()}"
    shape = _shape(raw)
    return (shape[0] + shape[2])[:MAX_URL] if shape is not None else ""


def read_referrer(raw: str) -> str:
    """Where a visitor came from: origin and path, `android-app://package`, or empty.

    A query of another site is not ours to keep, and one of our own was stored with its own view.
    """
    if len(raw) <= MAX_CACHED:
        return _read_short_referrer(raw) if raw else ""
    return _read_short_referrer.__wrapped__(raw)


def _shape(raw: str) -> tuple[str, str, str, str, str] | None:
    """Origin, host, safe path, raw query and raw fragment of an http(s) address."""
    text = UNSEEN.sub("", raw[:_MAX_READ]).strip()
    if len(raw) > _MAX_READ:  # what was cut in two is left out whole
        text = text[: max(text.rfind(mark) for mark in "/?&#") + 1]
    match = _SHAPE.fullmatch(text)
    place = _host(match[2]) if match else None
    if match is None or place is None:
        return None
    host, port = place
    scheme = match[1].lower()
    if port in ("", {"http": "80", "https": "443"}[scheme]):
        origin = f"{scheme}://{host}"
    else:
        origin = f"{scheme}://{host}:{port}"
    path = without_secrets(_escaped(match[3].replace("\\", "/"))) or "/"
    return origin, host, _cut(path, MAX_URL - len(origin)), match[4] or "", _escaped(match[5] or "")


def _host(authority: str) -> tuple[str, str] | None:
    """Host in lower case and ASCII (IDNA), and port; None if either is not valid."""
    name = authority.rpartition("@")[2].lower()
    if name.startswith("["):
        name, bracket, rest = name.partition("]")
        try:
            address = ipaddress.IPv6Address(name[1:])
        except ValueError:
            return None
        port = rest.removeprefix(":")
        valid = bracket and rest[:1] in ("", ":") and "%" not in name
        return (f"[{address.compressed}]", port) if valid and _is_port(port) else None
    name, _, port = name.partition(":")
    name = name.removesuffix(".")
    if not name.isascii():
        name = _to_ascii(name)
    if len(name) > 253 or not _NAME.fullmatch(name) or not _is_port(port):
        return None
    return name, port


def _is_port(text: str) -> bool:
    return not text or (text.isascii() and text.isdigit() and len(text) <= 5 and int(text) < 65_536)


def _to_ascii(name: str) -> str:
    import idna  # 10 ms to import, and few hosts need it

    try:
        return idna.encode(name[:254], uts46=True).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        return ""


def _escaped(text: str) -> str:
    if not _PLAIN.fullmatch(text):
        text = quote(text, safe=_SAFE)
    return _ESCAPE.sub(lambda match: match[0].upper(), text) if "%" in text else text


def _cut(text: str, limit: int) -> str:
    """At most `limit` characters, with no percent escape cut in two."""
    return text if len(text) <= limit else re.sub(r"%[0-9A-F]?$", "", text[:limit])


def _fit(start: str, pairs: list[str]) -> str:
    """`start?pairs`, with as many whole pairs as fit into a stored address."""
    url, mark = start[:MAX_URL], "?"
    for pair in pairs:
        if len(url) + 1 + len(pair) > MAX_URL:
            break
        url, mark = f"{url}{mark}{pair}", "&"
    return url


def _sift(query: str) -> tuple[list[str], dict[str, str]]:
    """The pairs to keep as they are, and the tracking parameters by name, first value first."""
    kept: list[str] = []
    tracked: dict[str, str] = {}
    for pair in _escaped(query).split("&") if query else ():
        name, _, value = pair.partition("=")
        key = unquote_plus(name).strip().lower()
        if is_tracking(key):
            tracked.setdefault(key, value)
        elif pair and not is_private_text(pair):
            kept.append(pair)
    return kept, tracked


def host_of(url: str) -> str:
    """The host of a stored address or referrer; empty if it has none."""
    authority = url.partition("://")[2].partition("/")[0].partition("?")[0].partition("#")[0]
    if authority.startswith("["):
        return authority.partition("]")[0] + "]"
    return authority.partition(":")[0]


@lru_cache(maxsize=1_024)
def is_local(host: str) -> bool:
    """Whether a host is the reader's own machine or local network name (`*.local`)."""
    host = host.strip("[]").lower().removesuffix(".")
    if host in ("localhost", "::1", "0.0.0.0", "::") or host.endswith((".localhost", ".local")):  # noqa: S104
        return True
    return host.startswith("127.") and host.replace(".", "").isdigit()


def page_key(url: str, rule: PageKey) -> str:
    """What two views of the same page have in common: path, kept parameters, hash route."""
    shape = _SHAPE.fullmatch(url)
    if shape is None:
        return ""
    key = _folded(shape[3] or "/", rule)
    pairs = (shape[4] or "").split("&") if rule.query else ()
    kept = [
        pair
        for name in sorted(rule.query)
        for pair in pairs
        if unquote_plus(pair.partition("=")[0]) == name
    ]
    if kept:
        key = f"{key}?{'&'.join(kept)}"
    if rule.hash_routes and shape[5]:
        key = f"{key}#{_folded(shape[5].partition('?')[0], rule)}"
    return key


def _folded(path: str, rule: PageKey) -> str:
    path = path if rule.keep_case else path.lower()
    return path if rule.keep_slash else path.rstrip("/") or "/"


def groups_of(path: str, groups: tuple[PageGroup, ...]) -> tuple[str, ...]:
    """The names of the page groups a path belongs to, in the order of the groups.

    `*` stands for any text, slashes too; letters match in either case, and `/contact` also means
    `/contact/`. Time is linear in the path for each piece of a pattern: no backtracking (T32).
    """
    return (_groups_of if len(path) <= MAX_CACHED else _groups_of.__wrapped__)(path, groups)


@lru_cache(maxsize=8_192)
def _groups_of(path: str, groups: tuple[PageGroup, ...]) -> tuple[str, ...]:
    path = path.lower()
    return tuple(
        group.name
        for group in groups
        if any(_matches(path, pattern.lower()) for pattern in group.patterns)
    )


def _matches(path: str, pattern: str) -> bool:
    first, *rest = pattern.split("*")
    if not rest:
        return path == first or path.rstrip("/") == first.rstrip("/")
    *middle, last = rest
    if not path.startswith(first):
        return False
    at = len(first)
    for piece in middle:
        at = path.find(piece, at)
        if at < 0:
            return False
        at += len(piece)
    return len(path) - at >= len(last) and path.endswith(last)
