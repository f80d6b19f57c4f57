"""The lists of the page "Today": who is hot and why, what happened, what waits."""

import pytest

from server.model import STAGE_RANK, Door, Event, Kind
from server.reports.crossings import crossings
from server.reports.filters import NO_FILTERS, Chosen, Filters
from server.reports.overview_shapes import Crossing, Today
from server.reports.spans import Span
from server.reports.today import hottest, today_lists
from server.web.commands import decision
from tests.acme import Known, crowd
from tests.tracking import DAY, HOUR, MIN, NOON, World

pytestmark = pytest.mark.anyio
FIRST = NOON // DAY
SPAN = Span(FIRST, FIRST + 30)
LABELS = {"pricing_page": "Pricing page"}
ADA = "ada@lovelace.example"


async def lists(world: World, span: Span = SPAN, filters: Filters = NO_FILTERS) -> Today:
    async with world.database.snapshot() as reader:
        return await today_lists(reader, world.site, span, filters, LABELS)


async def decided(world: World, kind: Kind, person: str, **words: object) -> None:
    said = {"claim": int(person[1:]), "author": "ann"} | words
    await world.writer.append(1, [decision(kind, said, world.now)])
    await world.project()


async def test_the_hottest_and_why(world: World, known: Known) -> None:
    """The highest score first, with the rules that give the most; customers are no news."""
    found = (await lists(world)).hottest
    assert found[0].person.id == known.ada
    scores = [one.person.score for one in found]
    assert scores == sorted(scores, reverse=True)
    assert scores[-1] > 0
    first = found[0].why
    assert len(first) == 3
    assert [one.points for one in first] == sorted((o.points for o in first), reverse=True)
    assert all(one.points > 0 for one in first)
    labels = {one.rule: one.label for each in found for one in each.why}
    assert labels["pricing_page"] == "Pricing page"
    await decided(world, Kind.SET_STAGE, known.ada, stage="customer")
    assert known.ada not in {one.person.id for one in (await lists(world)).hottest}
    async with world.database.snapshot() as reader:
        every = await hottest(reader, world.site, LABELS, customers=True)
    assert every[0].person.id == known.ada


async def test_points_of_a_rule_are_all_it_gives(world: World, known: Known) -> None:
    """Pricing was seen twice: both visits are in the one reason."""
    (ada,) = [o for o in (await lists(world)).hottest if o.person.id == known.ada]
    rows = await world.rows(
        "contributions", "rule, points", f"kind = 1 AND subject_id = {known.ada[1:]}"
    )
    for reason in ada.why:
        assert round(reason.points * 1000) == sum(p for rule, p in rows if rule == reason.rule)


async def test_new_leads_with_where_they_came_from(world: World, known: Known) -> None:
    """The newest first, by the form that made them one; who took the newsletter is none."""
    found = (await lists(world)).leads
    assert [lead.person.id for lead in found] == [known.eve, known.ada]
    eve, ada = found
    assert (ada.person.email, ada.company, ada.form, ada.path) == (
        ADA,
        "Analytical Engines",
        "demo",
        "/demo",
    )
    assert (ada.source, ada.channel) == ("google", "Organic Search")
    assert (eve.form, eve.path, eve.source) == ("demo", "/", "(direct)")
    assert ada.at < eve.at
    assert ada.event
    assert STAGE_RANK[ada.stage] >= STAGE_RANK["lead"]
    assert (await lists(world, Span(FIRST + 4, FIRST + 9))).leads == [eve]
    assert (await lists(world, Span(FIRST + 9, FIRST + 30))).leads == []


async def told(world: World, span: Span = SPAN, filters: Filters = NO_FILTERS) -> list[Crossing]:
    async with world.database.snapshot() as reader:
        return await crossings(reader, world.site, span, 100, Chosen(filters))


