"""Where the demo's visitors come from: a referrer, a campaign, and the page they land on."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random

from server.demo.content import POSTS

_POSTS = tuple(post.path for post in POSTS)
_TOKEN = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"  # noqa: S105


@dataclass(frozen=True)
class Arrival:
    """The first address of a visit and what linked to it."""

    path: str
    query: str = ""
    referrer: str = ""


def _direct(rng: Random, _at: int) -> Arrival:
    return Arrival(rng.choices(("/", "/pricing", "/docs", "/product"), (7, 1, 1, 1))[0])


def _search(rng: Random, _at: int) -> Arrival:
    engine = rng.choices(
        ("https://www.google.com/", "https://www.bing.com/", "https://duckduckgo.com/",
         "https://www.ecosia.org/"),
        (78, 10, 8, 4),
    )[0]  # fmt: skip
    landings = ("/", "/product", "/pricing", *_POSTS, "/docs/ovens-and-proofers")
    path = rng.choices(landings, (6, 3, 2, 3, 4, 2, 3, 2))[0]
    return Arrival(path, referrer=engine)


def _linkedin(rng: Random, _at: int) -> Arrival:
    path = rng.choice((*_POSTS, "/", "/careers"))
    query = "" if rng.random() < 0.4 else "utm_source=linkedin&utm_medium=social"
    return Arrival(path, query, "https://www.linkedin.com/")


def _letter(rng: Random, at: int) -> Arrival:
    month = datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m")
    query = f"utm_source=night-shift&utm_medium=email&utm_campaign=letter-{month}"
    return Arrival(rng.choice((*_POSTS, "/ebook")), query)


def _ads(rng: Random, _at: int) -> Arrival:
    click = "Cj0KCQiA" + "".join(rng.choices(_TOKEN, k=56))
    campaign = rng.choice(("bakery-planning", "bakery-planning", "brand"))
    query = f"utm_source=google&utm_medium=cpc&utm_campaign={campaign}&gclid={click}"
    path = rng.choices(("/", "/pricing", "/demo", "/ebook"), (4, 3, 2, 2))[0]
    return Arrival(path, query, "https://www.google.com/")


def _referral(rng: Random, _at: int) -> Arrival:
    page = rng.choice(
        (
            "https://crumb-journal.example/",
            "https://crumb-journal.example/software-for-bakeries",
            "https://millers-guild.example/members/tools",
            "https://forum.deck-oven.example/t/planning-without-a-spreadsheet",
        )
    )
    return Arrival(rng.choice(("/", "/product", _POSTS[0], _POSTS[1])), referrer=page)


def _assistant(rng: Random, _at: int) -> Arrival:
    path = rng.choice(("/", "/pricing", "/product", _POSTS[1], "/docs"))
    host = rng.choices(("chatgpt.com", "www.perplexity.ai", "claude.ai", "gemini.google.com"),
                       (5, 2, 2, 1))[0]  # fmt: skip
    # This one marks its links itself; the others only send a referrer.
    query = "utm_source=chatgpt.com" if host == "chatgpt.com" else ""
    return Arrival(path, query, f"https://{host}/")


SOURCES: dict[str, tuple[int, Callable[[Random, int], Arrival]]] = {
    "search": (29, _search),
    "direct": (22, _direct),
    "ads": (12, _ads),
    "linkedin": (11, _linkedin),
    "letter": (10, _letter),
    "referral": (9, _referral),
    "assistant": (7, _assistant),
}


def arrive(rng: Random, at: int, source: str = "") -> Arrival:
    """An arrival from the source named, or from any, by weight."""
    weights = [weight for weight, _ in SOURCES.values()]
    name = source or rng.choices(list(SOURCES), weights)[0]
    return SOURCES[name][1](rng, at)
