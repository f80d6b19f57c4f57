"""The fixed workload: 70 % page views, 25 % engagement, 4 % clicks, 1 % forms.

200 user agents, 5,000 URLs, 10 events a visitor, ids that begin with the time as the widget's do.
A connection serves ten visitors in turn, so neighbours in the log belong to different people.
"""

import binascii
import random
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from server.model import Event, FormRule, Kind, SiteSettings

KEY = "kbench"
SETTINGS = SiteSettings(forms=(FormRule("demo"),))
HOST = "www.acme.example"
EVENTS_A_VISITOR = 10
VISITORS_A_CONNECTION = 10
LANGUAGES = ("en-US", "en-GB", "de-DE", "fr-FR", "es-ES", "pt-BR", "nl-NL", "pl-PL")
ZONES = ("Europe/Berlin", "America/New_York", "America/Sao_Paulo", "Asia/Tokyo", "Europe/Paris")
SCREENS = ((1440, "l"), (1920, "l"), (390, "s"), (412, "s"), (820, "m"))
REFERRERS = ("https://www.google.com/", "https://news.example/best-of", "https://www.bing.com/")
SYSTEMS = ("Windows NT 10.0; Win64; x64", "Macintosh; Intel Mac OS X 10_15_7", "X11; Linux x86_64")
HEADER = (
    "POST /e HTTP/1.1\r\nHost: t.acme.example\r\nConnection: keep-alive\r\nContent-Length: %d\r\n"
    "User-Agent: %s\r\nContent-Type: text/plain;charset=UTF-8\r\nAccept: */*\r\n"
    "Origin: https://www.acme.example\r\nReferer: https://www.acme.example/\r\n"
    "Accept-Encoding: gzip, deflate, br\r\nAccept-Language: en-US,en;q=0.9\r\n\r\n%s"
)


class Shape(NamedTuple):
    """What visitors do where it is not the usual: how many events each has, and how many characters
    their addresses, no two of which are alike (0: the 5,000 usual ones). `views`: nothing else."""

    events: int = EVENTS_A_VISITOR
    address: int = 0
    views: bool = False


USUAL = Shape()
SHAPES = {
    "usual": USUAL,
    "busy": Shape(events=500, views=True),
    "long": Shape(address=1_900, views=True),
}


class Planned(NamedTuple):
    """One event before it is put into the wire's or the log's form."""

    event_id: bytes
    kind: Kind
    page: int
    first: bool
    page_view: bytes | None
    number: int


class Person(NamedTuple):
    """One visitor: 128 bits, a user agent, a screen, where it came from."""

    key: bytes
    agent: str
    screen: str
    referrer: str
    number: int


def agents() -> list[str]:
    """200 user agents of real shape."""
    return [
        f"Mozilla/5.0 ({SYSTEMS[i % 3]}) AppleWebKit/537.36 (KHTML, like Gecko)"
        f" Chrome/{100 + i // 3}.0.0.0 Safari/537.36"
        for i in range(200)
    ]


def urls() -> list[str]:
    """5,000 addresses: 2 % pricing, 2 % demo or contact, the rest content."""
    folders = {0: "pricing", 1: "demo", 2: "contact", 3: "pricing"}
    return [
        f"https://{HOST}/{folders.get(i % 100, 'learn')}/article-{i}-about-things"
        for i in range(5_000)
    ]


def text_id(value: bytes) -> str:
    text = binascii.b2a_base64(value, newline=False).decode().rstrip("=")
    return text.replace("+", "-").replace("/", "_")


