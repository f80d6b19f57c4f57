"""Who does what: for each visitor of the demo a list of visits, each with its pages and forms."""

from dataclasses import dataclass, replace
from random import Random

from server.demo.cast import Person
from server.demo.content import EBOOK_FILE, POSTS
from server.demo.forms import BY_KEY
from server.demo.walks import Stop, read, walk


@dataclass(frozen=True)
class Visit:
    """A visit before it has a time. Without `stops` it is a walk from wherever its source leads."""

    stops: tuple[Stop, ...] = ()
    source: str = ""
    pages: int = 1
    interest: float = 0.6

    def stops_from(self, rng: Random, landing: str) -> tuple[Stop, ...]:
        return self.stops or tuple(walk(rng, landing, self.pages, self.interest))


Story = list[Visit]


def _free(pages: int, source: str = "", interest: float = 0.6) -> Visit:
    return Visit((), source, pages, interest)


def _sent(rng: Random, path: str, key: str, who: Person) -> tuple[Stop, Stop]:
    """Fill in a form on a page, and read the thank-you page."""
    filled = Stop(path, rng.uniform(35, 110), rng.randint(70, 100), key, who)
    thanks = replace(read(rng, BY_KEY[key].thanks), seconds=rng.uniform(5, 20), scroll=100)
    if key == "ebook":
        thanks = replace(thanks, download=f"/assets/{EBOOK_FILE}")
    return filled, thanks


def _fixed(*stops: Stop, source: str = "direct") -> Visit:
    return Visit(stops, source)


def _letter_signup(rng: Random, who: Person, source: str = "") -> Visit:
    post = rng.choice(POSTS).path
    before = [] if rng.random() < 0.5 else [read(rng, "/blog")]
    return _fixed(*before, *_sent(rng, post, "newsletter", who), source=source or "search")


def _ebook(rng: Random, who: Person) -> Visit:
    post = read(rng, rng.choice(POSTS).path, 0.95)
    return _fixed(post, *_sent(rng, "/ebook", "ebook", who), source="linkedin")


def _considered(rng: Random) -> Visit:
    return _fixed(read(rng, "/product", 0.8), read(rng, "/pricing", 0.9), source="search")


def _demo(rng: Random, who: Person, source: str = "direct") -> Visit:
    before = [read(rng, "/", 0.6), read(rng, "/pricing", 1.0)]
    return _fixed(*before, *_sent(rng, "/demo", "demo", who), source=source)


def _contact(rng: Random, who: Person) -> Visit:
    return _fixed(read(rng, "/pricing", 0.8), *_sent(rng, "/contact", "contact", who), source="ads")


def subscriber(rng: Random, who: Person) -> Story:
    more = [_free(rng.randint(1, 3), "letter", 0.9) for _ in range(rng.randint(0, 1))]
    return [_letter_signup(rng, who), *more]


def researcher(rng: Random, who: Person) -> Story:
    before = [_free(2)] if rng.random() < 0.4 else []
    after = [_free(rng.randint(1, 3), "", 0.8)] if rng.random() < 0.4 else []
    return [*before, _ebook(rng, who), *after]


def asker(rng: Random, who: Person) -> Story:
    return [_free(rng.randint(2, 4)), _contact(rng, who)]


def buyer(rng: Random, who: Person) -> Story:
    """Looks twice, asks for a demo, and comes back to the prices before the call."""
    story = [_free(rng.randint(2, 4), "", 0.7), _considered(rng), _demo(rng, who)]
    if rng.random() < 0.6:
        story.append(_fixed(read(rng, "/pricing", 1.0), read(rng, "/docs/first-week", 0.8)))
    return story


def grower(rng: Random, who: Person) -> Story:
    """From a letter to a workbook to a demo, over two weeks."""
    return [_letter_signup(rng, who), _ebook(rng, who), _considered(rng), _demo(rng, who, "letter")]


def second_device(rng: Random, who: Person) -> Story:
    """The same person elsewhere: the address typed into another browser joins the two."""
    return [_free(2), _letter_signup(rng, who, "linkedin")]


def mistyped(rng: Random, who: Person) -> Story:
    """Two letters of the address swapped the first time: who that is, somebody has to say."""
    local, _, domain = who.email.partition("@")
    slipped = replace(who, email=f"{local[0]}{local[2]}{local[1]}{local[3:]}@{domain}")
    return [_letter_signup(rng, slipped), _ebook(rng, who)]


def shared_computer(rng: Random, first: Person, second: Person) -> Story:
    """The office machine: two colleagues, one browser, on different days."""
    return [_free(3), _ebook(rng, first), _demo(rng, second), _free(2, "direct")]


KNOWN = (
    buyer,
    subscriber,
    researcher,
    subscriber,
    asker,
    researcher,
    subscriber,
    grower,
    subscriber,
    researcher,
)


def anonymous(rng: Random) -> Story:
    """Most people never say who they are."""
    kind = rng.choices((_glance, _look, _reader, _considering, _applicant), (48, 27, 11, 9, 5))[0]
    return kind(rng)


def _glance(_rng: Random) -> Story:
    return [_free(1, "", 0.35)]


def _look(rng: Random) -> Story:
    return [_free(rng.randint(2, 5)) for _ in range(rng.choices((1, 2), (7, 3))[0])]


def _reader(rng: Random) -> Story:
    return [_free(rng.randint(1, 3), "", 1.0) for _ in range(rng.randint(1, 4))]


def _considering(rng: Random) -> Story:
    """Compares, comes back, begins the demo form and thinks again."""
    story = [_free(rng.randint(2, 5), "", 0.7), _considered(rng)]
    if rng.random() < 0.6:
        left = Stop("/demo", rng.uniform(15, 60), 80, "demo")
        story.append(_fixed(read(rng, "/pricing", 0.9), left))
    return story


def _applicant(rng: Random) -> Story:
    return [_fixed(read(rng, "/careers", 1.0), read(rng, "/", 0.7), source="linkedin")]


def robot(rng: Random) -> Story:
    """Fetches pages one by one and reads none."""
    pages = ["/", "/pricing", "/blog", *(post.path for post in POSTS)]
    picked = rng.sample(pages, rng.randint(2, 5))
    return [_fixed(*(Stop(path, 0.4, 25) for path in picked))]
