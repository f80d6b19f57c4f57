"""What the settings forms hold, the change that is in them, and what it leads to."""

import hashlib
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from server.errors import BadRequest
from server.model import PageKey, Site, SiteSettings
from server.web import commands
from server.web.bodies import SettingsChange

Line = Annotated[str, Meta(max_length=400)]
Lines = Annotated[str, Meta(max_length=40_000)]
Number = Annotated[str, Meta(max_length=12)]
On = Literal["", "1"]
#: Settings that the form of a site holds as lines of text.
LISTS = ("own_hosts", "origins", "product_events", "internal_visitors", "blocked_agents")
CHECKS = ("honour_gpc", "count_refused", "allow_automation", "allow_localhost")
#: What of `SiteSettings.widget` the form holds, as `tag_…`, besides the paths to leave out.
TAG = (
    "links",
    "downloads",
    "marks",
    "containers",
    "addresses",
    "handover",
    "tcf",
    "search",
    "hash",
    "manual",
    "frames",
)
NUMBERS = ("week_start", "lookback_days", "retention_days", "bot_retention_days")


class SiteForm(Struct, frozen=True, kw_only=True):
    """The form of a site: lists are lines, an unchecked box is not sent. `sure` is sent by the
    second press, and names the change whose consequences were shown."""

    name: Line = ""
    zone: Line = ""
    week_start: Number = ""
    currency: Line = ""
    own_hosts: Lines = ""
    origins: Lines = ""
    product_events: Lines = ""
    internal_visitors: Lines = ""
    blocked_agents: Lines = ""
    consent: Line = ""
    on_withdrawal: Line = ""
    honour_gpc: On = ""
    count_refused: On = ""
    allow_automation: On = ""
    allow_localhost: On = ""
    lookback_days: Number = ""
    retention_days: Number = ""
    bot_retention_days: Number = ""
    key_query: Lines = ""
    key_hash: On = ""
    key_lower: On = ""
    key_slash: On = ""
    tag_links: On = ""
    tag_downloads: On = ""
    tag_marks: On = ""
    tag_containers: On = ""
    tag_addresses: On = ""
    tag_handover: On = ""
    tag_tcf: On = ""
    tag_search: On = ""
    tag_hash: On = ""
    tag_manual: On = ""
    tag_frames: On = ""
    tag_exclude: Lines = ""
    sure: Line = ""


class GroupsForm(Struct, frozen=True, kw_only=True):
    """Rows of page groups and of goals: the n-th name goes with the n-th of the others. A row
    without a name is none."""

    group_name: list[Line] = []
    group_patterns: list[Lines] = []
    goal_name: list[Line] = []
    goal_event: list[Line] = []
    goal_pattern: list[Line] = []
    goal_value: list[Number] = []
    sure: Line = ""


def form_of(site: Site) -> dict[str, Any]:
    """The fields as they are now."""
    settings = site.settings
    key = settings.page_key
    plain = {name: str(getattr(settings, name)) for name in ("zone", "currency", "consent")}
    return {
        "name": site.name,
        **plain,
        "on_withdrawal": settings.on_withdrawal,
        **{name: str(getattr(settings, name)) for name in NUMBERS},
        **{name: "\n".join(getattr(settings, name)) for name in LISTS},
        **{name: "1" if getattr(settings, name) else "" for name in CHECKS},
        "key_query": "\n".join(key.query),
        "key_hash": "1" if key.hash_routes else "",
        "key_lower": "" if key.keep_case else "1",
        "key_slash": "1" if key.keep_slash else "",
        **{f"tag_{name}": "1" if settings.widget.get(name) else "" for name in TAG},
        "tag_exclude": "\n".join(settings.widget.get("exclude", ())),
    }


def site_change(form: SiteForm, now: SiteSettings) -> SettingsChange | None:
    """What differs from the settings in force; None for nothing. Raises `BadRequest`."""
    given: dict[str, Any] = {
        "zone": form.zone.strip(),
        "currency": form.currency.strip().upper(),
        "consent": form.consent,
        "on_withdrawal": form.on_withdrawal,
        **{name: _number(name, getattr(form, name)) for name in NUMBERS},
        **{name: lines(getattr(form, name)) for name in LISTS},
        **{name: getattr(form, name) == "1" for name in CHECKS},
        "page_key": msgspec.to_builtins(
            PageKey(
                query=lines(form.key_query),
                hash_routes=form.key_hash == "1",
                keep_case=form.key_lower != "1",
                keep_slash=form.key_slash == "1",
            )
        ),
        **_tag_change(form, now),
    }
    return _differing(given, now)


