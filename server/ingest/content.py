"""The `d` of an event, by type: read into a closed shape, bounded, and written back compactly.

What leaves here is the only data a later step ever sees of an event, so secrets, over-long values
and reserved identifiers end at this door.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import msgspec

from server.errors import Refusal
from server.ingest import limits
from server.ingest.emails import is_reserved, normalise_email, normalise_phone, normalise_user_id
from server.ingest.fields import FormData, listed, read_form, read_traits
from server.ingest.payload import TooComplex, decode_data, tidy
from server.ingest.private import is_secret_name, mask_cards
from server.ingest.signed import read_token
from server.ingest.urls import read_url
from server.model import Flag, FormRule, Kind, Site

_encode = msgspec.json.Encoder(order="deterministic").encode
_MAX_CACHED = 256  # longer data is read each time: a hostile sender cannot fill the memory


class Content(msgspec.Struct, frozen=True, gc=False):
    """`screen` is interned (it repeats), `data` is kept with the event, `flags` are added."""

    screen: str = ""
    data: str = ""
    flags: int = 0


def read_content(kind: Kind, raw: bytes, site: Site, now: int) -> Content | Refusal:
    """Read the data of one event. `now` is when it came in, UTC ms."""
    if kind is Kind.PAGE_VIEW and len(raw) <= _MAX_CACHED:
        return _read_screen(raw)
    data = _data(raw)
    if isinstance(data, Refusal):
        return data
    reader = _READERS.get(kind)
    return reader(data, site, now) if reader else Content()


def _data(raw: bytes) -> dict[str, Any] | Refusal:
    try:
        return decode_data(raw)
    except TooComplex:
        return Refusal.TOO_BIG
    except ValueError:
        return Refusal.UNPARSABLE


@lru_cache(maxsize=4_096)
def _read_screen(raw: bytes) -> Content | Refusal:
    """Page views of one kind of browser say the same."""
    data = _data(raw)
    return data if isinstance(data, Refusal) else _screen(data)


def _json(value: dict[str, Any]) -> str:
    """Compact and key-sorted, empty values left out: equal data is equal text."""
    kept = {key: item for key, item in value.items() if item not in (None, "", [], {}, ())}
    return _encode(kept).decode() if kept else ""


def _text(value: Any, limit: int = limits.NAME) -> str:
    return tidy(value, limit) if isinstance(value, str) else ""


def _number(value: Any, most: int) -> int:
    """A whole number between 0 and `most`; anything else is 0."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return 0
    return int(min(max(value, 0), most))


def _page_view(data: dict[str, Any], site: Site, now: int) -> Content:
    del site, now
    return _screen(data)


def _screen(data: dict[str, Any]) -> Content:
    screen = _json(
        {
            "w": _number(data.get("w"), 100_000) or None,
            "sc": _text(data.get("sc"), 8),
            "l": _text(data.get("l"), 35),
            "z": _text(data.get("z"), 64),
        }
    )
    return Content(screen=screen, flags=Flag.RESTORED if data.get("b") else 0)


def _engagement(data: dict[str, Any], site: Site, now: int) -> Content:
    del site, now
    shape = {
        "ms": _number(data.get("ms"), limits.ENGAGED_MS),
        "scroll": _number(data.get("scroll"), 100),
    }
    return Content(data=_encode(shape).decode())


def _form_start(data: dict[str, Any], site: Site, now: int) -> Content | Refusal:
    """Names alone: of the fields that may be read, and as `name:type` of those that never are."""
    del now
    key = _text(data.get("form"))
    if _left_alone(site, key):
        return Refusal.FORM
    shape = {
        "form": key,
        "fields": _texts(data.get("fields"))[: limits.FORM_START_FIELDS],
        "unread": [one for one in _texts(data.get("unread")) if one[:1] != ":"][
            : limits.FORM_START_FIELDS
        ],
    }
    return Content(data=_json(shape))


def form_rule(site: Site, key: str) -> FormRule | None:
    """What the owner decided about a form; None for a form not registered."""
    return next((rule for rule in site.settings.forms if rule.key == key), None)


def _left_alone(site: Site, key: str) -> bool:
    rule = form_rule(site, key)
    return rule is not None and rule.ignored


def _texts(value: object) -> list[str]:
    """A list of short texts, also where a page has made text of it."""
    found = listed(value)
    items = found if isinstance(found, list) else []
    return [_text(one, 100) for one in items if isinstance(one, str)]


def _form_submit(data: dict[str, Any], site: Site, now: int) -> Content | Refusal:
    del now
    key = _text(data.get("form"))
    if _left_alone(site, key):
        return Refusal.FORM
    fields, kinds = data.get("fields"), data.get("kinds")
    read = read_form(
        key,
        fields if isinstance(fields, dict) else {},
        kinds if isinstance(kinds, dict) else {},
        form_rule(site, key),
    )
    consent = data.get("consent")
    shape = {
        "form": key,
        "fields": read.fields,
        "attempt": 1 if data.get("attempt") else None,
        "consent": _consent_proof(consent) if isinstance(consent, dict) else None,
        "fv": _text(data.get("fv"), 40),
        "ids": _form_identifiers(read),
        "traits": _form_traits(read),
        "masked": list(read.masked),
    }
    return Content(data=_json(shape), flags=Flag.CUT if read.cut or data.get("cut") else 0)


def _form_identifiers(read: FormData) -> dict[str, str]:
    """Identifiers that are no junk: a form's bad address is kept as a field, never as an id."""
    found = {
        "email": normalise_email(read.email) if read.email else None,
        "phone": normalise_phone(read.phone) if read.phone else None,
    }
    return {name: value for name, value in found.items() if value and not is_reserved(value)}


