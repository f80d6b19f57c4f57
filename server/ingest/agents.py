"""What a user agent tells: browser, system, device, and whether it is a robot.

`user-agents` over `ua-parser` and its Rust engine (20 times faster than by its own way), `is-bot`
for yes or no, `crawler-user-agents` for a robot's name and tags. All of it is slow (0.1 to 0.4 ms),
so answers are kept in a bounded cache; a user agent is cut to 512 bytes first (trust T32).
"""

import re
from functools import cache, lru_cache
from typing import Any, NamedTuple

from server.ingest.private import UNSEEN

MAX_AGENT = 512  # bytes
AUTOMATION = "automation"
NO_AGENT = "no user agent"

_TEST_TOOL = re.compile(
    r"headless|phantomjs|slimerjs|puppeteer|playwright|selenium|webdriver|cypress|testcafe"
    r"|nightmarejs|jsdom|happydom|zombie\.js",
    re.I,
)
_TV = re.compile(
    r"smart-?tv|googletv|android ?tv|apple ?tv|\btv\b|web0s|netcast|hbbtv|crkey|roku|bravia"
    r"|\baft[a-z]{1,4}\b|viera|tizen.{1,40}tv|playstation|xbox|nintendo",
    re.I,
)
#: One name for the desktop, mobile and embedded forms of a browser.
_BROWSERS = {
    "Chrome Mobile": "Chrome",
    "Chrome Mobile iOS": "Chrome",
    "Chrome Mobile WebView": "Chrome",
    "Mobile Safari": "Safari",
    "Mobile Safari UI/WKWebView": "Safari",
    "Firefox Mobile": "Firefox",
    "Firefox iOS": "Firefox",
    "Edge Mobile": "Edge",
    "Opera Mobile": "Opera",
    "IE Mobile": "IE",
    "DuckDuckGo Mobile": "DuckDuckGo",
    "Brave Mobile": "Brave",
    "Other": "",
}
_SYSTEMS = {"Mac OS X": "macOS", "Other": ""}
_LINUXES = frozenset(
    {"Ubuntu", "Fedora", "Debian", "Red Hat", "CentOS", "SUSE", "Arch Linux", "Gentoo", "Mandriva"}
)


class Agent(NamedTuple):
    """One kind of browser. `bot` is a robot's name or empty, `tags` say what the robot is for."""

    browser: str
    browser_version: str
    os: str
    device: str
    bot: str
    tags: tuple[str, ...]


def test_tool(user_agent: str) -> bool:
    """Whether a browser is driven by a test: headless Chrome, Puppeteer, Playwright, jsdom…"""
    return _TEST_TOOL.search(user_agent) is not None


test_tool.__test__ = False  # type: ignore[attr-defined]  # pytest collects what is named test_*


def tidy_agent(user_agent: str) -> str:
    """At most 512 bytes, without controls and marks that cannot be seen."""
    if len(user_agent) > MAX_AGENT or not user_agent.isascii():
        user_agent = (
            user_agent[:MAX_AGENT].encode(errors="ignore")[:MAX_AGENT].decode(errors="ignore")
        )
    return UNSEEN.sub("", user_agent).strip()


class Agents:
    """Reads user agents; `size` distinct ones are remembered. The first one takes about 0.3 s."""

    def __init__(self, size: int = 4_096) -> None:
        self._parse, self._bots, self._crawlers = _tables()
        self._remembered = lru_cache(maxsize=size)(self._read)

    def read(self, user_agent: str) -> Agent:
        """What this user agent is. Any text has an answer; an empty one is a robot."""
        if len(user_agent) > MAX_AGENT:
            user_agent = tidy_agent(user_agent)
        return self._remembered(user_agent)

    def _read(self, user_agent: str) -> Agent:
        text = tidy_agent(user_agent)
        if not text:
            return Agent("", "", "", "other", NO_AGENT, ())
        bot, tags = self._robot(text)
        agent = self._parse(text)
        family, version = agent.browser.family, agent.browser.version
        system = "Linux" if agent.os.family in _LINUXES else agent.os.family
        return Agent(
            _BROWSERS.get(family, family),
            str(version[0]) if version else "",
            _SYSTEMS.get(system, system),
            _device(agent, text),
            bot,
            tags,
        )

    def _robot(self, text: str) -> tuple[str, tuple[str, ...]]:
        """Name and tags of a robot. A name is looked for only where `is-bot` says yes."""
        if test_tool(text):
            return AUTOMATION, ("browser-automation",)
        if not self._bots.is_bot(text.replace("WebAppManager", "")):  # LG's televisions
            return "", ()
        for pattern, crawler in self._crawlers:
            match = pattern.search(text)
            if match is not None:
                name = match[0].strip(" /;:()[]") or crawler["pattern"]
                return name[:60], tuple(crawler.get("tags", ()))
        return "bot", ()


def _device(agent: Any, text: str) -> str:
    if _TV.search(text):
        return "tv"
    if agent.is_tablet and " Mobile " not in text.partition("Android")[2]:
        return "tablet"
    if agent.is_mobile or agent.is_tablet:
        return "mobile"
    return "desktop" if agent.is_pc else "other"


@cache
def _tables() -> tuple[Any, Any, list[tuple[re.Pattern[str], dict[str, Any]]]]:
    """The three libraries' patterns, compiled once in a process: they never change."""
    from crawleruseragents import CRAWLER_USER_AGENTS_DATA
    from is_bot import Bots

    crawlers = [(re.compile(crawler["pattern"]), crawler) for crawler in CRAWLER_USER_AGENTS_DATA]
    return _parser(), Bots(), crawlers


def _parser() -> Any:
    """`user_agents.parse` on the Rust engine: it calls ua-parser's old API by itself."""
    import ua_parser
    from user_agents import parsers

    read = ua_parser.Parser(ua_parser.BestAvailableResolver(ua_parser.load_lazy_builtins())).parse

    class FastAgent(parsers.UserAgent):  # type: ignore[misc]  # the library has no types
        def __init__(self, text: str) -> None:
            found = read(text).with_defaults()
            browser, system, device = found.user_agent, found.os, found.device
            self.ua_string = text
            self.browser = parsers.parse_browser(
                browser.family, browser.major, browser.minor, browser.patch
            )
            self.os = parsers.parse_operating_system(
                system.family, system.major, system.minor, system.patch, system.patch_minor
            )
            self.device = parsers.parse_device(device.family, device.brand, device.model)

    return FastAgent
