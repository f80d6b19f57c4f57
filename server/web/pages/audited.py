"""Who did what, with names: the audit itself holds numbers only."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from server.model import Site
from server.reports.names import claims_in, given, names, owners
from server.storage import destinations, segments, tokens, users
from server.storage.database import Reader
from server.web.member_bodies import AuditRow
from server.words import stage_word

_NUMBERED = re.compile(r"\b[tudg][1-9][0-9]*\b")


@dataclass(frozen=True)
class Named:
    """One that a line is about: what they are called, and their page; empty for nobody's."""

    name: str
    page: str


def with_names(action: str, detail: str, called: Mapping[str, str]) -> str:
    """`u2 viewer` as `Grace, viewer`; a number that nobody has any more stays."""
    if action == "set_stage":
        return stage_word(detail)
    if action == "classify":
        return detail or "as it was recognised"
    found = _NUMBERED.match(detail)
    if found is None or found[0] not in called:
        return detail
    rest = detail[found.end() :].strip()
    return f"{called[found[0]]}, {rest}" if rest else called[found[0]]


async def called(reader: Reader, site: Site) -> dict[str, str]:
    """Users, tokens, destinations and segments of a site by their ids; `user u3` is an author."""
    found: dict[str, str] = {}
    for user in await users.everybody(reader):
        found[f"u{user.user_id}"] = found[f"user u{user.user_id}"] = user.called
    for token_id, name in await tokens.names(reader, site.site_id):
        found[f"t{token_id}"] = found[f"token t{token_id}"] = f"token {name or token_id}"
    for one in await destinations.of_site(reader, site.site_id):
        found[f"d{one.destination_id}"] = one.settings.name or f"{one.kind} {one.destination_id}"
    for kept in await segments.of_site(reader, site.site_id):
        found[f"g{kept.segment_id}"] = kept.name
    return found


async def named(reader: Reader, site: Site, rows: Iterable[AuditRow]) -> dict[str, list[Named]]:
    """By line, whom it is about. Two that are one by now are told apart by what each gave."""
    about = {row.id: [(one[0], int(one[1:])) for one in row.about] for row in rows}
    ids = {one for several in about.values() for one in several}
    claim_in = await claims_in(reader, site, sorted(n for letter, n in ids if letter == "v"))
    claims = {n for letter, n in ids if letter != "v"} | set(claim_in.values())
    owner = await owners(reader, site, sorted(claims))
    gave = await given(reader, site, sorted(claims))
    people = await names(reader, site, sorted(set(owner.values())))

    def one_of(letter: str, number: int, *, apart: bool) -> Named:
        claim = claim_in.get(number, 0) if letter == "v" else number
        person = owner.get(claim, 0)
        word = {"p": "person", "v": "visitor", "e": "event"}[letter]
        known = gave.get(claim, "") if apart or person not in people else people[person]
        lone = f"/visitors/v{number}" if letter == "v" else ""
        return Named(known or f"{word} {number}", f"/people/p{person}" if person else lone)

    return {
        line: [one_of(letter, number, apart=len(several) > 1) for letter, number in several]
        for line, several in about.items()
    }
