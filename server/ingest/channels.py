"""Where a visit came from: source, medium, campaign and channel.

Channels are GA4's default channel group, first match wins (identity-and-scoring 9.1), with
`AI Assistant` right before Referral: its place in GA4's own order is not published, and any later
it could never match, because an assistant's link is a referral too.

Sources and mediums are lower case: `Google` and `google`
are one source.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import msgspec

from server.ingest.private import vocabulary
from server.ingest.referrers import known_source, source_of
from server.ingest.urls import MAX_CACHED, host_of

DIRECT = ("(direct)", "(none)")
NOT_SET = "(not set)"
AI_MEDIUM = "ai-assistant"


class Touch(NamedTuple):
    """How a visitor arrived. `external`: a page of somebody else linked here."""

    source: str
    medium: str
    campaign: str
    channel: str
    external: bool


class _Click(msgspec.Struct, frozen=True):
    name: str = ""


class _Campaign(msgspec.Struct, frozen=True):
    source: str = ""
    medium: str = ""
    campaign: str = ""
    click: _Click = _Click()


_NO_CAMPAIGN = _Campaign()
_read_campaign = msgspec.json.Decoder(_Campaign).decode

#: What GA4 calls the medium of a referrer of this kind; everything else is a referral.
_MEDIUMS = {"search": "organic", "email": "email", "ai": AI_MEDIUM, "paid": "display"}
#: Source and medium that a click id stands for when no parameter says more.
_CLICKS = {
    "gclid": ("google", "cpc"),
    "gbraid": ("google", "cpc"),
    "wbraid": ("google", "cpc"),
    "msclkid": ("bing", "cpc"),
    "yclid": ("yandex", "cpc"),
    "dclid": ("doubleclick", "display"),
    "ttclid": ("tiktok", "paid_social"),
    "twclid": ("twitter", "paid_social"),
    "li_fat_id": ("linkedin", "paid_social"),
    "rdt_cid": ("reddit", "paid_social"),
    "epik": ("pinterest", "paid_social"),
    "sccid": ("snapchat", "paid_social"),
    "irclickid": ("impact", "affiliate"),
    "awc": ("awin", "affiliate"),
    "cjevent": ("cj", "affiliate"),
    "ranmid": ("rakuten", "affiliate"),
    "mc_cid": ("mailchimp", "email"),
    "mc_eid": ("mailchimp", "email"),
    "mkt_tok": ("marketo", "email"),
}
#: No proof of payment: they say where a link was shared, and only when nothing else does.
_UNPAID_CLICKS = {
    "fbclid": ("facebook", "referral"),
    "igshid": ("instagram", "referral"),
    "srsltid": ("google", "organic"),
}
_PAID = re.compile(r"(?:.*cp.*|ppc|retargeting|paid.*)", re.S)
_SHOP = re.compile(r"(?:[^a-df-z]|^)shop|shopping")


class _Facts(NamedTuple):
    source: str
    medium: str
    campaign: str
    kind: str
    paid: bool
    shop: bool


_DISPLAY = vocabulary("display banner expandable interstitial cpm")
_SOCIAL = frozenset(
    {"social", "social-network", "social-media", "sm", "social network", "social media"}
)
_EMAIL = frozenset({"email", "e-mail", "e_mail", "e mail"})

_CHANNELS: tuple[tuple[str, Callable[[_Facts], bool]], ...] = (
    ("Direct", lambda of: of.source == DIRECT[0] and of.medium in (DIRECT[1], NOT_SET)),
    ("Cross-network", lambda of: "cross-network" in of.campaign),
    ("Paid Shopping", lambda of: of.paid and (of.shop or of.kind == "shopping")),
    ("Paid Search", lambda of: of.paid and of.kind == "search"),
    ("Paid Social", lambda of: of.paid and of.kind == "social"),
    ("Paid Video", lambda of: of.paid and of.kind == "video"),
    ("Display", lambda of: of.medium in _DISPLAY),
    ("Paid Other", lambda of: of.paid),
    ("Organic Shopping", lambda of: of.shop or of.kind == "shopping"),
    ("Organic Social", lambda of: of.kind == "social" or of.medium in _SOCIAL),
    ("Organic Video", lambda of: of.kind == "video" or "video" in of.medium),
    ("Organic Search", lambda of: of.kind == "search" or of.medium == "organic"),
    ("AI Assistant", lambda of: of.kind == "ai" or of.medium == AI_MEDIUM),
    ("Referral", lambda of: of.medium in ("referral", "app", "link")),
    ("Email", lambda of: of.source in _EMAIL or of.medium in _EMAIL),
    ("Affiliates", lambda of: of.medium == "affiliate"),
    ("Audio", lambda of: of.medium == "audio"),
    ("SMS", lambda of: "sms" in (of.source, of.medium)),
    (
        "Mobile Push Notifications",
        lambda of: (
            of.medium.endswith("push")
            or "mobile" in of.medium
            or "notification" in of.medium
            or of.source == "firebase"
        ),
    ),
)


def touch_of(url_host: str, referrer: str, campaign: str, own_hosts: tuple[str, ...]) -> Touch:
    """How a view arrived, from its stored host, referrer and campaign.

    A referrer is our own if it is the page's host (with or without `www.`) or a listed host
    (`*.x.example` lists every host below it). Parameters go before a paid click id, that before
    the referrer, and that before a click id that proves nothing.
    """
    short = len(referrer) + len(campaign) <= MAX_CACHED
    return (_touch_of if short else _touch_of.__wrapped__)(url_host, referrer, campaign, own_hosts)


@lru_cache(maxsize=4_096)
def _touch_of(url_host: str, referrer: str, campaign: str, own_hosts: tuple[str, ...]) -> Touch:
    marks = _marks(campaign)
    host = host_of(referrer)
    external = bool(host) and not is_own(host, url_host, own_hosts)
    source, medium, kind = _origin(marks, host, referrer, external)
    name = marks.campaign.lower()
    facts = _Facts(
        source,
        medium,
        name,
        kind,
        paid=_PAID.fullmatch(medium) is not None,
        shop=_SHOP.search(name) is not None,
    )
    channel = next((channel for channel, holds in _CHANNELS if holds(facts)), "Unassigned")
    return Touch(source, medium, marks.campaign, channel, external)


def _marks(campaign: str) -> _Campaign:
    try:
        return _read_campaign(campaign) if campaign else _NO_CAMPAIGN
    except (msgspec.MsgspecError, ValueError):
        return _NO_CAMPAIGN


def is_own(host: str, url_host: str, own_hosts: tuple[str, ...]) -> bool:
    """Whether a host is the page's own or one of the site's; `*.` stands for all below a name."""
    bare = host.removeprefix("www.")
    if bare == url_host.removeprefix("www."):
        return True
    return any(
        host.endswith(own[1:]) if own.startswith("*.") else bare == own.removeprefix("www.")
        for own in own_hosts
    )


def _origin(marks: _Campaign, host: str, referrer: str, external: bool) -> tuple[str, str, str]:
    """Source, medium and kind of the source."""
    paid = _CLICKS.get(marks.click.name)
    if marks.source or marks.medium:
        said = marks.source.lower() or (paid[0] if paid else NOT_SET)
        known = known_source(said)
        source = known.name if known and "." in said else said
        medium = marks.medium.lower() or (paid[1] if paid else "")
        kind = known.kind if known else ""
        return source, medium or (AI_MEDIUM if kind == "ai" else NOT_SET), kind
    if paid is None and external:
        linked = source_of(host, referrer)
        return linked.name, _MEDIUMS.get(linked.kind, "referral"), linked.kind
    source, medium = paid or _UNPAID_CLICKS.get(marks.click.name, DIRECT)
    known_click = known_source(source)
    return source, medium, known_click.kind if known_click else ""
