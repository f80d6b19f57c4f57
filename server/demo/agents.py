"""The browsers of the demo's visitors, as they name themselves, and a few robots."""

from dataclasses import dataclass
from random import Random


@dataclass(frozen=True)
class Agent:
    """A browser: its user agent, the screen class the tracker reports, usual window widths."""

    text: str
    screen: str
    widths: tuple[int, ...]

    @property
    def handheld(self) -> bool:
        return self.screen != "l"


_WIN = "Mozilla/5.0 (Windows NT 10.0; Win64; x64)"
_MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)"
_LINUX = "Mozilla/5.0 (X11; Linux x86_64)"
_ANDROID = "Mozilla/5.0 (Linux; Android 10; K)"
_IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_7 like Mac OS X)"
_IPAD = "Mozilla/5.0 (iPad; CPU OS 18_7 like Mac OS X)"
_WEBKIT = "AppleWebKit/605.1.15 (KHTML, like Gecko)"
_BLINK = "AppleWebKit/537.36 (KHTML, like Gecko)"


def _chrome(system: str, version: int, more: str = "") -> str:
    return f"{system} {_BLINK} Chrome/{version}.0.0.0 Safari/537.36{more}"


def _chrome_android(version: int, more: str = "") -> str:
    return f"{_ANDROID} {_BLINK} {more}Chrome/{version}.0.0.0 Mobile Safari/537.36"


def _firefox(platform: str, version: int) -> str:
    return f"Mozilla/5.0 ({platform}; rv:{version}.0) Gecko/20100101 Firefox/{version}.0"


_DESKTOP = (
    _chrome(_WIN, 155),
    _chrome(_WIN, 156),
    _chrome(_WIN, 154),
    _chrome(_MAC, 156),
    _chrome(_MAC, 155),
    _chrome(_LINUX, 156),
    _chrome(_WIN, 156, " Edg/156.0.0.0"),
    _chrome(_WIN, 155, " Edg/155.0.0.0"),
    _chrome(_MAC, 155, " Edg/155.0.0.0"),
    _chrome(_WIN, 154, " OPR/138.0.0.0"),
    f"{_MAC} {_WEBKIT} Version/27.0 Safari/605.1.15",
    f"{_MAC} {_WEBKIT} Version/26.4 Safari/605.1.15",
    f"{_MAC} {_WEBKIT} Version/18.6 Safari/605.1.15",
    _firefox("Windows NT 10.0; Win64; x64", 155),
    _firefox("Windows NT 10.0; Win64; x64", 153),
    _firefox("Macintosh; Intel Mac OS X 10.15", 155),
    _firefox("X11; Ubuntu; Linux x86_64", 155),
)
_PHONES = (
    _chrome_android(156),
    _chrome_android(155),
    _chrome_android(153),
    _chrome_android(146, "SamsungBrowser/31.0 "),
    _chrome_android(140, "SamsungBrowser/30.0 "),
    f"{_IPHONE} {_WEBKIT} Version/27.0 Mobile/15E148 Safari/604.1",
    f"{_IPHONE} {_WEBKIT} Version/26.4 Mobile/15E148 Safari/604.1",
    f"{_IPHONE} {_WEBKIT} Version/18.7 Mobile/15E148 Safari/604.1",
    f"{_IPHONE} {_WEBKIT} CriOS/156.0.0.0 Mobile/15E148 Safari/604.1",
    f"{_IPHONE} {_WEBKIT} FxiOS/155.0 Mobile/15E148 Safari/605.1.15",
    "Mozilla/5.0 (Android 15; Mobile; rv:155.0) Gecko/155.0 Firefox/155.0",
)
_TABLETS = (
    f"{_IPAD} {_WEBKIT} Version/27.0 Mobile/15E148 Safari/604.1",
    f"{_IPAD} {_WEBKIT} CriOS/156.0.0.0 Mobile/15E148 Safari/604.1",
)

DESKTOPS = tuple(Agent(text, "l", (1280, 1366, 1440, 1536, 1728, 1920)) for text in _DESKTOP)
PHONES = tuple(Agent(text, "s", (360, 375, 384, 390, 393, 412, 430)) for text in _PHONES)
TABLETS = tuple(Agent(text, "m", (768, 820, 834, 1024)) for text in _TABLETS)
AGENTS = (*DESKTOPS, *PHONES, *TABLETS)

ROBOTS = tuple(
    Agent(text, "l", (800, 1024))
    for text in (
        "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; Googlebot/2.1; "
        "+http://www.google.com/bot.html) Chrome/156.0.0.0 Safari/537.36",
        f"{_LINUX} {_BLINK} HeadlessChrome/156.0.0.0 Safari/537.36",
        "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
        "Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)",
    )
)


def pick_agent(rng: Random) -> Agent:
    """Business readers sit at desks, but a third of them reads on the way to one."""
    group = rng.choices((DESKTOPS, PHONES, TABLETS), (64, 32, 4))[0]
    return rng.choice(group)
