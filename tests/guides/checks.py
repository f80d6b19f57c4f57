"""What must be stored of one visitor's way; each check names what is wrong, or nothing."""

from collections.abc import Callable
from typing import Any

import httpx2

from server.storage import tokens
from tests.guides.story import Story, Way


def views(story: Story) -> str:
    """One a route, each with its title and where in the application the visitor came from."""
    origin = story.host.origin
    found = [
        (
            row["url"].removeprefix(origin),
            row["title"],
            (row["referrer"] or "").removeprefix(origin),
        )
        for row in story.stored("page_view")
    ]
    if found == story.expected:
        return ""
    longest = max(len(found), len(story.expected))
    pairs = [(_at(found, n), _at(story.expected, n)) for n in range(longest)]
    got, wanted = next(pair for pair in pairs if pair[0] != pair[1])
    return f"{len(found)} of {len(story.expected)} page views, first {got} where {wanted} is right"


def _at(rows: list[tuple[str, str, str]], number: int) -> str:
    if number >= len(rows):
        return "none"
    path, title, referrer = rows[number]
    return f"{path} “{title}” from “{referrer}”"


def forms(story: Story) -> str:
    """Each submission once, as it was typed; and the site itself got it once."""
    expected: list[tuple[str, dict[str, str]]] = [("contact", story.typed)]
    if story.app.demo:
        expected.append(("demo", {"company": "Brew"}))
    found = [(row["data"]["form"], row.form) for row in story.stored("form_submit")]
    if found != expected:
        return f"submissions {found}"
    got = [one.path for one in story.host.posted if one.path.startswith("/api/")]
    return "" if len(got) == len(expected) else f"the site was sent {got}"


def confirmed(story: Story) -> str:
    """Each submission once."""
    sent = [row["event_id"] for row in story.stored("form_submit")]
    found = [row["data"]["of"] for row in story.stored("form_confirm")]
    return "" if sent and found == sent else f"{len(found)} of {len(sent)} submissions confirmed"


def person(story: Story) -> str:
    """Identified once, with everything read before and until the sign-out."""
    said = [row["data"].get("ids") for row in story.stored("identify")]
    if said != [{"email": story.email}]:
        return f"identified as {said}"
    people = [one for one in _people(story) if one["email"] == story.email]
    read = len(story.expected) - 1
    found = [one["page_views"] for one in people]
    return "" if found == [read] else f"people with that address: {found}, page views of one {read}"


def reset(story: Story) -> str:
    """Who comes after the sign-out is somebody else, and one visitor was there before."""
    *before, after = [row["visitor"] for row in story.stored("page_view")] or [""]
    one = len(set(before)) == 1
    return "" if one and after not in before else f"visitors {_short([*before, after])}"


def _short(visitors: list[str]) -> list[str]:
    return [visitor[:4] for visitor in visitors]


def whole(story: Story) -> str:
    """No error, nothing missing, and the page was never loaded anew."""
    if not story.page.evaluate("() => window.first === true"):
        return "the page was loaded anew"
    if story.missing:
        return f"asked for {story.missing}, which is not there"
    return "; ".join(story.late_errors())


def policy(story: Story) -> str:
    """Nothing was forbidden."""
    return "; ".join(sorted(set(story.reports)))


CHECKS: tuple[Callable[[Story], str], ...] = (
    views,
    forms,
    confirmed,
    person,
    reset,
    whole,
    policy,
)
#: What a broken tag must make fail; under a policy, its report too.
MUST = {
    Way.BLOCKED: {"views", "forms", "confirmed", "person", "reset"},
    Way.DOUBLED: {"views", "whole"},
}


def wrong(story: Story) -> dict[str, str]:
    """The checks that fail, each with what is wrong."""
    found = {check.__name__: check(story) for check in CHECKS}
    return {name: said for name, said in found.items() if said}


def _people(story: Story) -> list[dict[str, Any]]:
    """Everybody whom the site knows, once everything stored is projected."""
    state, site, token = story.tracker.app.state, story.site, tokens.new_token()

    async def allow() -> None:
        await state.writer.run(lambda: tokens.add(site.site_id, token, "read", "guides", "test", 1))
        await state.reload()
        head = await state.database.fetch("SELECT seq FROM heads WHERE site_id = $1", site.site_id)
        await state.projector.passed(site.site_id, head[0][0])

    story.tracker.do(allow())
    address = f"{story.tracker.base}/api/v1/sites/{site.site_id}/people"
    answer = httpx2.get(address, headers={"Authorization": f"Bearer {token}"})
    answer.raise_for_status()
    items: list[dict[str, Any]] = answer.json()["items"]
    return items
