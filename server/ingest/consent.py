"""The consent table: what may be stored of an event, by the site's mode and the visitor's word.

| mode / consent | granted | unknown    | unknown + GPC or DNT | denied               |
| `on`           | full    | full       | refused, forms stay  | refused, forms stay  |
| `ask`          | full    | cookieless | refused, forms stay  | refused, forms stay  |
| `off`          | full    | refused    | refused, forms stay  | refused, forms stay  |

"Forms stay": a submission is kept for itself, without the visitor and without any history. A site
that counts what it refuses (`count_refused`) stores a refused page view for itself, too: no
visitor, no tab, no device and no place, a view and nobody's.
"""

from server.errors import Refusal
from server.model import Consent, Flag, Kind

FULL = 0
#: What a visitor says about consent is kept whatever it is: it is the record of the choice.
ALWAYS = frozenset({Kind.CONSENT})
SUBMISSIONS = frozenset({Kind.FORM_SUBMIT})
#: What is left of a page view that is refused, where the site counts them.
COUNTED = Flag.COOKIELESS | Flag.SUBMISSION_ONLY

WORDS = {"granted": Consent.GRANTED, "denied": Consent.DENIED, "unknown": Consent.UNKNOWN}


def verdict(
    mode: str,
    consent: Consent,
    flags: int,
    honour_gpc: bool,
    kind: Kind,
    count_refused: bool = False,
) -> int | Refusal:
    """Flags to add to the event (0, COOKIELESS, SUBMISSION_ONLY or COUNTED), or why it is
    refused."""
    if consent is Consent.GRANTED or kind in ALWAYS:
        return FULL
    reason = _objection(mode, consent, flags, honour_gpc)
    if reason is None:
        return Flag.COOKIELESS if mode == "ask" else FULL
    if count_refused and kind is Kind.PAGE_VIEW:
        return COUNTED
    return Flag.SUBMISSION_ONLY if kind in SUBMISSIONS else reason


def _objection(mode: str, consent: Consent, flags: int, honour_gpc: bool) -> Refusal | None:
    if consent is Consent.DENIED:
        return Refusal.CONSENT
    if honour_gpc and flags & (Flag.GPC | Flag.DNT):
        return Refusal.GPC
    return Refusal.ASK if mode == "off" else None
