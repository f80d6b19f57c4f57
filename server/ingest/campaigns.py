"""Which parameters of an address are tracking, and what they say about where a visit came from.

The result is compact JSON with sorted keys: `source`, `medium`, `campaign`, `term`, `content` and
`id` from `utm_*` (or Matomo's `mtm_*` and `pk_*`), and `click` with `name`, `class`, `value`.
"""

from urllib.parse import unquote_plus

import msgspec

from server.ingest.private import UNSEEN, names_someone, vocabulary

MAX_CAMPAIGN_TEXT = 200  # characters
MAX_CLICK_ID = 100  # characters

_CAMPAIGN = {
    f"{prefix}_{name}": key
    for prefix in ("utm", "mtm", "pk")
    for name, key in (
        ("source", "source"), ("medium", "medium"), ("campaign", "campaign"), ("term", "term"),
        ("kwd", "term"), ("keyword", "term"), ("content", "content"), ("id", "id"), ("cid", "id"),
    )
}  # fmt: skip
#: Click ids by class, identity-and-scoring 9.2. `unpaid` proves no payment.
CLICK_IDS = {
    name: class_
    for class_, names in (
        ("paid_search", "gclid gbraid wbraid msclkid yclid"),
        ("display", "dclid"),
        ("paid_social", "ttclid twclid li_fat_id rdt_cid epik sccid"),
        ("affiliate", "irclickid awc cjevent ranmid"),
        ("email", "mc_cid mc_eid mkt_tok"),
        ("unpaid", "fbclid igshid srsltid"),
    )
    for name in names.split()
}
#: Click ids that name the recipient of a mail: the name is kept, the value is not.
_PERSONAL_CLICKS = frozenset({"mc_eid", "mkt_tok"})
_TRACKING = vocabulary(
    "_ga _gl _gac gclsrc gad_source gad_campaignid igsh _hsenc _hsmi __hstc __hssc __hsfp "
    "hsctatracking vero_id vero_conv oly_enc_id oly_anon_id _openstat wickedid ymclid _ke "
    "_kx s_cid mkwid pcrid ef_id s_kwcid ttp _branch_match_id guce_referrer "
    "guce_referrer_sig"
)
_TRACKING_STARTS = ("utm_", "mtm_", "pk_", "piwik_", "matomo_", "_hr", "hsa_", "_bta_")


def is_tracking(name: str) -> bool:
    """Whether a parameter (lower case) is there to follow a visitor and never names a page."""
    return name in CLICK_IDS or name in _TRACKING or name.startswith(_TRACKING_STARTS)


def campaign_of(tracked: dict[str, str]) -> str:
    """The campaign of an address's tracking parameters, still escaped, by lower-case name."""
    found: dict[str, str | dict[str, str]] = {}
    clicks = [name for name in tracked if name in CLICK_IDS and tracked[name]]
    for name, key in _CAMPAIGN.items():
        text = _readable(tracked[name])[:MAX_CAMPAIGN_TEXT] if name in tracked else ""
        if text and not names_someone(text):
            found.setdefault(key, text)
    if clicks:  # one that proves something goes before one that any shared link carries
        name = min(clicks, key=lambda name: CLICK_IDS[name] == "unpaid")
        click = {"class": CLICK_IDS[name], "name": name}
        value = _readable(tracked[name])[:MAX_CLICK_ID]
        if name not in _PERSONAL_CLICKS and not names_someone(value):
            click["value"] = value
        found["click"] = click
    return msgspec.json.encode(found, order="sorted").decode() if found else ""


def _readable(value: str) -> str:
    return UNSEEN.sub("", unquote_plus(value)).strip()
