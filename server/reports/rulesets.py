"""A site's rulesets as readers have them: in force, before, as a draft, compared; and how far
scoring everybody by the newest one is."""

import asyncio
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from server.errors import NotFound
from server.model import Site
from server.project.document import write_document
from server.project.presets import PRESETS
from server.project.rule_words import points
from server.project.rules import Ruleset, decode
from server.project.ruleset_diff import differences, same_matching, same_scores
from server.reports import paging
from server.reports.paging import Paging
from server.reports.shapes import EntryId, Next, Shape, Time, iso
from server.storage import people as rows
from server.storage import rulesets
from server.storage.database import Reader
from server.storage.rulesets import DRAFT, Stored
from server.words import stage_word

#: The document of an author: described by `GET …/rules/schema`.
Document = Annotated[
    Any,
    Meta(
        description="The ruleset as its author writes it; points are decimals.",
        extra_json_schema={"$ref": "#/components/schemas/RulesetDocument"},
    ),
]
Version = Annotated[int, Meta(ge=1, examples=[3])]


class Rescoring(Shape, frozen=True, kw_only=True):
    """How far scoring everybody by the version in force is."""

    done: Annotated[int, Meta(description="People and visitors that were looked at.")]
    total: int
    share: Annotated[float, Meta(description="Below 1 until it is done.", examples=[0.62])]


class RulesetRow(Shape, frozen=True, kw_only=True):
    """A version as the history lists it. Version 1 came with the site: nobody published it."""

    version: Version
    name: str
    base: Annotated[int, Meta(description="The version it was made from; 0 is none.")]
    author: str
    note: str
    at: Time
    event: EntryId | None
    notify: Annotated[bool, Meta(description="Whether those who crossed a threshold were told.")]
    rules: Annotated[int, Meta(description="How many.")]


class Rulesets(Shape, frozen=True, kw_only=True):
    """One page of versions, the newest first."""

    items: list[RulesetRow]
    next: Next


class RulesetDetail(RulesetRow, frozen=True, kw_only=True):
    """A version with its document."""

    document: Document


class RulesInForce(RulesetDetail, frozen=True, kw_only=True):
    """The version by which people are scored now."""

    rescoring: Annotated[
        Rescoring | None, Meta(description="Null once everybody is scored by this version.")
    ]
    draft: Annotated[bool, Meta(description="Whether somebody works on the next version.")]


class DraftDetail(Shape, frozen=True, kw_only=True):
    """What is to be published next. `revision` names this very draft: publishing what somebody
    else saved meanwhile can be refused with it."""

    revision: Annotated[str, Meta(pattern="^[0-9a-f]{16}$", examples=["0f3c2d51aa07b6e4"])]
    base: Annotated[int, Meta(description="The version it was begun from.")]
    stale: Annotated[bool, Meta(description="Another version was published since it was begun.")]
    author: str
    at: Time
    name: str
    rules: int
    document: Document


class PresetRow(Shape, frozen=True, kw_only=True):
    """A ruleset to begin with."""

    name: str
    rules: int
    thresholds: Annotated[list[str], Meta(examples=[["mql from 75 points"]])]


class Presets(Shape, frozen=True, kw_only=True):
    """The rulesets that come with the product."""

    items: list[PresetRow]


class PresetDetail(PresetRow, frozen=True, kw_only=True):
    """A preset with its document."""

    document: Document


class ChangeRow(Shape, frozen=True, kw_only=True):
    """One difference, also as a sentence."""

    part: str
    key: str
    kind: str
    field: str
    sentence: str


class Diff(Shape, frozen=True, kw_only=True):
    """What differs between two rulesets, and what that means for people's scores."""

    first: str = msgspec.field(name="from")
    last: str = msgspec.field(name="to")
    changes: list[ChangeRow]
    rereads: Annotated[
        bool, Meta(description="Whether what people did has to be asked by other rules.")
    ]
    rescores: Annotated[bool, Meta(description="Whether any score can be another.")]


# ---------------------------------------------------------------- how far


