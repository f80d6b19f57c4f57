"""What has arrived at a site lately, for whoever installs its tag; and why nothing does."""

from collections.abc import Iterable
from typing import NamedTuple
from urllib.parse import urlsplit

import msgspec

from server.errors import Refusal
from server.model import Class, Kind, Site
from server.reports.log import log_entries
from server.reports.names import claims_in, given
from server.reports.refused import CLASSIFIED, RefusedRow
from server.reports.shapes import LogEntry, iso
from server.storage import entries, identities
from server.storage.database import Reader

LOOKED_AT = 200  # the newest entries of the log
LOOKED_THROUGH = 2_000
FIRST_DECISION = 64


async def newest_events(reader: Reader, site: Site, limit: int) -> list[LogEntry]:
    """The newest events in words, the newest first; decisions and erased ones left out."""
    head = await entries.head(reader, site.site_id)
    rows = await entries.after(reader, site.site_id, max(0, head - LOOKED_AT), LOOKED_AT)
    events = [row for row in rows if _is_event(row)]
    return await log_entries(reader, site, events[-limit:][::-1])


async def newest_apart(reader: Reader, site: Site, limit: int) -> list[LogEntry]:
    """The newest events that were stored but are in no figure, of the last 2,000 entries."""
    head = await entries.head(reader, site.site_id)
    found: list[entries.Entry] = []
    before = head
    while len(found) < limit and before > max(0, head - LOOKED_THROUGH):
        after = max(0, before - LOOKED_AT)
        rows = await entries.after(reader, site.site_id, after, before - after)
        apart = [row for row in rows if _is_apart(row)]
        found += apart[::-1]
        before = after
    return await log_entries(reader, site, found[:limit])


class Ruled(NamedTuple):
    """A browser (`v5`) or an event (`e9`) that somebody took out of the figures by hand."""

    what: str
    class_: str
    who: str  # what was given there, such as an e-mail; empty for nobody's
    author: str
    at: str


async def ruled_apart(reader: Reader, site: Site, limit: int) -> list[Ruled]:
    """What stands apart by somebody's word, the newest first: nothing in the events says so."""
    last = await identities.classes(reader, site.site_id, site.generation)
    rows = sorted((row for row in last if row[2] != Class.HUMAN), key=lambda row: -row[3])[:limit]
    told = await entries.by_seq(reader, site.site_id, [row[3] for row in rows])
    claims = await claims_in(reader, site, [row[1] for row in rows if row[0] == 0])
    claims_of = {row[3]: claims.get(row[1], 0) if row[0] == 0 else row[1] for row in rows}
    who = await given(reader, site, sorted({claim for claim in claims_of.values() if claim}))
    return [
        Ruled(
            what=f"{'e' if kind else 'v'}{target}",
            class_=Class(class_).name.lower(),
            who=who.get(claims_of[seq], ""),
            author=msgspec.json.decode(told[seq].data or "{}").get("author", ""),
            at=iso(told[seq].at),
        )
        for kind, target, class_, seq in rows
        if seq in told and told[seq].kind
    ]


def _is_event(row: entries.Entry) -> bool:
    return Kind.ERASED < row.kind < FIRST_DECISION


def _is_apart(row: entries.Entry) -> bool:
    """Reading belongs to its page, which is told already."""
    return _is_event(row) and row.class_ != Class.HUMAN and row.kind != Kind.ENGAGEMENT


class Loaded(NamedTuple):
    """The tag was asked for by a page of a host; `ago` is how long before now (ms)."""

    host: str
    ago: int


class Finding(NamedTuple):
    """One thing that may keep events away: what is seen, why, and what to do."""

    title: str
    why: str
    fix: str


