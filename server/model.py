"""The words of the product as frozen types. Imports nothing of ours but the refusal reasons.

Times are integer milliseconds since 1970 UTC, points are integer milli-points, ids are 16 bytes on
the wire and small integers inside one site. Codes of the enums are stored: never renumber them.
"""

from enum import IntEnum, IntFlag
from typing import Any

import msgspec

DAY_MS = 86_400_000
#: Event ids that begin so are the program's own; ids of clients are moved out of their way.
RESERVED_IDS = b"\xff\xff"
SESSION_GAP_MS = 30 * 60_000


class Kind(IntEnum):
    """What an entry of the log is: events < 64, decisions 64–127, consequences ≥ 128."""

    ERASED = 0
    PAGE_VIEW = 1
    ENGAGEMENT = 2
    CLICK = 3
    DOWNLOAD = 4
    FORM_START = 5
    FORM_SUBMIT = 6
    FORM_CONFIRM = 7
    IDENTIFY = 8
    TRACK = 9
    CONSENT = 10
    EMAIL_OPEN = 11
    EMAIL_CLICK = 12
    # Decisions: what somebody decided.
    SITE_CREATED = 64
    SETTINGS = 65
    MERGE = 66
    SPLIT = 67
    VERIFY = 68
    RELEASE = 69
    CLASSIFY = 70
    SET_STAGE = 71
    TAG = 72
    NOTE = 73
    OWNER = 74
    DO_NOT_CONTACT = 75
    RULESET = 76
    FORM = 77
    ERASE = 78
    REFUSE = 79
    DISMISS = 80
    TRAIT = 81
    # Consequences: what the projector decided once.
    STAGE_MOVED = 128
    CROSSED = 129
    REARMED = 130
    RETRACTED = 131

    @property
    def word(self) -> str:
        """The name on the wire, in the API and on the timeline."""
        return self.name.lower()

    @property
    def is_event(self) -> bool:
        return 0 < self.value < 64


EVENT_KINDS: dict[str, Kind] = {kind.word: kind for kind in Kind if kind.is_event}
#: Events that happen on a page and therefore need its URL.
PAGE_KINDS = frozenset(
    {Kind.PAGE_VIEW, Kind.ENGAGEMENT, Kind.CLICK, Kind.DOWNLOAD, Kind.FORM_START}
)


class Class(IntEnum):
    """Only `human` reaches sessions, scores and rollups."""

    HUMAN = 0
    BOT = 1
    INTERNAL = 2
    TEST = 3
    SPAM = 4


class Door(IntEnum):
    """The way an event came in."""

    COLLECT = 0
    FORM = 1
    PIXEL = 2
    API = 3
    IMPORT = 4
    OPERATOR = 5
    MAIL = 6  # a link in a mail we sent, opened: its token named the address


class Consent(IntEnum):
    UNKNOWN = 0
    GRANTED = 1
    DENIED = 2


class Flag(IntFlag):
    """Bits of an entry. The low four come from the wire as they are."""

    NEW_VISITOR = 1
    WEBDRIVER = 2
    GPC = 4
    DNT = 8
    LATE = 16  # older than 7 days from a public key: on the timeline, never counted
    COOKIELESS = 32  # stored without a visitor: counts views, never visitors
    SUBMISSION_ONLY = 64  # the person and the form, no visitor and no history
    RESTORED = 128  # back from the browser's back/forward cache
    MUTE = 256  # counted, but notifies nobody (imports, old events)
    CUT = 512  # a value was shortened
    BAD_TOKEN = 1024  # came with an identify token that proved nothing: kept as unsigned


class Level(IntEnum):
    """How well an identifier or a link is known."""

    CLAIMED = 1
    ASSERTED = 2
    PROVEN = 3
    DECIDED = 4

    @property
    def word(self) -> str:
        return self.name.lower()


STAGES = (
    "other",
    "subscriber",
    "lead",
    "mql",
    "pql",
    "sql",
    "opportunity",
    "customer",
    "evangelist",
)
STAGE_RANK = {name: rank for rank, name in enumerate(STAGES)}


