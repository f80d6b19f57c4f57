"""A request and its events while they are read: what the steps of `pipeline.py` fill in."""

from typing import NamedTuple

import msgspec

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


class Batch(msgspec.Struct, gc=False):
    """A request while it is read: what all its events share."""

    site: Site
    arrival: Arrival
    wire: Envelope
    tools: Tools
    sent: int = 0
    visitor: bytes | None = None
    tab: int | None = None
    consent: Consent = Consent.UNKNOWN
    flags: int = 0
    agent: Agent | None = None
    agent_text: str = ""
    place: str = ""


class Draft(msgspec.Struct, gc=False):
    """One event while it is read; `flags` begin as those of its batch."""

    batch: Batch
    wire: WireEvent
    flags: int
    kind: Kind = Kind.PAGE_VIEW
    event_id: bytes = b""
    at: int = 0
    url: str = ""
    local: bool = False  # the page is on the reader's own machine
    campaign: str = ""
    referrer: str = ""
    title: str = ""
    screen: str = ""
    data: str = ""
    page_view: bytes | None = None
    bare: bool = False  # nothing of who it was is stored
    class_: Class = Class.HUMAN
    reason: str = ""