async def test_crossings_are_told_once_with_their_cause(world: World, known: Known) -> None:
    """A threshold that moves somebody is one line; what somebody did by hand says who."""
    world.now += HOUR
    await decided(world, Kind.SET_STAGE, known.ben, stage="opportunity")
    found = await told(world)
    assert [(one.person.id, one.stage_from, one.stage_to, one.reason) for one in found] == [
        (known.ben, "subscriber", "opportunity", "hand"),
        (known.eve, "other", "lead", "first_stage"),
        (known.ben, "other", "subscriber", "first_stage"),
        (known.ada, "mql", "sql", "high_intent"),
        (known.ada, "lead", "mql", "mql"),
        (known.ada, "other", "lead", "first_stage"),
    ]
    by_hand, _, _, to_sql, to_mql, to_lead = found
    assert (by_hand.author, by_hand.event, by_hand.score) == ("ann", None, None)
    assert (to_lead.event_kind, to_lead.form, to_lead.path) == ("form_submit", "demo", "/demo")
    assert to_lead.event == to_mql.event
    assert (to_sql.event_kind, to_sql.path) == ("page_view", "/pricing")
    assert to_mql.score is not None
    assert to_mql.score >= 50
    assert [one.at for one in found] == sorted((one.at for one in found), reverse=True)
    assert to_lead.cause_at < to_sql.cause_at < by_hand.cause_at == by_hand.at
    assert await told(world, Span(FIRST + 8, FIRST + 30)) == []


async def test_many_crossings_of_one_moment(world: World) -> None:
    """More than are read in one go, all at the same time: each is told, once."""
    await crowd(world, 90)
    found = await told(world)
    assert len(found) == 90 == len({one.id for one in found})
    assert {one.stage_to for one in found} == {"subscriber"}


async def claimed_elsewhere(world: World) -> None:
    """Ada proves her address on her laptop; a day later somebody says so on a phone."""
    await world.browser(1).view("/docs")
    event = Event(
        event_id=world.next_number().to_bytes(16, "big"),
        kind=Kind.EMAIL_CLICK,
        at=world.now,
        received=world.now,
        visitor=(1).to_bytes(16, "big"),
        door=Door.MAIL,
        data=f'{{"ids":{{"email":"{ADA}"}},"message":"m1","gesture":1}}',
    )
    await world.writer.append(1, [event])
    world.now += DAY
    phone = world.browser(70)
    await phone.view("/demo")
    await phone.submit("demo", email=ADA, name="A. Lovelace")
    await world.project()


async def test_a_claim_that_waits(world: World, known: Known) -> None:
    """Shown at once, in words, whatever the days and filters are; gone once it is decided."""
    await claimed_elsewhere(world)
    (one,) = (await lists(world, Span(0, 0), Filters(source="nowhere"))).waiting
    assert one.what == "Ada Lovelace? asked for a demo from a new device"
    assert one.person is not None
    assert (one.person.id, one.form, one.path) == (known.ada, "demo", "/demo")
    assert one.id.endswith("-quarantined")
    assert one.actions == ["accept", "refuse", "dismiss"]
    await decided(world, Kind.RELEASE, known.ada, claim=int(one.event[1:]))
    assert (await lists(world)).waiting == []


async def test_visitors_worth_a_look(world: World, known: Known) -> None:
    """Who is nobody yet and has points, and what gave them."""
    (one,) = (await lists(world)).visitors
    assert one.visitor.id == known.stranger
    assert one.visitor.score > 0
    assert "pricing_page" in {reason.rule for reason in one.why}


async def test_lists_follow_the_filters(world: World, known: Known) -> None:
    """By everybody's first session: Ada's came from a search, the stranger's from a forum."""
    search, forum = Filters(source="google"), Filters(source="hacker news")
    found = await lists(world, SPAN, search)
    assert [one.person.id for one in found.hottest] == [known.ada]
    assert [lead.person.id for lead in found.leads] == [known.ada]
    assert {one.person.id for one in found.crossings} == {known.ada}
    assert found.visitors == []
    other = await lists(world, SPAN, forum)
    assert [one.visitor.id for one in other.visitors] == [known.stranger]
    assert (other.hottest, other.leads, other.crossings) == ([], [], [])
    both = await lists(world, SPAN, Filters(group="pricing"))
    assert (both.hottest, both.leads) == ([], [])


async def test_what_was_taken_back_is_not_told(world: World) -> None:
    """A form of a robot made a lead; classified as one, it was never."""
    browser = world.browser(3)
    await browser.view("/demo")
    await browser.submit("demo", email="bot@spam.example")
    await world.project()
    assert [one.stage_to for one in await told(world)] != []
    ((visitor_id,),) = await world.rows("visitors", "visitor_id")
    words = {"visitor": visitor_id, "class": "bot", "author": "ann"}
    world.now += MIN
    await world.writer.append(1, [decision(Kind.CLASSIFY, words, world.now)])
    await world.project()
    assert await told(world) == []
    assert (await lists(world)).leads == []