def _form_traits(read: FormData) -> dict[str, str]:
    name = read.name or " ".join(part for part in (read.first_name, read.last_name) if part)
    traits = {
        "email": read.email,
        "name": name,
        "first_name": read.first_name,
        "last_name": read.last_name,
        "phone": read.phone,
        "company": read.company,
        "title": read.title,
    }
    return {key: value for key, value in traits.items() if value} | read.qualifying


def _consent_proof(consent: dict[str, Any]) -> dict[str, Any]:
    """What the person agreed to: hash of the text, its version, the boxes ticked."""
    return {
        "text": _text(consent.get("text"), 128),
        "version": _text(consent.get("version"), 40),
        "ticked": _texts(consent.get("ticked"))[:20],
    }


def _form_confirm(data: dict[str, Any], site: Site, now: int) -> Content:
    del site, now
    return Content(data=_json({"of": _text(data.get("of"), 22)}))


def _click(data: dict[str, Any], site: Site, now: int) -> Content:
    """Where a link led; of mailto: and tel: the address only if the owner wants it."""
    del now
    href = _text(data.get("href"), limits.URL)
    page = read_url(href)
    scheme = href.partition(":")[0].lower()
    text = _text(data.get("text"))
    direct = ""
    if scheme in {"mailto", "tel"}:
        whole = site.settings.widget.get("addresses")
        direct, text = (href.partition("?")[0], text) if whole else (f"{scheme}:", "")
    shape = {
        "href": page.url if page else direct,
        "text": text,
        "name": _text(data.get("name")),
    }
    return Content(data=_json(shape))


def _track(data: dict[str, Any], site: Site, now: int) -> Content | Refusal:
    del site, now
    name = _text(data.get("name"))
    if not name:
        return Refusal.UNPARSABLE
    props = data.get("props")
    return Content(
        data=_json({"name": name, "props": _safe(props) if isinstance(props, dict) else {}})
    )


def _safe(value: Any) -> Any:
    """Properties without secrets by name, at every depth, and with card numbers masked."""
    if isinstance(value, dict):
        return {key: _safe(item) for key, item in value.items() if not is_secret_name(key)}
    if isinstance(value, list):
        return [_safe(item) for item in value]
    return mask_cards(value) if isinstance(value, str) else value


def _identify(data: dict[str, Any], site: Site, now: int) -> Content | Refusal:
    """Who the visitor is: proven by a token of the site's own server, or only what the page says.

    What a token names goes before plain values of the same types. A bad token proves nothing, and
    what the page says beside it counts as if there were none. No token is ever stored.
    """
    token, traits = data.get("token"), data.get("traits")
    signed = {} if token in (None, "") else read_token(token, site, now)
    bad, signed = signed is None, signed or {}
    proven = _identifiers(signed)
    plain = _identifiers({kind: data.get(kind) for kind in _IDENTIFIERS if kind not in signed})
    if proven is None or plain is None:
        return Refusal.RESERVED
    shape = {
        "ids": plain | proven,
        "proven": sorted(proven),
        "traits": read_traits(traits) if isinstance(traits, dict) else {},
    }
    if not any(shape.values()):
        return Refusal.BAD_TOKEN if bad else Refusal.UNPARSABLE
    return Content(data=_json(shape), flags=Flag.BAD_TOKEN if bad else 0)


def _identifiers(given: dict[str, Any]) -> dict[str, str] | None:
    """Identifiers as they are compared, by type; None if one is no identifier at all.

    Reserved words (`null`, `undefined`…) and things that are no text would join strangers.
    """
    found: dict[str, str] = {}
    for kind, value in given.items():
        if value in (None, ""):
            continue
        whole = int(value) if isinstance(value, float) and value.is_integer() else value
        if isinstance(whole, bool) or not isinstance(whole, str | int):
            return None
        known = None if is_reserved(str(whole)) else _IDENTIFIERS[kind](str(whole))
        if known is None:
            return None
        found[kind] = known
    return found


def _consent(data: dict[str, Any], site: Site, now: int) -> Content | Refusal:
    del site, now
    state = _text(data.get("state"), 16)
    if state not in {"granted", "denied"}:
        return Refusal.UNPARSABLE
    shape = {
        "state": state,
        "text": _text(data.get("text"), 128),
        "version": _text(data.get("version"), 40),
    }
    return Content(data=_json(shape))


def _email(data: dict[str, Any], site: Site, now: int) -> Content:
    """Mail events: which message, whether a person moved the pointer, what network it was."""
    del site, now
    shape = {
        "message": _text(data.get("message"), 64),
        "gesture": 1 if data.get("gesture") else None,
        "network": _text(data.get("network"), 16),
        "email": normalise_email(_text(data.get("email"), 320)) or "",
    }
    return Content(data=_json(shape))


_IDENTIFIERS: dict[str, Callable[[str], str | None]] = {
    "email": normalise_email,
    "user_id": normalise_user_id,
    "phone": normalise_phone,
}

_READERS: dict[Kind, Callable[[dict[str, Any], Site, int], Content | Refusal]] = {
    Kind.PAGE_VIEW: _page_view,
    Kind.ENGAGEMENT: _engagement,
    Kind.FORM_START: _form_start,
    Kind.FORM_SUBMIT: _form_submit,
    Kind.FORM_CONFIRM: _form_confirm,
    Kind.CLICK: _click,
    Kind.DOWNLOAD: _click,
    Kind.TRACK: _track,
    Kind.IDENTIFY: _identify,
    Kind.CONSENT: _consent,
    Kind.EMAIL_OPEN: _email,
    Kind.EMAIL_CLICK: _email,
}
