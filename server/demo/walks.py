"""How somebody moves through the demo site: which page comes next, how long it is read."""

from dataclasses import dataclass
from random import Random

from server.demo.cast import Person
from server.demo.content import DOCS, POSTS

_POSTS = tuple(post.path for post in POSTS)
_DOCS = tuple(doc.path for doc in DOCS)

_AFTER_POST = {"/ebook": 2, "/blog": 2, "/product": 2, "/pricing": 1, "/": 1} | dict.fromkeys(
    _POSTS, 1
)
_AFTER_DOC = {"/docs": 2, "/pricing": 1, "/product": 1} | dict.fromkeys(_DOCS, 2)
#: Where people go from a page, by weight.
NEXT: dict[str, dict[str, int]] = {
    "/": {"/product": 6, "/pricing": 4, "/blog": 2, "/docs": 1, "/demo": 1, "/careers": 1},
    "/product": {"/pricing": 5, "/docs": 3, "/demo": 1, "/": 1, "/ebook": 1},
    "/pricing": {"/product": 4, "/docs": 2, "/demo": 1, "/contact": 1, "/": 2},
    "/docs": dict.fromkeys(_DOCS, 1),
    "/blog": dict.fromkeys(_POSTS, 1),
    "/careers": {"/": 2, "/product": 1, "/blog": 2},
    "/ebook": {"/": 1, "/blog": 2, "/product": 1},
    "/demo": {"/pricing": 2, "/product": 1, "/": 1},
    "/contact": {"/": 1, "/docs": 1},
    **dict.fromkeys(_POSTS, _AFTER_POST),
    **dict.fromkeys(_DOCS, _AFTER_DOC),
}
#: Seconds a page takes to read to its end.
_LENGTH = {"/": 45, "/product": 70, "/pricing": 55, "/careers": 50, "/blog": 20, "/docs": 20}
_LENGTH |= dict.fromkeys(_POSTS, 150) | dict.fromkeys(_DOCS, 100)


@dataclass(frozen=True)
class Stop:
    """One page view: how long it was really read, how far, and the form met on it.

    A form with a `person` was sent, one without was begun and left.
    """

    path: str
    seconds: float
    scroll: int
    form: str = ""
    person: Person | None = None
    download: str = ""


def read(rng: Random, path: str, interest: float = 0.6) -> Stop:
    """Read a page; `interest` 1 is to the end, and a deep reader may be slow."""
    length = _LENGTH.get(path, 30)
    share = min(1.25, max(0.06, rng.gauss(interest, 0.3)))
    scroll = min(100, max(18, round(20 + 80 * share + rng.uniform(-8, 8))))
    return Stop(path, round(length * share * rng.uniform(0.8, 1.25) + 2, 2), scroll)


def walk(rng: Random, start: str, pages: int, interest: float = 0.6) -> list[Stop]:
    """A walk of at most `pages` pages that never returns to where it has just been."""
    stops = [read(rng, start, interest)]
    seen = {start}
    while len(stops) < pages:
        ways = {to: w for to, w in NEXT.get(stops[-1].path, {"/": 1}).items() if to not in seen}
        if not ways:
            break
        path = rng.choices(list(ways), list(ways.values()))[0]
        seen.add(path)
        stops.append(read(rng, path, interest))
    return stops
