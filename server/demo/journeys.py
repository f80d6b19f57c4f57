"""Three weeks of a small company's website: the same seed and moment, the same journeys."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from operator import attrgetter
from random import Random

from server.demo import stories
from server.demo.agents import PHONES, ROBOTS, Agent, pick_agent
from server.demo.cast import person
from server.demo.sources import arrive
from server.demo.stories import Story
from server.demo.wire import Batch, Browser, Tab, text_id

DAY_MS = 86_400_000
ORIGIN = "https://www.ovenbird.example"
#: The longest visit there is: it starts this long before now at the latest, and is over by now.
_ROOM_MS = 25 * 60_000
#: Visits of one browser begin this far apart: two are never one session.
_GAP_MS = 2 * 3_600_000
_ZONES = (
    ("Europe/London", "en-GB", 0),
    ("Europe/Dublin", "en-IE", 0),
    ("Europe/Berlin", "de-DE", 1),
    ("Europe/Paris", "fr-FR", 1),
    ("Europe/Stockholm", "sv-SE", 1),
    ("America/New_York", "en-US", -5),
    ("America/Chicago", "en-US", -6),
)


@dataclass(frozen=True)
class _Role:
    """A browser and what is done with it; `recent` ones have been here within the last hours."""

    agent: Agent
    story: Story
    is_robot: bool = False
    recent: bool = False


def journeys(
    *,
    now_ms: int,
    key: str = "demo",
    origin: str = ORIGIN,
    visitors: int = 300,
    weeks: int = 3,
    seed: int = 1,
) -> Iterator[Batch]:
    """Every batch that `visitors` browsers sent in the `weeks` before `now_ms`, in time order."""
    since_ms = now_ms - weeks * 7 * DAY_MS
    batches: list[Batch] = []
    for number, role in enumerate(_roles(Random(f"{seed}:roles"), visitors)):
        # The seed alone decides who does what; ids and times also depend on the moment, so that
        # a second run makes new browsers of the same people and never half-overwrites the first.
        rng = Random(f"{seed}:{now_ms}:{number}")
        batches += _live(rng, role, since_ms, now_ms, key, origin)
    return iter(sorted(batches, key=attrgetter("at_ms")))


def _roles(rng: Random, visitors: int) -> list[_Role]:
    """About nine in a hundred are people we get to know, two are robots, the rest nobody knows."""
    known = list(_known(rng, max(1, round(visitors * 0.09))))[:visitors]
    robots = [
        _Role(ROBOTS[n % len(ROBOTS)], stories.robot(rng), is_robot=True)
        for n in range(min(visitors // 50, visitors - len(known)))
    ]
    rest = visitors - len(known) - len(robots)
    others = [
        _Role(pick_agent(rng), stories.anonymous(rng), recent=n % 25 == 7) for n in range(rest)
    ]
    return known + robots + others


def _known(rng: Random, count: int) -> Iterator[_Role]:
    """The browsers of the first `count` people: most have one, some two, and two people share."""
    number = 0
    while number < count:
        who = person(number)
        if number == 6 and number + 1 < count:
            yield _Role(pick_agent(rng), stories.shared_computer(rng, who, person(number + 1)))
            number += 2
            continue
        usual = stories.KNOWN[number % len(stories.KNOWN)]
        kind = stories.mistyped if number == 8 else usual
        yield _Role(pick_agent(rng), kind(rng, who), recent=number % 7 == 0)
        if number in (0, 9, 16) or (number > 16 and number % 20 == 16):
            yield _Role(rng.choice(PHONES), stories.second_device(rng, who))
        number += 1


def _live(
    rng: Random, role: _Role, since_ms: int, now_ms: int, key: str, origin: str
) -> list[Batch]:
    zone, language, offset = rng.choice(_ZONES)
    browser = Browser(
        visitor=text_id(rng.getrandbits(128), 16),
        agent=role.agent,
        width=rng.choice(role.agent.widths),
        language=language,
        zone=zone,
        consent="granted" if rng.random() < 0.85 else "unknown",
        flags=2 if role.is_robot else 0,
    )
    batches: list[Batch] = []
    starts = _starts(rng, len(role.story), since_ms, now_ms, offset, recent=role.recent)
    for visit, start_ms in zip(role.story, starts, strict=True):
        arrival = arrive(rng, start_ms, visit.source)
        stops = visit.stops_from(rng, arrival.path)
        batches += Tab(rng, browser, key, origin, start_ms).visit(arrival, stops)
    return batches


def _starts(
    rng: Random, count: int, since_ms: int, now_ms: int, offset: int, *, recent: bool
) -> list[int]:
    """When the visits begin: on different days if there are enough, at the hours of an office."""
    last_ms = now_ms - _ROOM_MS
    day_count = max(1, (last_ms - since_ms) // DAY_MS)
    first = int(day_count * rng.random() ** 0.85)  # the company is growing
    # Later visits follow within days, and the whole story fits before today.
    gaps = [0, *(rng.choices((1, 2, 3, 4, 6), (4, 4, 3, 2, 1))[0] for _ in range(count - 1))]
    span = sum(gaps)
    first = max(0, min(first, day_count - 1 - span))
    moments = []
    for gap in gaps:
        first += gap
        moments.append(_moment(rng, since_ms + first * DAY_MS, offset))
    if recent:
        last_ms = now_ms - rng.randint(_ROOM_MS, 4 * 3_600_000)
        moments[-1] = last_ms
    return _apart(moments, since_ms, last_ms)


def _moment(rng: Random, day_ms: int, offset: int) -> int:
    """A moment of the day that begins at `day_ms`: mostly a weekday's office hours there."""
    day_ms -= day_ms % DAY_MS
    weekday = datetime.fromtimestamp(day_ms / 1000, UTC).weekday()
    if weekday >= 5 and rng.random() < 0.6:
        day_ms -= (weekday - 4) * DAY_MS  # moved to the Friday before
    hour = rng.gauss(11.5, 3.2) if rng.random() < 0.85 else rng.uniform(0, 24)
    return day_ms + round((min(23.9, max(0.0, hour)) - offset) * 3_600_000)


def _apart(moments: list[int], since_ms: int, last_ms: int) -> list[int]:
    """The moments in order, at least `_GAP_MS` apart, pressed into the time there is."""
    spread: list[int] = []
    for place, at in enumerate(sorted(moments)):
        earliest = spread[-1] + _GAP_MS if spread else since_ms
        latest = last_ms - (len(moments) - 1 - place) * _GAP_MS
        spread.append(min(max(at, earliest), latest))
    return spread
