"""One person, or one anonymous visitor, with the whole story."""

from collections.abc import Callable, Sequence
from datetime import date
from typing import Any

from starlette.responses import Response

from server.errors import NotFound
from server.model import STAGES
from server.reports import conflicts, segments, timeline, visitors
from server.reports import people as report
from server.reports.arriving import ruled_apart
from server.reports.curve import score_curve
from server.reports.names import given
from server.reports.paging import Paging
from server.reports.tellings import tellings
from server.reports.timeline_items import PERSON, VISITOR, Subject
from server.reports.touches import touches
from server.reports.visits import visit_facts
from server.storage import users
from server.storage.database import Reader
from server.storage.users import User
from server.web.page_queries import PageOfTimeline, PageQuery, read_id
from server.web.pages.view import View
from server.web.visits import claims_named, decided_in, visits_of

TIMELINE_ITEMS = 200
MOST_SEGMENTS = 50
MOST_CONFLICTS = 3
MOST_RULED = 500


async def person(view: View) -> Response:
    query = view.query(PageOfTimeline)
    person_id = read_id(view.request.path_params["person_id"], "p")
    async with view.state.database.snapshot() as reader:
        try:
            other = await report.merged_into(reader, view.site, person_id)
        except NotFound:
            return await _taken_out(view, reader, person_id)
        if other:
            return view.go(f"/people/p{other}", query.said)
        known = await _known(view, reader, person_id)
        told = await story(view, reader, Subject(PERSON, person_id), query.cursor)
    return view.page("person.html", stages=STAGES, **known, **told)


async def _known(view: View, reader: Reader, person_id: int) -> dict[str, Any]:
    """What stands beside the timeline."""
    found = await report.person(reader, view.site, person_id)
    team = await users.everybody(reader)
    merged = sorted({int(one[1:]) for merge in found.merges for one in merge.persons})
    known_as = await given(reader, view.site, merged)
    return {
        "person": found,
        "users": [u for u in team if not u.disabled and u.scope(view.site.site_id)],
        "by": names_of(team),
        "touches": await touches(reader, view.site, person_id),
        "waiting": await conflicts.open_about(reader, view.site, person_id, MOST_CONFLICTS),
        "merged": {f"p{claim}": text for claim, text in known_as.items()},
    }


async def _taken_out(view: View, reader: Reader, person_id: int) -> Response:
    """Who is nobody any more by somebody's word, and the way back. Raises `NotFound`."""
    who = (await given(reader, view.site, [person_id])).get(person_id)
    ruled = [one for one in await ruled_apart(reader, view.site, MOST_RULED) if one.who == who]
    if who is None or not ruled:
        raise NotFound("no such person")
    by = names_of(await users.everybody(reader))
    return view.page("person_apart.html", 404, ruled=ruled[0], person_id=f"p{person_id}", by=by)


async def curve(view: View) -> Response:
    """The part of a person's page that draws the score over time."""
    view.query(PageQuery)
    person_id = read_id(view.request.path_params["person_id"], "p")
    snapshots = view.state.database.snapshot
    found = await score_curve(snapshots, view.site, person_id, view.rules, view.now)
    days = [date.fromisoformat(point.date) for point in found.points]
    return view.page(
        "person_curve.html",
        chart={
            "x": "Day",
            "unit": "",
            "labels": [f"{day:%-d %b}" for day in days],
            "titles": [f"{day:%a, %-d %b %Y}" for day in days],
            "series": [{"name": "Score", "values": [p.score for p in found.points], "steps": True}],
        },
    )


async def in_segments(view: View) -> Response:
    """The part of a person's page that says which segments they are in, and because of what."""
    view.query(PageQuery)
    person_id = read_id(view.request.path_params["person_id"], "p")
    site, now = view.site, view.now
    async with view.state.database.snapshot() as reader:
        await report.merged_into(reader, site, person_id)  # nobody's id is no page
        known = await segments.segments(reader, site, view.labels, now)
        found = [
            (
                one,
                await segments.membership(
                    reader, site, int(one.id[1:]), person_id, view.labels, now
                ),
            )
            for one in known.items[:MOST_SEGMENTS]
        ]
    return view.page("person_segments.html", found=[one for one in found if one[1].is_in])


def names_of(team: Sequence[User]) -> Callable[[str], str]:
    """Makes `user u3` the name of that user, where there is one; anything else stays."""
    names = {f"user u{user.user_id}": user.called for user in team}
    return lambda author: names.get(author, author)


async def visitor(view: View) -> Response:
    query = view.query(PageOfTimeline)
    visitor_id = read_id(view.request.path_params["visitor_id"], "v")
    async with view.state.database.snapshot() as reader:
        found = await visitors.visitor(reader, view.site, visitor_id)
        told = await story(view, reader, Subject(VISITOR, visitor_id), query.cursor)
    return view.page("visitor.html", visitor=found, **told)


async def story(view: View, reader: Reader, subject: Subject, cursor: str) -> dict[str, Any]:
    """The timeline folded into visits."""
    page = Paging(TIMELINE_ITEMS, cursor)
    found = await timeline.timeline(reader, view.site, subject, "all", page)
    sessions = sorted({int(item.session[1:]) for item in found.items if item.session})
    facts = await visit_facts(reader, view.site, sessions)
    merged = sorted(claims_named(found.items))
    visits = visits_of(found.items, facts, view.zone, await given(reader, view.site, merged))
    decided = decided_in(visits)
    for seq, told in (await tellings(reader, view.site, sorted(decided))).items():
        decided[seq].tellings = told
    return {"visits": visits, "next": found.next}
