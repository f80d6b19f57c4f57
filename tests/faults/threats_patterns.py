"""T32: texts made to keep a parser or a pattern busy, at the longest that the doors let in.

Every part that reads a stranger's text is given each of them. The processor's time counts, the best
of three, so that somebody else's work on this machine is none of ours.
"""

import re
import time
from collections.abc import Callable, Iterator
from fnmatch import translate

from server.ingest import emails, limits, private, referrers, urls
from server.ingest.agents import Agents
from server.ingest.channels import touch_of
from server.ingest.fields import MAX_MESSAGE, read_form, read_traits
from server.model import FormRule, PageGroup, PageKey
from server.project.patterns import fits
from tests.faults.row import Fault, Outcome

AGENT_MS, PAGE_MS, FORM_MS = 5.0, 25.0, 100.0
WIRE = limits.EVENT_BYTES
HOSTILE = {
    "letters": "a",
    "digits": "4",
    "digits in groups": "4 1 ",
    "digits with dashes": "1-",
    "cards": "4111 1111 1111 1112 ",
    "at signs": "a@",
    "dots": "a.",
    "addresses": "a@b.c",
    "escapes of escapes": "%2525",
    "escaped letters": "%2541",
    "tokens": "eyJ",
    "pairs": "a=b&",
    "secret pairs": "email=&",
    "session ids": ";sid=",
    "slashes": "/",
    "humps": "aB",
    "question marks": "?",
    "accents": "e\u0301",
    "wide": "\uff21",
    "unseen": "\u200b",
    "punycode": "xn--",
    "brackets": "[",
    "parentheses": "(",
    "browsers": "Chrome/1 Safari/1 ",
    "systems": "Windows NT ",
    "robots": "bot ",
    "versions": "1.",
    "blanks": " ",
    "semicolons": "; ",
}
RULE = FormRule("demo", purpose="lead")
GROUPS = tuple(PageGroup(f"g{n}", ("/*a*a*a*a*a*a*a*b", "/" + "*?" * 20 + "z")) for n in range(20))
STARS = ("*a*a*a*a*a*a*a*b", "*" * 60 + "b", "*aa*aa*aa*aa*b", "a*" * 100 + "b")
Part = tuple[str, float, Callable[[str], object]]


def texts(unit: str, size: int) -> str:
    return (unit * (size // len(unit) + 1))[:size]


def parts(matches: Callable[[str, str], bool]) -> Iterator[Part]:
    """A name, the milliseconds it may take, and what reads a text."""
    agents = Agents()
    page = "https://acme.example/"
    yield "user agent", AGENT_MS, lambda text: agents.read(text[:10_000])
    yield (
        "user agent, late",
        AGENT_MS,
        lambda text: agents.read(f"Mozilla/5.0 (X11; {text[:9_000]}"),
    )
    yield "path", PAGE_MS, lambda text: urls.read_url(page + text)
    yield "path after reset", PAGE_MS, lambda text: urls.read_url(f"{page}reset/{text}")
    yield "query", PAGE_MS, lambda text: urls.read_url(f"{page}?{text}")
    yield "value", PAGE_MS, lambda text: urls.read_url(f"{page}?q={text}")
    yield "campaign", PAGE_MS, lambda text: urls.read_url(f"{page}?utm_source={text}")
    yield "host", PAGE_MS, lambda text: urls.read_url(f"https://{text}/")
    yield "referrer", PAGE_MS, lambda text: urls.read_referrer(f"https://b.example/?q={text}")
    yield "touch", PAGE_MS, lambda text: touch_of("a.example", page + text[:2_000], "", ())
    yield "source", PAGE_MS, lambda text: referrers.known_source(text[:2_000])
    yield "page key", PAGE_MS, lambda text: urls.page_key(page + text[:2_000], PageKey())
    yield "page groups", PAGE_MS, lambda text: urls.groups_of("/" + text[:2_000], GROUPS)
    for stars in STARS:
        yield f"pattern {stars[:9]}", PAGE_MS, lambda text, p=stars: matches(p, text[:150])  # type: ignore[misc]
    yield "e-mail", PAGE_MS, emails.normalise_email
    yield "phone", PAGE_MS, emails.normalise_phone
    yield "words of a name", PAGE_MS, lambda text: private.words_of(text[:200])
    yield "message", FORM_MS, lambda text: read_form("demo", {"message": text}, {}, RULE)
    yield "cards", FORM_MS, lambda text: private.mask_cards(text[:MAX_MESSAGE])
    many = {f"field {n}": n for n in range(200)}
    yield "fields", FORM_MS, lambda text: read_form("demo", {k: text[:110] for k in many}, {}, RULE)
    yield "traits", FORM_MS, lambda text: read_traits({"about": text, "name": text})


def run(matches: Callable[[str, str], bool]) -> Outcome:
    """Every part with every text."""
    wrong: list[str] = []
    slowest: dict[float, float] = {}
    tried = 0
    for name, most, read in parts(matches):
        read(texts("warm up ", WIRE))  # lists are loaded once
        for hostile, unit in HOSTILE.items():
            tried += 1
            took = min(_took(read, chr(65 + n) + texts(unit, WIRE)) for n in range(3))
            slowest[most] = max(slowest.get(most, 0), took)
            if took > most:
                wrong.append(f"{name} of {hostile}: {took:.0f} ms")
    times = ", ".join(f"{took:.1f} of {most:.0f} ms" for most, took in slowest.items())
    note = f"slowest: {times}" + (f"; wrong: {', '.join(wrong[:6])}" if wrong else "")
    return Outcome(tried, tried - len(wrong), note=note)


def _took(read: Callable[[str], object], text: str) -> float:
    began = time.thread_time()
    read(text)
    return (time.thread_time() - began) * 1_000


def by_expression(pattern: str, text: str) -> bool:
    """The control: each star an expression's `.*`, which tries every place of every star."""
    few = re.sub(r"\*+", "*", pattern)[:8]
    greedy = translate(few).replace("(?>", "(?:")
    return re.match(greedy, text + "!") is not None


FAULTS = (
    Fault(
        "T32",
        "bombs for patterns and parsers",
        1,
        lambda _, __: run(fits),
        lambda _: run(by_expression),
    ),
)
