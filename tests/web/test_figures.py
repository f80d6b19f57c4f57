"""Figures by API: which days, beside which, of whom; and the lists of the page "Today"."""

import pytest

from tests.office import Office

pytestmark = [pytest.mark.anyio, pytest.mark.slow]
ONE_ENGINE = pytest.mark.parametrize("place", ["sqlite"], indirect=True)


async def test_an_overview_with_everything(office: Office) -> None:
    """What the first version answered is still there, and what came since beside it."""
    found = await office.json("/overview")
    assert {"from", "to", "zone", "total", "previous", "days"} < set(found)
    assert {"visitors", "sessions", "page_views", "cookieless_views", "submissions"} < set(
        found["total"]
    )
    assert {row["name"] for row in found["channels"]} >= {"Direct", "Email"}
    assert set(found["sources"][0]) == {
        *("name", "sessions", "new_visitors", "leads", "conversion", "submissions")
    }
    assert found["compared"]["kind"] == "before"
    assert len(found["days"]) == len(found["trend"]["dates"]) == 28
    assert [step["stage"] for step in found["funnel"]] == [
        *("visitor", "lead", "mql", "sql", "customer")
    ]
    assert found["filters"] == {}


async def test_filters_live_in_the_address(office: Office) -> None:
    """Exact values, any together; what is not known has a name of its own."""
    found = await office.json("/overview", source="google", device="desktop", compare="year")
    assert found["filters"] == {"source": "google", "device": "desktop"}
    assert (found["total"]["visitors"], found["total"]["leads"]) == (1, 1)
    assert found["total"]["cookieless_views"] is None
    assert found["compared"]["kind"] == "year"
    assert [row["name"] for row in found["sources"]] == ["google"]
    assert (await office.json("/overview", country="(none)", compare="none"))["previous"] is None
    assert (await office.json("/overview", campaign="nothing"))["total"]["sessions"] == 0
    mail = await office.json("/overview", group="pricing")
    assert [row["name"] for row in mail["landings"]] == ["/pricing"]


@ONE_ENGINE
async def test_a_wrong_filter_is_named(office: Office) -> None:
    for query, sentence in (
        ("sauce=google", "parameter `sauce` is unknown; valid are: from, to, compare, source"),
        ("compare=never", "parameter `compare`: Invalid enum value 'never'; valid are: "),
        ("group=nowhere", "parameter `group`: the site has no such page group; valid are: pricing"),
        ("source=a&source=b", "parameter `source` is given twice"),
    ):
        for path in ("overview", "today", "overview/parts"):
            answer = await office.get(f"/api/v1/sites/1/{path}?{query}")
            assert answer.status_code == 400, (path, query)
            assert sentence in answer.json()["detail"]


async def test_parts_go_on(office: Office) -> None:
    """Page after page by the link; another list's cursor is refused."""
    whole = (await office.json("/overview/parts", by="landing"))["items"]
    assert len(whole) == 3
    path: str | None = "/api/v1/sites/1/overview/parts?by=landing&limit=2"
    walked = []
    while path:
        answer = await office.get(path)
        walked += answer.json()["items"]
        path = answer.links.get("next", {}).get("url")
    assert walked == whole
    first = await office.json("/overview/parts", by="landing", limit=1)
    answer = await office.get(f"/api/v1/sites/1/overview/parts?by=source&cursor={first['next']}")
    assert answer.status_code == 400


async def test_today(office: Office) -> None:
    """People with reasons in words, and what happened."""
    found = await office.json("/today")
    assert found["hottest"][0]["person"]["id"] == office.known.ada
    labels = {reason["label"] for one in found["hottest"] for reason in one["why"]}
    assert "Read the pricing page" in labels
    assert [lead["person"]["id"] for lead in found["leads"]] == [
        office.known.eve,
        office.known.ada,
    ]
    assert {one["to"] for one in found["crossings"]} >= {"lead", "mql", "sql"}
    assert [one["visitor"]["id"] for one in found["visitors"]] == [office.known.stranger]
    assert found["waiting"] == []
