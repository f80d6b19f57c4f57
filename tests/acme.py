"""Acme's first two weeks: people with names, and strangers, for reports and pages to show."""

from typing import NamedTuple

from tests.tracking import DAY, MIN, World

GOOGLE = "https://www.google.com/"


class Known(NamedTuple):
    """Ids inside the site, as the API writes them."""

    ada: str
    ben: str
    eve: str
    stranger: str


async def history(world: World) -> Known:
    """Ada asks for a demo and comes back; Ben takes the newsletter; Eve is hostile; one stays
    unknown."""
    ada, ben, eve, stranger = (world.browser(number) for number in range(1, 5))
    await ada.view("/", r=GOOGLE)
    await ada.read("/pricing")
    world.now += 2 * DAY
    await stranger.view("/", r="https://news.ycombinator.com/")
    await stranger.view("/pricing")
    world.now += DAY
    await ada.view("/pricing")
    await ada.view("/demo")
    await ada.submit(
        "demo",
        email="Ada@Lovelace.example",
        name="Ada Lovelace",
        company="Analytical Engines",
        title="VP of Engineering",
    )
    world.now += 10 * MIN
    await ben.view("/blog", u="https://acme.example/blog?utm_source=mail&utm_medium=email")
    await ben.submit("newsletter", "/blog", email="ben@gmail.com", name="Ben Ångström")
    world.now += DAY
    await eve.send(eve.event("page_view", "/", n="<script>alert(1)</script>"))
    await eve.submit("demo", "/", email="eve@evil.example", name="<img src=x onerror=alert(2)>\"'&")
    world.now += 3 * DAY
    await ada.view("/pricing")
    await ada.send(ada.event("download", "/pricing", d={"href": "https://acme.example/guide.pdf"}))
    world.now += 2 * MIN
    await world.project()
    rows = await world.rows("persons", "email, person_id")
    ids = {email: f"p{person_id}" for email, person_id in rows}
    visitors = await world.rows("subjects", "subject_id", "site_id = 1 AND kind = 0")
    return Known(
        ids["ada@lovelace.example"],
        ids["ben@gmail.com"],
        ids["eve@evil.example"],
        f"v{visitors[0][0]}",
    )


async def mistyped(world: World) -> str:
    """Somebody sends a form twice, with a slip of the finger: the conflict that comes of it."""
    dan = world.browser(60)
    await dan.view("/demo")
    await dan.submit("demo", email="dan@mill.example", name="Dan Mill")
    await dan.submit("demo", email="dna@mill.example", name="Dan Mill")
    await world.project()
    rows = await world.rows("conflicts", "seq", "site_id = 1 AND kind = 'typo'")
    return f"x{rows[-1][0]}-typo"


async def crowd(world: World, count: int) -> None:
    """Many people alike: several share a score and a moment, so that pages must break ties."""
    for number in range(count):
        browser = world.browser(1_000 + number)
        if number % 3:
            world.now += MIN
        await browser.view("/pricing" if number % 2 else "/")
        world.now -= MIN
        await browser.submit(
            "newsletter", "/", email=f"person{number:03}@crowd{number % 4}.example"
        )
        await world.browser(5_000 + number).view("/pricing" if number % 5 else "/")
    await world.project()
