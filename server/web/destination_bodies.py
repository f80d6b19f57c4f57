"""What the routes of destinations take and answer."""

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from server.reports import paging
from server.reports.people_filters import Stage
from server.reports.shapes import EntryId, Next, Shape, Time
from server.web.bodies import Body
from server.web.queries import Cursor, Limit

Kind = Literal["webhook", "mail"]
Told = Literal["crossed", "stage_moved", "rearmed", "retracted"]
State = Literal["waiting", "delivered", "dead", "dropped"]
Url = Annotated[
    str,
    Meta(
        max_length=2_000,
        description="Where a webhook goes: https, port 443 or 8443, a public address.",
        examples=["https://crm.example.com/hooks/handraise"],
    ),
]
Addresses = Annotated[
    tuple[Annotated[str, Meta(max_length=254)], ...],
    Meta(max_length=10, description="Whom a mail goes to.", examples=[["olga@acme.example"]]),
]
DestinationName = Annotated[str, Meta(max_length=100, description="Shown in lists and in mails.")]
DestinationId = Annotated[str, Meta(pattern="^d[1-9][0-9]*$", examples=["d3"])]


class WantsBody(Body, frozen=True, kw_only=True):
    """What is told. `stages` are those that a move leads to; `thresholds` are keys of the ruleset,
    null is every one that notifies. A retraction is told where the consequence was told."""

    kinds: Annotated[tuple[Told, ...], Meta(min_length=1, max_length=4)] = (
        "crossed",
        "stage_moved",
        "retracted",
    )
    stages: Annotated[tuple[Stage, ...], Meta(max_length=9)] = ("mql", "pql", "sql", "customer")
    thresholds: (
        Annotated[tuple[Annotated[str, Meta(max_length=64)], ...], Meta(max_length=50)] | None
    ) = None


class NewDestination(Body, frozen=True, kw_only=True):
    """A webhook with a `url`, or a mail with addresses in `to`. It is told what is decided from now
    on; what was decided before is told by a replay."""

    kind: Kind
    name: DestinationName = ""
    url: Url = ""
    to: Addresses = ()
    wants: WantsBody = WantsBody()


class DestinationChange(Body, frozen=True, kw_only=True):
    """What to change; what is left out stays. The kind stays what it is."""

    name: DestinationName | UnsetType = UNSET
    url: Url | UnsetType = UNSET
    to: Addresses | UnsetType = UNSET
    wants: WantsBody | UnsetType = UNSET


class EnableBody(Body, frozen=True, kw_only=True):
    """Whether to tell what was decided meanwhile, and what waits; else it begins at the head."""

    catch_up: bool = True


class ReplayBody(Body, frozen=True, kw_only=True):
    """Exactly one of the two: `event` is one delivery, `since` all from an entry (`e91`) or an ISO
    8601 time on. Message ids stay the same, so a receiver that keeps them notices."""

    event: Annotated[str, Meta(max_length=20, examples=["e91"])] | UnsetType = UNSET
    since: Annotated[str, Meta(max_length=64, examples=["2026-11-01T00:00:00Z"])] | UnsetType = (
        UNSET
    )


class DeliveriesQuery(msgspec.Struct, frozen=True, kw_only=True):
    state: State | UnsetType = UNSET
    limit: Limit = paging.DEFAULT
    cursor: Cursor = ""


class DeliveryCounts(Shape, frozen=True, kw_only=True):
    """How many deliveries are in each state. Dead ones were given up, dropped ones have nothing to
    tell any more."""

    waiting: int
    delivered: int
    dead: int
    dropped: int


class DestinationRow(Shape, frozen=True, kw_only=True):
    """A destination, without its secret."""

    id: DestinationId
    kind: Kind
    name: str
    url: str
    to: tuple[str, ...]
    wants: WantsBody
    enabled: bool
    reason: Annotated[str, Meta(description="Why it is disabled.")]
    created_at: Time
    cursor: Annotated[int, Meta(description="Everything up to this entry was told once.")]
    deliveries: DeliveryCounts


class Destinations(Shape, frozen=True, kw_only=True):
    """The destinations of a site, the oldest first."""

    items: list[DestinationRow]
    next: Next = None


class MadeDestination(DestinationRow, frozen=True, kw_only=True):
    """A new destination. The secret that signs its webhooks is shown this once; null for a mail."""

    secret: Annotated[str | None, Meta(examples=["whsec_…"])]


class DestinationSecret(Shape, frozen=True, kw_only=True):
    """What signs webhooks. While the one before is good, each message has a signature of both."""

    secret: str
    before: str | None
    before_until: Time | None


class TestOutcome(Shape, frozen=True, kw_only=True):
    """What came of a test. `status` is that of HTTP or SMTP, 0 where none came."""

    __test__ = False  # no test for pytest to collect

    ok: bool
    words: str
    status: int
    answer: Annotated[str, Meta(description="Its first 200 bytes, if it failed; never stored.")]


class TryRow(Shape, frozen=True, kw_only=True):
    """One attempt, how long it took, and the status that came; 0 is none."""

    at: Time
    status: int
    ms: int


class DeliveryRow(Shape, frozen=True, kw_only=True):
    """What became of telling one consequence. `event` is its entry in the log. `words` say what
    came of the last attempt: the status, and nothing that the receiver wrote, which may be
    personal."""

    event: EntryId
    state: State
    attempts: int
    next_at: Time | None
    words: str
    tries: list[TryRow]


class Deliveries(Shape, frozen=True, kw_only=True):
    """One page of deliveries, the newest consequence first."""

    items: list[DeliveryRow]
    next: Next


class Replayed(Shape, frozen=True, kw_only=True):
    """From which entry on a destination is told again."""

    since: EntryId