class Identifier(msgspec.Struct, frozen=True, order=True):
    """One normalised way to name a person: type is `email`, `user_id` or `phone`."""

    type: str
    value: str


class Event(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One event, parsed, corrected and enriched: whoever holds it need check nothing again.

    Text fields are interned per site when it is appended; `data` is compact JSON or empty.
    """

    event_id: bytes
    kind: Kind
    at: int
    received: int
    visitor: bytes | None = None
    tab: int | None = None
    q: int = 0
    url: str = ""
    title: str = ""
    referrer: str = ""
    agent: str = ""
    campaign: str = ""
    place: str = ""
    screen: str = ""
    page_view: bytes | None = None
    class_: Class = Class.HUMAN
    reason: str = ""
    door: Door = Door.COLLECT
    consent: Consent = Consent.UNKNOWN
    flags: int = 0
    data: str = ""


class Published(msgspec.Struct, frozen=True):
    """The ruleset a site scores by: the entry that says so and when (ms), and its document.

    Without a document it is the ruleset of a new site. `notify`: what it makes people cross is
    told, as anything else is.
    """

    version: int = 1
    document: str = ""
    seq: int = 0
    at: int = 0
    notify: bool = False


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """One tracked website.

    `keys` are public; `secrets` sign its identify tokens. The newest of each goes first, and the
    one before is as good.
    """

    site_id: int
    name: str
    keys: tuple[str, ...]
    settings: "SiteSettings"
    secrets: tuple[str, ...] = ()
    generation: int = 1
    published: Published = Published()

    def __repr__(self) -> str:
        """Without the secrets: whatever is shown ends up in a log."""
        return f"Site(site_id={self.site_id}, name={self.name!r}, keys={self.keys!r})"


class PageGroup(msgspec.Struct, frozen=True):
    """Pages by name: patterns with `*` at the end or in between, matched on the path."""

    name: str
    patterns: tuple[str, ...]


class Goal(msgspec.Struct, frozen=True):
    """An event worth counting: `event` is a kind, `pattern` narrows it, `value` is minor units."""

    name: str
    event: str
    pattern: str = ""
    value: int = 0


class PageKey(msgspec.Struct, frozen=True):
    """Which parts of a URL make two views the same page; applied at projection."""

    query: tuple[str, ...] = ()
    hash_routes: bool = False
    keep_case: bool = True
    keep_slash: bool = False


DEFAULT_PAGE_GROUPS = (
    PageGroup("pricing", ("/pricing*", "/plans*", "/prices*")),
    PageGroup("demo_or_contact", ("/demo*", "/contact*", "/book*")),
    PageGroup("careers", ("/careers*", "/jobs*")),
)


class FormRule(msgspec.Struct, frozen=True):
    """What a site owner decided about one form. Unknown forms keep contact fields only."""

    key: str
    purpose: str = "lead"  # lead, newsletter, search, login
    allow: bool = True
    kiosk: bool = False  # one device, many people: a submission is nobody's visit
    deny: tuple[str, ...] = ()
    rename: dict[str, str] = {}
    version: str = ""

    @property
    def ignored(self) -> bool:
        """Whether nothing of it is stored: the tag leaves it alone, and the server refuses it."""
        return not self.allow or self.purpose in {"search", "login"}


class SiteSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of one site that shape its data; every change is a decision in its log."""

    zone: str = "UTC"
    week_start: int = 1
    currency: str = "EUR"
    own_hosts: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    consent: str = "on"
    honour_gpc: bool = True
    count_refused: bool = False
    on_withdrawal: str = "cut"
    lookback_days: int = 90
    retention_days: int = 400
    bot_retention_days: int = 30
    page_key: PageKey = PageKey()
    page_groups: tuple[PageGroup, ...] = DEFAULT_PAGE_GROUPS
    goals: tuple[Goal, ...] = ()
    forms: tuple[FormRule, ...] = ()
    product_events: tuple[str, ...] = ()
    internal_visitors: tuple[str, ...] = ()
    blocked_agents: tuple[str, ...] = ()
    widget: dict[str, Any] = {}
    allow_automation: bool = False
    allow_localhost: bool = False