async def rescoring(reader: Reader, site: Site) -> Rescoring | None:
    """How far the walk to the version in force is; None where everybody is scored by it."""
    version = site.published.version
    walked, way = await rows.walk(reader, site.site_id, site.generation)
    if walked == version:
        return None
    if way.to == version:
        done, total = min(way.done, way.total), way.total
    else:  # it has not begun
        done, total = 0, await rows.subject_count(reader, site.site_id, site.generation)
    if not total:
        return None
    return Rescoring(done=done, total=total, share=min(done * 100 // total, 99) / 100)


async def rescoring_share(reader: Reader, site: Site) -> float | msgspec.UnsetType:
    """The share alone, and nothing where everybody is scored."""
    found = await rescoring(reader, site)
    return msgspec.UNSET if found is None else found.share


# ---------------------------------------------------------------- versions


def document_of(ruleset: Ruleset) -> msgspec.Raw:
    """The author's document, to stand in an answer."""
    return msgspec.Raw(msgspec.json.format(write_document(ruleset), indent=-1))


class _Head(msgspec.Struct, frozen=True):
    """What lists say of a stored document."""

    name: str
    rules: list[msgspec.Raw]


_head = msgspec.json.Decoder(_Head).decode


def _row(stored: Stored) -> dict[str, Any]:
    head = _head(stored.document)
    return {
        "version": stored.version,
        "name": head.name,
        "base": stored.base,
        "author": stored.author,
        "note": stored.note,
        "at": iso(stored.at),
        "event": f"e{stored.seq}" if stored.seq else None,
        "notify": bool(stored.notify),
        "rules": len(head.rules),
    }


async def version_of(reader: Reader, site: Site, version: int) -> RulesetDetail:
    """One published version. Raises `NotFound`."""
    stored = await _published(reader, site, version)
    return RulesetDetail(**_row(stored), document=document_of(decode(stored.document)))


async def in_force(reader: Reader, site: Site) -> RulesInForce:
    """The version by which the site scores now."""
    stored = await _published(reader, site, site.published.version)
    return RulesInForce(
        **_row(stored),
        document=document_of(decode(stored.document)),
        rescoring=await rescoring(reader, site),
        draft=await rulesets.read(reader, site.site_id, DRAFT) is not None,
    )


async def _published(reader: Reader, site: Site, version: int) -> Stored:
    stored = await rulesets.read(reader, site.site_id, version) if version > 0 else None
    if stored is None:
        newest = site.published.version
        raise NotFound(f"there is no version {version}: the one in force is {newest}")
    return stored


async def history(reader: Reader, site: Site, page: Paging) -> Rulesets:
    """Versions, the newest first."""
    key = paging.decode("rules", page.cursor, (int,))
    before = int(key[0]) if key else 2**62
    found = await rulesets.history(reader, site.site_id, before, page.limit + 1)
    kept, more = paging.bound(page.limit, found)
    items = [RulesetRow(**_row(one)) for one in kept]
    return Rulesets(
        items=items, next=paging.encode("rules", (items[-1].version,)) if more else None
    )


async def draft(reader: Reader, site: Site) -> DraftDetail:
    """The draft. Raises `NotFound`."""
    stored = await rulesets.read(reader, site.site_id, DRAFT)
    if stored is None:
        raise NotFound("there is no draft: save one first")
    ruleset = decode(stored.document)
    return DraftDetail(
        revision=stored.revision,
        base=stored.base,
        stale=stored.base != site.published.version,
        author=stored.author,
        at=iso(stored.at),
        name=ruleset.name,
        rules=len(ruleset.rules),
        document=document_of(ruleset),
    )


# ---------------------------------------------------------------- presets and differences


def _preset_row(ruleset: Ruleset) -> dict[str, Any]:
    return {
        "name": ruleset.name,
        "rules": len(ruleset.rules),
        "thresholds": [
            f"{stage_word(one.stage or one.key)} from {points(one.points)} points"
            for one in ruleset.thresholds
        ],
    }


def presets() -> Presets:
    """Every preset."""
    return Presets(items=[PresetRow(**_preset_row(one)) for one in PRESETS.values()])


def preset(name: str) -> PresetDetail:
    """One preset. Raises `NotFound`."""
    ruleset = preset_ruleset(name)
    return PresetDetail(**_preset_row(ruleset), document=document_of(ruleset))


def preset_ruleset(name: str) -> Ruleset:
    """Raises `NotFound`, which names those there are."""
    found = PRESETS.get(name)
    if found is None:
        raise NotFound(f"there is no preset `{name[:60]}`: choose of {', '.join(PRESETS)}")
    return found


async def named(reader: Reader, site: Site, word: str) -> Ruleset:
    """The ruleset that a word names: a version's number, `draft`, `published`, or a preset.

    Raises `NotFound`, which says what there is.
    """
    if word == "published":
        word = str(site.published.version)
    if word == "draft":
        stored = await rulesets.read(reader, site.site_id, DRAFT)
        if stored is None:
            raise NotFound("there is no draft: save one first")
        return decode(stored.document)
    if word.isascii() and word.isdigit() and len(word) < 10:
        return decode((await _published(reader, site, int(word))).document)
    return preset_ruleset(word)


async def diff(reader: Reader, site: Site, first: str, last: str) -> Diff:
    """What differs from one ruleset to another. Raises `NotFound`."""
    old, new = await named(reader, site, first), await named(reader, site, last)
    # Hundreds of rules take longer than anybody should wait for their turn.
    return await asyncio.to_thread(_compared, first, last, old, new)


def _compared(first: str, last: str, old: Ruleset, new: Ruleset) -> Diff:
    told = [
        ChangeRow(part=one.part, key=one.key, kind=one.kind, field=one.field, sentence=one.sentence)
        for one in differences(old, new)
    ]
    return Diff(
        first=first,
        last=last,
        changes=told,
        rereads=not same_matching(old, new),
        rescores=not same_scores(old, new),
    )


def page_groups_of(site: Site) -> frozenset[str]:
    """The page groups that rules of this site may name."""
    return frozenset(group.name for group in site.settings.page_groups)