def _tag_change(form: SiteForm, now: SiteSettings) -> dict[str, Any]:
    """The widget's options if one of them is another; what the form does not hold stays."""
    wanted: dict[str, Any] = {name: getattr(form, f"tag_{name}") == "1" for name in TAG}
    wanted["exclude"] = list(lines(form.tag_exclude))
    before: dict[str, Any] = {name: bool(now.widget.get(name)) for name in TAG}
    before["exclude"] = list(now.widget.get("exclude", ()))
    return {} if wanted == before else {"widget": now.widget | wanted}


def groups_change(form: GroupsForm, now: SiteSettings) -> SettingsChange | None:
    """Likewise of page groups and goals."""
    groups = [
        {"name": name.strip(), "patterns": lines(patterns)}
        for name, patterns in zip(form.group_name, form.group_patterns, strict=False)
        if name.strip()
    ]
    goals = [
        {"name": name.strip(), "event": event, "pattern": pattern.strip(), "value": _money(value)}
        for name, event, pattern, value in zip(
            form.goal_name, form.goal_event, form.goal_pattern, form.goal_value, strict=False
        )
        if name.strip()
    ]
    return _differing({"page_groups": groups, "goals": goals}, now)


def _differing(given: dict[str, Any], now: SiteSettings) -> SettingsChange | None:
    kept = msgspec.to_builtins(now)
    try:
        full = msgspec.convert(given, SettingsChange)
    except msgspec.ValidationError as error:
        raise BadRequest(f"this does not fit: {str(error)[:200]}", code="bad_form") from error
    after = msgspec.structs.asdict(full)
    changed = {
        name: value
        for name, value in after.items()
        if name in given and msgspec.to_builtins(value) != kept[name]
    }
    return SettingsChange(**changed) if changed else None


def mark(wanted: SettingsChange) -> str:
    """Names a change: another one is another mark."""
    return hashlib.sha256(msgspec.json.encode(wanted, order="sorted")).hexdigest()[:20]


def lines(text: str) -> tuple[str, ...]:
    """What stands on the lines, each once."""
    return tuple(dict.fromkeys(line.strip() for line in text.splitlines() if line.strip()))


def _number(name: str, text: str) -> int:
    """Raises `BadRequest` that names the field."""
    plain = text.strip()
    if not plain.isascii() or not plain.isdigit():
        raise BadRequest(f"{name.replace('_', ' ')} is a whole number", code="bad_form")
    return int(plain)


def _money(text: str) -> int:
    """An amount as minor units. Raises `BadRequest`."""
    whole, point, rest = text.strip().replace(",", ".").partition(".")
    sound = all(part.isascii() and part.isdigit() for part in (whole or "0", rest or "0"))
    if not sound or len(rest) > 2 or (point and not rest):
        raise BadRequest("a goal's value is an amount such as 250 or 99.50", code="bad_form")
    return int(whole or "0") * 100 + int((rest or "0").ljust(2, "0"))


_SHAPED = {
    "zone": "days begin at another hour",
    "own_hosts": "what counts as a visit from elsewhere changes",
    "lookback_days": "how far back a new person's visits reach changes",
    "page_key": "which addresses are one page changes",
    "page_groups": "rules, funnels and filters see other pages under these names",
    "forms": "what forms count as changes",
    "product_events": "which events make a person a PQL changes",
}


def consequences(before: SiteSettings, after: SiteSettings, entries: int) -> list[str]:
    """What follows from a change, in sentences for before it is saved. `entries` are in the log."""
    said = [
        f"{name.replace('_', ' ').capitalize()}: {_SHAPED[name]}."
        for name in commands.SHAPING
        if getattr(before, name) != getattr(after, name)
    ]
    if said:
        many = "1 entry" if entries == 1 else f"{entries:,} entries"
        said.append(
            f"All visits, scores and figures are derived again from the log ({many}). The site is"
            " served meanwhile; the new figures appear at once when they are ready."
        )
    if after.retention_days < before.retention_days:
        said.append(
            f"Anonymous page events older than {after.retention_days} days are thinned within a"
            " day. That cannot be undone."
        )
    if after.bot_retention_days < before.bot_retention_days:
        said.append(
            f"What robots sent more than {after.bot_retention_days} days ago is thinned within a"
            " day. That cannot be undone."
        )
    if after.on_withdrawal == "erase" != before.on_withdrawal:
        said.append("From now on, whoever withdraws consent is erased. That cannot be undone.")
    return said
