"""What the administration routes take and answer beside the reports' shapes."""

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from server.model import FormRule, Goal, PageGroup, PageKey, SiteSettings
from server.reports.shapes import Next, Shape, Time

Name = Annotated[str, Meta(min_length=1, max_length=200, pattern="[^\\s]")]
Origin = Annotated[
    str, Meta(max_length=300, pattern="^https?://[^/\\s]+/?$", examples=["https://example.com"])
]
Word = Annotated[str, Meta(max_length=300)]


class Body(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The base of all bodies: an unknown field is an error."""


class NewSite(Body, frozen=True, kw_only=True):
    """A site to track. `origins` are the pages that may send; none means any."""

    name: Name
    origins: Annotated[list[Origin], Meta(max_length=100)] = []


class SiteRow(Shape, frozen=True, kw_only=True):
    """A site, with the tag to paste into its pages."""

    id: Annotated[str, Meta(examples=["1"])]
    name: str
    key: Annotated[str, Meta(description="Public: it names the site and proves nothing.")]
    snippet: str


class Sites(Shape, frozen=True, kw_only=True):
    """The sites this caller may see."""

    items: list[SiteRow]
    next: Next = None


class SiteDetail(SiteRow, frozen=True, kw_only=True):
    """A site with its settings. `key_before` is as good as `key` until the next rotation."""

    key_before: str | None
    settings: SiteSettings


class WidgetOptions(Body, frozen=True, kw_only=True):
    """How the widget behaves on this site's pages; see the widget's page in the docs. What is left
    out stays as it is."""

    search: bool | UnsetType = UNSET
    hash: bool | UnsetType = UNSET
    manual: bool | UnsetType = UNSET
    frames: bool | UnsetType = UNSET
    exclude: Annotated[tuple[Word, ...], Meta(max_length=200)] | UnsetType = UNSET
    links: (
        Annotated[bool, Meta(description="Record clicks on links to other sites.")] | UnsetType
    ) = UNSET
    downloads: Annotated[bool, Meta(description="Record clicks on links to files.")] | UnsetType = (
        UNSET
    )
    marks: (
        Annotated[bool, Meta(description="Record clicks in what has `data-hr-event`.")] | UnsetType
    ) = UNSET
    containers: (
        Annotated[bool, Meta(description="Take what has `data-hr-form` for a form.")] | UnsetType
    ) = UNSET
    addresses: (
        Annotated[
            bool, Meta(description="With `links`: keep the address of mailto: and tel: links.")
        ]
        | UnsetType
    ) = UNSET
    handover: (
        Annotated[bool, Meta(description="Links to the site's own hosts take the visitor along.")]
        | UnsetType
    ) = UNSET
    tcf: (
        Annotated[
            bool, Meta(description="Ask the page's consent manager (IAB TCF 2) for purpose 1.")
        ]
        | UnsetType
    ) = UNSET


class SettingsChange(Body, frozen=True, kw_only=True):
    """The settings to change; what is left out stays. Every change is kept in the site's log."""

    zone: Annotated[str, Meta(max_length=64, examples=["Europe/Berlin"])] | UnsetType = UNSET
    week_start: Annotated[int, Meta(ge=1, le=7)] | UnsetType = UNSET
    currency: Annotated[str, Meta(pattern="^[A-Z]{3}$")] | UnsetType = UNSET
    own_hosts: Annotated[tuple[Word, ...], Meta(max_length=200)] | UnsetType = UNSET
    origins: Annotated[tuple[Origin, ...], Meta(max_length=100)] | UnsetType = UNSET
    consent: Literal["on", "ask", "off"] | UnsetType = UNSET
    honour_gpc: bool | UnsetType = UNSET
    count_refused: bool | UnsetType = UNSET
    on_withdrawal: Literal["cut", "erase"] | UnsetType = UNSET
    lookback_days: Annotated[int, Meta(ge=0, le=3_650)] | UnsetType = UNSET
    retention_days: Annotated[int, Meta(ge=1, le=36_500)] | UnsetType = UNSET
    bot_retention_days: Annotated[int, Meta(ge=1, le=36_500)] | UnsetType = UNSET
    page_key: PageKey | UnsetType = UNSET
    page_groups: Annotated[tuple[PageGroup, ...], Meta(max_length=100)] | UnsetType = UNSET
    goals: Annotated[tuple[Goal, ...], Meta(max_length=100)] | UnsetType = UNSET
    forms: Annotated[tuple[FormRule, ...], Meta(max_length=200)] | UnsetType = UNSET
    product_events: Annotated[tuple[Word, ...], Meta(max_length=100)] | UnsetType = UNSET
    internal_visitors: Annotated[tuple[Word, ...], Meta(max_length=200)] | UnsetType = UNSET
    blocked_agents: Annotated[tuple[Word, ...], Meta(max_length=200)] | UnsetType = UNSET
    widget: WidgetOptions | UnsetType = UNSET
    allow_automation: bool | UnsetType = UNSET
    allow_localhost: bool | UnsetType = UNSET


class NewToken(Body, frozen=True, kw_only=True):
    """A token for this site. Scopes nest: admin may write, write may read."""

    scope: Literal["read", "write", "admin"] = "read"
    name: Annotated[str, Meta(max_length=200, description="What it is for.")] = ""


class MadeToken(Shape, frozen=True, kw_only=True):
    """The token, shown this once."""

    token: Annotated[str, Meta(examples=["hr_…"])]
    id: Annotated[str, Meta(pattern="^t[1-9][0-9]*$", examples=["t3"])]
    scope: str
    name: str


class TokenRow(Shape, frozen=True, kw_only=True):
    """A token as lists show it: never the token itself."""

    id: str
    prefix: str
    scope: str
    name: str
    author: str
    created_at: Time
    used_at: Annotated[Time | None, Meta(description="Its last use, to the hour.")]
    revoked_at: Time | None


class Tokens(Shape, frozen=True, kw_only=True):
    """The tokens of a site, the newest first."""

    items: list[TokenRow]
    next: Next = None


class IdentifySecret(Shape, frozen=True, kw_only=True):
    """What signs identify tokens: a secret between the site's own server and this one."""

    secret: str
    before: Annotated[str | None, Meta(description="Good until the next rotation.")]


class Link(Shape, frozen=True, kw_only=True):
    """A link that signs in whoever opens it first; good for a day."""

    link: str


class Dropped(Shape, frozen=True, kw_only=True):
    """An event that was not taken, and why."""

    id: str
    reason: str


class EventsAnswer(Shape, frozen=True, kw_only=True):
    """What became of the events of a request."""

    accepted: int
    duplicates: int
    dropped: list[Dropped]


class RuleProblem(Shape, frozen=True, kw_only=True):
    """Something wrong with a ruleset. `pointer` is a JSON pointer (RFC 6901) into the document,
    `rule` the key of the rule it is in, or empty."""

    pointer: Annotated[str, Meta(examples=["/rules/3/points"])]
    rule: str
    detail: str


class Problem(Shape, frozen=True, kw_only=True):
    """RFC 9457: `code` is for machines, `detail` is a sentence for people."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    merged_into: str | UnsetType = UNSET
    errors: list[RuleProblem] | UnsetType = UNSET
