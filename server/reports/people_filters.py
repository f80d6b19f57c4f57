"""What people can be filtered by: one table, from which queries, segments, bulk actions, files and
the sentence "in because …" are made.

A filter is asked in the form people write: points, days, words. `choices` checks that and gives
each filter that is asked with the value its condition compares; a condition is SQL about `s`, the
row of `subjects`, and `p`, that of `persons`.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from server.errors import BadRequest
from server.reports import filter_conditions as sql
from server.reports import filter_values as values
from server.reports import filter_words as words
from server.reports.filter_conditions import Ask
from server.reports.filter_values import Frame
from server.reports.filter_words import Labels
from server.reports.shapes import PersonRow

Stage = Literal[
    "other",
    "subscriber",
    "lead",
    "mql",
    "pql",
    "sql",
    "opportunity",
    "customer",
    "evangelist",
]
Grade = Literal["A1", "A2", "A3", "B1", "B2", "B3", "C1", "C2", "C3"]
#: Values of one filter: an address with several of them at their longest must still be one that
#: servers take.
MOST = 8
Text = Annotated[str, Meta(max_length=200)]
Many = Meta(max_length=MOST)
Each = Meta(max_length=9)  # of a closed list
Points = Annotated[float, Meta(ge=-1_000_000, le=1_000_000)]
Days = Annotated[int, Meta(ge=1, le=3_650)]
Since = Annotated[
    str,
    Meta(
        max_length=6_000,
        pattern="^[A-Za-z0-9_.:+ -]*$",
        description="Only what was seen since: an ISO 8601 time, or a cursor of a list by time.",
        examples=["2026-11-01T00:00:00Z"],
    ),
]


class PeopleFilter(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """Which people; what is left out asks nothing. Of what a person has once, such as a stage,
    several mean any of them; of what a person has many of, such as tags, they mean all."""

    stage: Annotated[tuple[Stage, ...], Each, Meta(description="One of these stages.")] = ()
    signal: Annotated[
        tuple[Annotated[str, Meta(max_length=64, examples=["pricing_page"])], ...],
        Many,
        Meta(description="All of these rules in force."),
    ] = ()
    min_score: Annotated[Points, Meta(description="At least this score.")] | UnsetType = UNSET
    max_score: Annotated[Points, Meta(description="At most this score.")] | UnsetType = UNSET
    grade: Annotated[tuple[Grade, ...], Each, Meta(description="One of these grades.")] = ()
    source: Annotated[
        tuple[Text, ...], Many, Meta(description="The first visit came from one of these.")
    ] = ()
    channel: Annotated[
        tuple[Text, ...], Many, Meta(description="The first visit came by one of these channels.")
    ] = ()
    company: Annotated[str, Meta(max_length=200, description="A company's name or domain.")] = ""
    domain: Annotated[
        tuple[Text, ...], Many, Meta(description="One of these domains of the e-mail's company.")
    ] = ()
    q: Annotated[
        str,
        Meta(
            max_length=200,
            description="Starts of the e-mail, of any word of the name, or of the company's domain;"
            " several words must all be found.",
        ),
    ] = ""
    tag: Annotated[
        tuple[Annotated[str, Meta(max_length=100)], ...], Many, Meta(description="All these tags.")
    ] = ()
    owner: Annotated[
        tuple[Text, ...],
        Many,
        Meta(description="One of these looks after them; `nobody` is for people without owner."),
    ] = ()
    email: Annotated[
        str, Meta(max_length=320, description="Whoever has this address, also beside others.")
    ] = ""
    since: Since = ""
    seen_within: Annotated[Days, Meta(description="Seen in the last so many days.")] | UnsetType = (
        UNSET
    )
    not_seen_for: Annotated[Days, Meta(description="Not seen for so many days.")] | UnsetType = (
        UNSET
    )
    lead_from: (
        Annotated[
            date, Meta(description="Became a lead on this day, in the site's zone, or later.")
        ]
        | UnsetType
    ) = UNSET
    lead_to: (
        Annotated[date, Meta(description="Became a lead on this day or before.")] | UnsetType
    ) = UNSET
    do_not_contact: (
        Annotated[bool, Meta(description="Whether they asked to be left alone.")] | UnsetType
    ) = UNSET
    trait: Annotated[
        tuple[Annotated[str, Meta(max_length=300, examples=["budget:50k"])], ...],
        Many,
        Meta(description="All of these traits, each as `name:value`; case does not matter."),
    ] = ()
    conflict: (
        Annotated[bool, Meta(description="Whether an open conflict concerns them.")] | UnsetType
    ) = UNSET


class Filter(NamedTuple):
    """A row of the table. `reads`: the tables its condition reads, of `s` and `p`; `of_visitor` is
    the condition for anonymous visitors, None where none can meet it; `whole`: the condition reads
    all of another table, so it is asked only once."""

    name: str
    label: str
    parse: Callable[[str, Any, Frame], Any]
    condition: Callable[[Ask, Any], str]
    words: Callable[[Any, PersonRow | None, Labels], str]
    reads: str
    of_visitor: Callable[[Ask, Any], str] | None = None
    whole: bool = False

    @property
    def visitors(self) -> bool:
        """Whether an anonymous visitor can meet it."""
        return self.of_visitor is not None


class Choice(NamedTuple):
    """A filter that is asked, and the value that its condition compares."""

    filter: Filter
    value: Any

    def explain(self, person: PersonRow | None, labels: Labels) -> str:
        """Why this person meets it, as part of a sentence; of nobody, what it asks."""
        return self.filter.words(self.value, person, labels)


# fmt: off
_ROWS = (
    Filter("stage", "Stage", values.ranks, sql.stage, words.stage, "s"),
    Filter("signal", "Signals", values.names, sql.signals, words.signals, "s", sql.signals),
    Filter("min_score", "Score from", values.least, sql.least, words.least, "s", sql.least),
    Filter("max_score", "Score up to", values.most, sql.most, words.most, "s", sql.most),
    Filter("grade", "Grade", values.names, sql.grade, words.grade, "s", sql.grade),
    Filter("source", "Source", values.names, sql.source, words.source, "s", sql.source),
    Filter("channel", "Channel", values.names, sql.channel, words.channel, "s", sql.channel),
    Filter("company", "Company", values.line, sql.company, words.company, "",
           sql.company_of_visitor),
    Filter("domain", "Domain", values.domains, sql.domain, words.domain, "p"),
    Filter("q", "Search", values.search, sql.search, words.search, ""),
    Filter("tag", "Tags", values.names, sql.tags, words.tags, "p"),
    Filter("owner", "Owner", values.owners, sql.owner, words.owner, "p"),
    Filter("email", "E-mail", values.email, sql.email, words.email, ""),
    Filter("since", "Seen since", values.since, sql.seen_since, words.since, "s", sql.seen_since),
    Filter("seen_within", "Seen within days", values.days_ago, sql.seen_within, words.seen_within,
           "s", sql.seen_within),
    Filter("not_seen_for", "Not seen for days", values.days_ago, sql.not_seen_for,
           words.not_seen_for, "s", sql.not_seen_for),
    Filter("lead_from", "Lead from", values.first_day, sql.lead_from, words.lead_from, "",
           whole=True),
    Filter("lead_to", "Lead up to", values.last_day, sql.lead_to, words.lead_to, "", whole=True),
    Filter("do_not_contact", "Do not contact", values.plain, sql.do_not_contact,
           words.do_not_contact, "p"),
    Filter("trait", "Traits", values.traits, sql.traits, words.traits, ""),
    Filter("conflict", "Conflict", values.plain, sql.conflict, words.conflict, ""),
)
# fmt: on
FILTERS: Mapping[str, Filter] = {one.name: one for one in _ROWS}
_encoder = msgspec.json.Encoder(order="sorted")
_decoder = msgspec.json.Decoder(PeopleFilter)


def plain(asked: PeopleFilter) -> PeopleFilter:
    """The filters alone of a query that asks for more, such as a page."""
    return PeopleFilter(**{name: getattr(asked, name) for name in FILTERS})


def asks(asked: PeopleFilter) -> bool:
    """Whether anything is asked at all."""
    return any(getattr(asked, name) not in ((), "", UNSET) for name in FILTERS)


def choices(asked: PeopleFilter, frame: Frame) -> list[Choice]:
    """The filters that are asked, in the order of the table. Raises `BadRequest`, which names the
    one that makes no sense."""
    found = []
    for one in _ROWS:
        given = getattr(asked, one.name)
        if given not in ((), "", UNSET):
            value = one.parse(one.name, given, frame)
            if value not in ((), ""):  # nothing but blanks asks nothing
                found.append(Choice(one, value))
    return found


def describe(chosen: Sequence[Choice], labels: Labels, person: PersonRow | None = None) -> str:
    """What is asked, or why `person` meets it: `stage is MQL or SQL, score ≥ 60 and …`."""
    parts = [choice.explain(person, labels) for choice in chosen]
    return words.listed(parts, "and") if parts else "everybody is"


def canonical(asked: PeopleFilter) -> str:
    """The one JSON text of a filter: sorted names, each list sorted and without repeats."""
    return _encoder.encode(tidy(asked)).decode()


def tidy(asked: PeopleFilter) -> PeopleFilter:
    """The same filter in its one form."""
    kept: dict[str, Any] = {}
    for name in FILTERS:
        given = getattr(asked, name)
        if isinstance(given, tuple):
            given = tuple(sorted({" ".join(one.split()) for one in given} - {""}))
        elif isinstance(given, str):
            given = " ".join(given.split())
        kept[name] = given
    return PeopleFilter(**kept)


def read_filter(text: str) -> PeopleFilter:
    """A filter from its JSON. Raises `BadRequest`."""
    try:
        return _decoder.decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest(f"the filter does not fit: {str(error)[:300]}", code="bad_body") from error


def parameters(asked: PeopleFilter) -> list[tuple[str, str]]:
    """A filter as the parameters of an address; a list is repeated."""
    found: list[tuple[str, str]] = []
    for name, value in msgspec.to_builtins(plain(asked)).items():
        for one in value if isinstance(value, list | tuple) else (value,):
            found.append((name, str(one).lower() if isinstance(one, bool) else str(one)))
    return found


def text_of(asked: PeopleFilter) -> list[str]:
    """Every text in a filter."""
    return [text for _, text in parameters(asked)]
