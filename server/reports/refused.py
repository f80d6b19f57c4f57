"""What was refused or set aside: every reason with its count, its meaning and a few samples."""

from typing import Any

import msgspec

from server.errors import Refusal
from server.model import Class, Site
from server.reports.shapes import Next, Shape, Time, iso
from server.storage import refusals
from server.storage.database import Reader

HOUR_MS = 3_600_000
SHOWN_SAMPLES = 10
CLASSIFIED = "class_"

MEANINGS: dict[str, str] = {
    Refusal.UNPARSABLE: "not of the documented shape",
    Refusal.UNKNOWN_TYPE: "an event type that does not exist",
    Refusal.BAD_ID: "an event or visitor id that is not 22 characters of base64url",
    Refusal.BAD_URL: "a page event without a web address",
    Refusal.TOO_BIG: "one event over 32 kB",
    Refusal.TOO_MANY: "more events in one batch than allowed",
    Refusal.TOO_OLD: "older than this site keeps events",
    Refusal.ORIGIN: "sent from a page that is not on this site's list of origins",
    Refusal.CONSENT: "the visitor said no",
    Refusal.GPC: "the visitor's browser asks not to be tracked",
    Refusal.ASK: "consent was not given yet, and this site waits for it",
    Refusal.NO_VISITOR: "a full event without a visitor id",
    Refusal.RESERVED: "an identifier that would join strangers, such as `null`",
    Refusal.FORM: "of a form that you want left alone; the tag of `h.js` cannot know",
    Refusal.HONEYPOT: "a form field that no person sees was filled in",
    Refusal.TOO_FAST: "a form sent back before a person could have read it",
    Refusal.TOKEN: "a form token that is forged or expired",
    Refusal.BAD_TOKEN: "a signed identify token that is forged, expired or of another site;"
    " identifiers beside it counted as unsigned",
    Refusal.RATE: "over this site's own limit",
    Refusal.UNSTORABLE: "the database refused this one event",
    f"{CLASSIFIED}{Class.BOT.name.lower()}": "sent by a robot; kept in the log, out of the figures",
    f"{CLASSIFIED}{Class.INTERNAL.name.lower()}": "from your own machine; kept, out of the figures",
    f"{CLASSIFIED}{Class.TEST.name.lower()}": "a test; kept in the log, out of the figures",
    f"{CLASSIFIED}{Class.SPAM.name.lower()}": "spam; kept in the log, out of the figures",
}
#: That somebody was erased is never told.
_UNTOLD = {Refusal.TOMBSTONE.value}


class RefusedSample(Shape, frozen=True, kw_only=True):
    """One refused event, without anything personal."""

    at: Time
    sample: dict[str, Any]


class RefusedRow(Shape, frozen=True, kw_only=True):
    """A reason, how often, and what it means. `stored` is true for events that were kept in the log
    but out of the figures (`class_bot`, …)."""

    reason: str
    meaning: str
    stored: bool
    count: int
    last: Time
    samples: list[RefusedSample]


class Refused(Shape, frozen=True, kw_only=True):
    """What was refused or set aside, the most frequent reason first."""

    items: list[RefusedRow]
    next: Next = None


async def refused(reader: Reader, site: Site, since: int) -> Refused:
    """Every reason since a moment (ms, to the full hour), the most frequent first. The last is as
    exact as the newest sample; without one it is the beginning of its hour."""
    found = await refusals.by_reason(reader, site.site_id, since // HOUR_MS)
    items = []
    for reason, count, hour in found:
        if reason in _UNTOLD:
            continue
        samples = await refusals.samples(reader, site.site_id, reason)
        items.append(
            RefusedRow(
                reason=reason,
                meaning=MEANINGS.get(reason, ""),
                stored=reason.startswith(CLASSIFIED),
                count=int(count),
                last=iso(max([hour * HOUR_MS, *(at for at, _ in samples[:1])])),
                samples=[
                    RefusedSample(at=iso(at), sample=msgspec.json.decode(text))
                    for at, text in samples[:SHOWN_SAMPLES]
                ],
            )
        )
    return Refused(items=items)
