"""One event as the projector sees it: interned ids turned into words, data read."""

from typing import Any

import msgspec

from server.model import Class, Consent, Door, Flag, Kind, Level

Key = tuple[int, int, bytes]


class Seen(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """`page` is the page key (path and what the site's rule keeps). `utm` is the campaign without
    its click id. `groups` are the page's groups. `visitor_id` 0 = nobody's browser."""

    seq: int
    at: int
    event_id: bytes
    kind: Kind
    visitor_id: int
    q: int = 0
    page: str = ""
    groups: tuple[str, ...] = ()
    source: str = ""
    medium: str = ""
    campaign: str = ""
    channel: str = ""
    external: bool = False
    referrer: str = ""
    utm: str = ""
    country: str = ""
    company: str = ""
    device: str = ""
    browser: str = ""
    os: str = ""
    language: str = ""
    page_view: bytes | None = None
    flags: int = 0
    consent: Consent = Consent.UNKNOWN
    level: Level = Level.CLAIMED
    door: Door = Door.COLLECT
    class_: Class = Class.HUMAN
    data: dict[str, Any] = {}

    @property
    def key(self) -> Key:
        """The order of all rules: (at, q, event id)."""
        return (self.at, self.q, self.event_id)

    @property
    def human(self) -> bool:
        """Robots, the owner's own machines and tests are in no figure."""
        return self.class_ is Class.HUMAN

    @property
    def withdraws(self) -> bool:
        """Whether consent ends with it, for a visitor that is known."""
        denied = self.kind is Kind.CONSENT and self.data.get("state") == "denied"
        return denied and self.visitor_id > 0

    @property
    def counts(self) -> bool:
        """Late and cookieless events are kept and count for nothing here."""
        return not self.flags & (Flag.LATE | Flag.COOKIELESS)
