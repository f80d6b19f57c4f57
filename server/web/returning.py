"""Who comes back without their id: by a cookie that mirrors it, or by a mark from another domain.

The browser's script holds the visitor id. Where `/e` is on the page's own origin an `HttpOnly`
cookie mirrors it, and gives it back when the script's own storage is lost. Both only where the
visitor may be remembered, and only to a browser whose script says that its id is brand-new.
"""

import re
from collections.abc import Mapping

import msgspec

from server.ingest.consent import FULL, WORDS, verdict
from server.ingest.payload import Envelope, read_id
from server.model import Consent, Flag, Kind, Site
from server.web.arrivals import host_of
from server.web.marks import MARKED, Marks

#: What `recognise` looks at, besides what the pipeline does.
HEADERS = ("cookie", "sec-fetch-site")
MAX_AGE_S = 395 * 86_400
NEW, GPC = int(Flag.NEW_VISITOR), int(Flag.GPC)


class Return(msgspec.Struct, frozen=True, gc=False):
    """`visitor`: who the script should be from now on, or empty. `cookie`: a header's value."""

    visitor: str = ""
    cookie: bytes = b""


NOBODY = Return()


def recognise(
    site: Site | None, wire: Envelope, headers: Mapping[str, str], marks: Marks, now: int
) -> Return:
    """Put the known id in the place of a brand-new one, in `wire` itself.

    A browser says `same-origin` of its own requests alone: no page can, so none can ask for the
    cookie of another. `now` is in ms.
    """
    near = headers.get("sec-fetch-site") == "same-origin"
    if site is None or not (near or marks):
        return NOBODY
    name = f"hr{site.site_id}"
    cookie = _cookie(headers.get("cookie", ""), name) if near else ""
    refused = _refuses(wire)
    if refused or not _may_keep(site, wire, headers):
        # Of a refusal always: a request before it may be about to set one.
        ends = near and (cookie or refused)
        return Return(cookie=_header(name, "", 0, headers)) if ends else NOBODY
    brand_new = wire.v
    if brand_new is None or read_id(brand_new) is None:
        return NOBODY
    known = marks.follow(site.site_id, brand_new, now)
    if not known and (wire.f or 0) & NEW:
        known = cookie or _handed_over(site.site_id, wire, marks, now)
    if known:
        marks.give_up(site.site_id, brand_new, known, now)
        wire.v, wire.f = known, (wire.f or 0) & ~NEW
    kept = known or brand_new
    return Return(known, _header(name, kept, MAX_AGE_S, headers) if near else b"")


def _refuses(wire: Envelope) -> bool:
    """A refusal itself comes with the id that it ends, and still without the word."""
    said = (bytes(one.d) for one in wire.e if one.y == "consent")
    return wire.c == "denied" or any(b'"denied"' in data for data in said)


def _may_keep(site: Site, wire: Envelope, headers: Mapping[str, str]) -> bool:
    settings = site.settings
    flags = (wire.f or 0) | (GPC if headers.get("sec-gpc") == "1" else 0)
    consent = WORDS.get(wire.c or "unknown", Consent.UNKNOWN)
    said = verdict(settings.consent, consent, flags, settings.honour_gpc, Kind.PAGE_VIEW)
    return said == FULL


def _cookie(text: str, name: str) -> str:
    """The visitor id in a `Cookie` header, if it is one."""
    found = re.search(rf"(?:^|;\s*){name}=([\w-]{{22}})(?:;|$)", text, re.A)
    return found[1] if found and read_id(found[1]) else ""


def _header(name: str, value: str, age_s: int, headers: Mapping[str, str]) -> bytes:
    secure = "; Secure" if headers.get("origin", "").startswith("https:") else ""
    text = f"{name}={value}; Path=/; Max-Age={age_s}; HttpOnly; SameSite=Lax{secure}"
    return text.encode("ascii")


def _handed_over(site_id: int, wire: Envelope, marks: Marks, now: int) -> str:
    """The visitor whom a page view's address has the mark of.

    By the page's own word about where it was come from, not by the request's `Referer`, which is
    that page itself.
    """
    for event in wire.e:
        found = MARKED.search(event.u or "")
        if found and event.y == "page_view":
            return marks.redeem(site_id, found[1], wire.v or "", host_of(event.r or ""), now)
    return ""