def findings(
    received: int,
    refused: Iterable[RefusedRow],
    loaded: Loaded | None,
    strangers: Iterable[tuple[str, str]],
    base_url: str,
) -> list[Finding]:
    """What to look at, the likeliest cause first. `received` counts events of people so far.

    `refused` is that of the last day, `strangers` are (key, host) of tags whose key no site has.
    """
    found = [_stranger(key, host) for key, host in strangers]
    by_reason = {row.reason: row for row in refused}
    found += [_of_reason(row) for reason, row in by_reason.items() if reason in _REASONS]
    if received:
        return found
    if loaded is None:
        return [*found, _NOT_LOADED._replace(fix=_NOT_LOADED.fix.format(base=base_url))]
    if not by_reason:
        where = f"A page on {loaded.host}" if loaded.host else "A page"
        found.append(
            Finding(
                f"{where} loaded the tag, but sent nothing",
                "An ad blocker stops the request, or the page's Content-Security-Policy does.",
                f"Try without the blocker; allow {base_url} in connect-src of the page's policy.",
            )
        )
    return found


_NOT_LOADED = Finding(
    "No page has asked for the tag yet",
    "It is not on the page that you opened, an old copy of the page was shown, or an ad blocker or"
    " the page's Content-Security-Policy stopped it.",
    "Look for the tag in the page's source; reload without cache; allow {base} in script-src and"
    " connect-src of the page's policy.",
)


def _stranger(key: str, host: str) -> Finding:
    return Finding(
        f"{'A page on ' + host if host else 'A page'} asks for the key {key}, which no site has",
        "The tag was cut, mistyped, or is one of another server or of a key rotated twice.",
        "Replace it by the tag above.",
    )


def _of_reason(row: RefusedRow) -> Finding:
    why, fix = _REASONS[row.reason]
    origin = next((str(s.sample.get("origin", "")) for s in row.samples), "")
    host = (urlsplit(origin).netloc or origin) if origin else ""
    many = f"{row.count:,} {'event' if row.count == 1 else 'events'}"
    from_where = f" from {host}" if host else ""
    done = "kept apart" if row.stored else "refused"
    return Finding(f"{many}{from_where} {'was' if row.count == 1 else 'were'} {done}", why, fix)


_REASONS: dict[str, tuple[str, str]] = {
    Refusal.ORIGIN: (
        "They came from a page that is not on this site's list of origins.",
        "Add that origin in the site's settings, exactly as the browser shows it: https://, host,"
        " and port if there is one.",
    ),
    Refusal.GPC: (
        "The browser asks not to be tracked (Global Privacy Control or Do Not Track), and this"
        " site honours it.",
        "Nothing is wrong. To test, use a browser that does not ask; forms arrive in any case.",
    ),
    Refusal.CONSENT: (
        "The visitor said no to tracking.",
        "Nothing is wrong. To test, take your own answer back in the site's consent dialogue.",
    ),
    Refusal.ASK: (
        "This site waits for consent, and none was given.",
        "Say yes in the site's consent dialogue; it must call handraise('consent', 'granted').",
    ),
    Refusal.NO_VISITOR: (
        "An event came without a visitor id: the browser keeps no storage, or a client of yours"
        " leaves out `v`.",
        "Let a client of yours send one 128-bit id for each browser.",
    ),
    Refusal.UNPARSABLE: (
        "They are not of the documented shape.",
        "Check what your own client sends against docs/widget.md.",
    ),
    Refusal.BAD_URL: (
        "They name no web address: the page is a file, or a frame without one.",
        "Open the page by http:// or https://.",
    ),
    Refusal.TOO_OLD: (
        "They are older than this site keeps events.",
        "Check the clock of the machine that sends them, or lengthen the retention.",
    ),
    f"{CLASSIFIED}{Class.INTERNAL.name.lower()}": (
        "The page is on localhost, or the visitor is one of your own: in the log, in no figure.",
        "Open the site by its public address; to count localhost, allow it in the settings.",
    ),
    f"{CLASSIFIED}{Class.BOT.name.lower()}": (
        "A robot or a browser driven by a program sent them: in the log, in no figure.",
        "Open the site with an ordinary browser; to count test browsers, allow automation in the"
        " settings.",
    ),
}
