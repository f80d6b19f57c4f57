"""A request and its events while they are read: what the steps of `pipeline.py` fill in."""

from typing import NamedTuple

import msgspec

from server.errors import Refusal
from server.ingest.agents import Agent, Agents
from server.ingest.geo import Geo
from server.ingest.payload import Envelope, WireEvent
from server.ingest.tombstones import Tombstones
from server.model import Class, Consent, Door, Kind, Site


class Arrival(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What the request itself tells. `address` is looked up and forgotten, never stored."""

    received: int
    door: Door = Door.COLLECT
    user_agent: str = ""
    origin: str = ""
    referer: str = ""
    address: str = ""
    gpc: bool = False
    own_page: bool = False  # our hosted form, known by its signed token
    secret: bool = False  # sent with a secret token: asserted, and trusted with old times


class Tools(NamedTuple):
    """What reading needs besides the request: caches and data sets."""

    agents: Agents
    geo: Geo
    tombstones: Tombstones = Tombstones()  # empty for good: it has no key


class Batch:
    """A request while it is read: what all its events share."""

    __slots__ = (
        "address",
        "agent",
        "agent_text",
        "arrival",
        "consent",
        "flags",
        "place",
        "refusal",
        "sent",
        "site",
        "tab",
        "tools",
        "visitor",
        "wire",
    )

    def __init__(self, site: Site, arrival: Arrival, wire: Envelope, tools: Tools) -> None:
        self.site = site
        self.arrival = arrival
        self.wire = wire
        self.tools = tools
        self.sent = 0
        self.visitor: bytes | None = None
        self.tab: int | None = None
        self.consent = Consent.UNKNOWN
        self.flags = 0
        self.agent: Agent | None = None
        self.agent_text = ""
        self.place = ""
        self.refusal: Refusal | None = None  # refuses every event of the batch


class Draft:
    """One event while it is read."""

    __slots__ = (
        "at",
        "batch",
        "campaign",
        "class_",
        "data",
        "event_id",
        "flags",
        "kind",
        "page_view",
        "reason",
        "referrer",
        "screen",
        "title",
        "url",
        "wire",
    )

    def __init__(self, batch: Batch, wire: WireEvent) -> None:
        self.batch = batch
        self.wire = wire
        self.flags = batch.flags
        self.kind = Kind.PAGE_VIEW
        self.event_id = b""
        self.at = 0
        self.url = self.campaign = self.referrer = self.title = self.screen = self.data = ""
        self.page_view: bytes | None = None
        self.class_ = Class.HUMAN
        self.reason = ""