class Workload:
    """Visitors and their events, the same for the same seed. `now` is the time in the ids, ms;
    `key` the site's public key, `shape` what differs from it on the wire."""

    def __init__(self, seed: int, now: int, key: str = KEY, shape: Shape = USUAL) -> None:
        self.key = key
        self.shape = shape
        self.random = random.Random(seed)
        self.now = now
        self.agents = agents()
        self.urls = urls()
        self.made = 0

    def person(self) -> Person:
        choose = self.random
        width, size = SCREENS[choose.randrange(5)]
        screen = (
            f'{{"l":"{choose.choice(LANGUAGES)}","sc":"{size}","w":{width},'
            f'"z":"{choose.choice(ZONES)}"}}'
        )
        referrer = REFERRERS[choose.randrange(3)] if choose.random() < 0.3 else ""
        self.made += 1
        key = choose.randbytes(16)
        return Person(key, self.agents[choose.randrange(200)], screen, referrer, self.made)

    def event_id(self, age: int = 0) -> bytes:
        """Time first; clocks and queues of browsers differ by seconds."""
        at = self.now + age + int(self.random.random() * 5_000)
        return at.to_bytes(6, "big") + self.random.randbytes(10)

    def visit(self, age: int = 0, events: int = EVENTS_A_VISITOR) -> Iterator[Planned]:
        """The events of one visitor: the first is a page view."""
        choose = self.random.random
        view = b""
        page = 0
        for number in range(events):
            chance = choose() if number and not self.shape.views else 1.0
            event_id = self.event_id(age)
            if chance > 0.333:
                kind, view = Kind.PAGE_VIEW, event_id
                page = int(choose() * 5_000)
            elif chance > 0.055:
                kind = Kind.ENGAGEMENT
            else:
                kind = Kind.CLICK if chance > 0.011 else Kind.FORM_SUBMIT
            related = view if kind is Kind.ENGAGEMENT else None
            yield Planned(event_id, kind, page, number == 0, related, number)

    # ------------------------------------------------------------ the wire

    def requests(self, count: int, batch: int) -> Iterator[list[bytes]]:
        """Streams of whole HTTP requests of `batch` events, `count` in all, one stream after the
        other for ten visitors served in turn; a stream keeps to the order of its visitors."""
        made = 0
        while made < count:
            visitors = [self._visitor_requests(batch) for _ in range(VISITORS_A_CONNECTION)]
            stream = [part for turn in zip(*visitors, strict=True) for part in turn]
            made += len(stream)
            yield stream

    def _visitor_requests(self, batch: int) -> list[bytes]:
        person = self.person()
        count = max(batch, self.shape.events)  # a request is one visitor's
        events = [self._wire(person, planned) for planned in self.visit(0, count)]
        parts = [events[i : i + batch] for i in range(0, len(events), batch)]
        return [self._request(person, part) for part in parts]

    def _wire(self, person: Person, planned: Planned) -> str:
        page = planned.page
        more = ""
        if planned.first and person.referrer:
            more = f',"r":"{person.referrer}"'
        if planned.page_view is not None:
            more += f',"p":"{text_id(planned.page_view)}"'
        return (
            f'{{"i":"{text_id(planned.event_id)}","y":"{planned.kind.word}","t":{self.now},'
            f'"u":"{self._address(planned)}","n":"Article {page} about things"{more},'
            f'"q":{planned.number},"d":{wire_data(person, planned)}}}'
        )

    def _address(self, planned: Planned) -> str:
        known, length = self.urls[planned.page], self.shape.address
        return f"{known}/{planned.event_id.hex()}/".ljust(length, "x") if length else known

    def _request(self, person: Person, events: Sequence[str]) -> bytes:
        body = (
            f'{{"x":1,"b":"1.0","k":"{self.key}","v":"{text_id(person.key)}","t":{self.now},'
            f'"c":"unknown","s":"AAAAAAAAAAE","f":0,"e":[{",".join(events)}]}}'
        )
        return (HEADER % (len(body), person.agent, body)).encode()

    # ------------------------------------------------------------ the log

    def events(self, count: int) -> Iterator[list[Event]]:
        """The same workload as events ready to append, a second for a hundred visitors."""
        made = 0
        while made < count:
            people = [self.person() for _ in range(100)]
            age = made
            visits = [list(self.visit(age)) for _ in people]
            turns = zip(*visits, strict=True)
            ready = [
                self._event(person, planned, self.now + age)
                for turn in turns
                for person, planned in zip(people, turn, strict=True)
            ]
            made += len(ready)
            yield ready

    def _event(self, person: Person, planned: Planned, at: int) -> Event:
        page_view = planned.kind is Kind.PAGE_VIEW
        return Event(
            event_id=planned.event_id,
            kind=planned.kind,
            at=at,
            received=at,
            visitor=person.key,
            tab=1,
            q=planned.number,
            url=self.urls[planned.page],
            title=f"Article {planned.page} about things",
            referrer=person.referrer if planned.first else "",
            agent=person.agent,
            screen=person.screen if page_view else "",
            page_view=planned.page_view,
            data="" if page_view else log_data(person, planned),
        )


def wire_data(person: Person, planned: Planned) -> str:
    """`d` as the widget sends it."""
    match planned.kind:
        case Kind.PAGE_VIEW:
            return person.screen
        case Kind.ENGAGEMENT:
            number = planned.number % EVENTS_A_VISITOR
            return f'{{"ms":{3_000 + 7_000 * number},"scroll":{10 * number}}}'
        case Kind.CLICK:
            return '{"href":"https://docs.acme.example/start","text":"Read the docs"}'
        case _:
            fields = f'{{"email":"{email(person, planned)}","name":"Ann Example"}}'
            return f'{{"form":"demo","fields":{fields}}}'


def email(person: Person, planned: Planned) -> str:
    return f"ann{person.number}.{planned.event_id[-4:].hex()}@firm{person.number % 997}.example"


def log_data(person: Person, planned: Planned) -> str:
    """`data` as it is stored."""
    if planned.kind is not Kind.FORM_SUBMIT:
        return wire_data(person, planned)
    address = email(person, planned)
    return (
        f'{{"fields":{{"email":"{address}","name":"Ann Example"}},"form":"demo",'
        f'"ids":{{"email":"{address}"}},"traits":{{"email":"{address}","name":"Ann Example"}}}}'
    )
