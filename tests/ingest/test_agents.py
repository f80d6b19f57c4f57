"""Browsers by what they say they are, and robots by name."""

import time

import pytest
from crawleruseragents import CRAWLER_USER_AGENTS_DATA
from hypothesis import given
from hypothesis import strategies as st

from server.ingest.agents import NO_AGENT, Agents, tidy_agent
from server.ingest.agents import test_tool as is_test_tool

CHROME = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0"
WEBKIT = "AppleWebKit/605.1.15 (KHTML, like Gecko)"
IPHONE = f"Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) {WEBKIT}"
WINDOWS = f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {CHROME}"
ANDROID = f"Mozilla/5.0 (Linux; Android 10; K) {CHROME}"
PIXEL = "Mozilla/5.0 (Linux; Android 14; Pixel 8 Build/UQ1A.240205.004; wv)"

BROWSERS = [
    (f"{WINDOWS} Safari/537.36", "Chrome 142 Windows desktop"),
    (f"{WINDOWS} Safari/537.36 Edg/142.0.0.0", "Edge 142 Windows desktop"),
    (f"{WINDOWS} Safari/537.36 OPR/124.0.0.0", "Opera 124 Windows desktop"),
    (f"{WINDOWS} Safari/537.36 Vivaldi/7.6.3797.58", "Vivaldi 7 Windows desktop"),
    (f"{WINDOWS} Electron/39.0.0 Safari/537.36", "Electron 39 Windows desktop"),
    ("Mozilla/5.0 (Windows NT 10.0; WOW64; Trident/7.0; rv:11.0) like Gecko",
     "IE 11 Windows desktop"),
    ("Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:145.0) Gecko/20100101 Firefox/145.0",
     "Firefox 145 Windows desktop"),
    (f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {WEBKIT} Version/26.1 Safari/605.1.15",
     "Safari 26 macOS desktop"),
    (f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {CHROME} Safari/537.36",
     "Chrome 142 macOS desktop"),
    ("Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
     "Firefox 145 Linux desktop"),
    ("Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
     "Firefox 140 Linux desktop"),
    (f"Mozilla/5.0 (X11; Linux x86_64) {CHROME} Safari/537.36", "Chrome 142 Linux desktop"),
    (f"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) {CHROME} Safari/537.36",
     "Chrome 142 Chrome_OS desktop"),
    (f"{IPHONE} Version/26.0 Mobile/15E148 Safari/604.1", "Safari 26 iOS mobile"),
    (f"{IPHONE} CriOS/142.0.7444.77 Mobile/15E148 Safari/604.1", "Chrome 142 iOS mobile"),
    (f"{IPHONE} FxiOS/145.0 Mobile/15E148 Safari/605.1.15", "Firefox 145 iOS mobile"),
    (f"{IPHONE} EdgiOS/142.0.0.0 Version/17.0 Mobile/15E148 Safari/604.1", "Edge 142 iOS mobile"),
    (f"{IPHONE} GSA/342.0.693598186 Mobile/15E148 Safari/604.1", "Google 342 iOS mobile"),
    (f"{IPHONE} Mobile/15E148 [FBAN/FBIOS;FBAV/470.0.0.40;FBDV/iPhone15,3;FBSN/iOS;FBSV/18.6]",
     "Facebook 470 iOS mobile"),
    (f"Mozilla/5.0 (iPad; CPU OS 17_5 like Mac OS X) {WEBKIT} Version/17.5 Mobile/15E148 "
     "Safari/604.1",
     "Safari 17 iOS tablet"),
    (f"{ANDROID} Mobile Safari/537.36", "Chrome 142 Android mobile"),
    (f"{ANDROID} Mobile Safari/537.36 EdgA/142.0.0.0", "Edge 142 Android mobile"),
    (f"{ANDROID} Safari/537.36", "Chrome 142 Android tablet"),
    ("Mozilla/5.0 (Android 14; Mobile; rv:145.0) Gecko/145.0 Firefox/145.0",
     "Firefox 145 Android mobile"),
    ("Mozilla/5.0 (Linux; Android 13; SM-S918B) AppleWebKit/537.36 (KHTML, like Gecko) "
     "SamsungBrowser/28.0 Chrome/130.0.0.0 Mobile Safari/537.36",
     "Samsung_Internet 28 Android mobile"),
    (f"{PIXEL} AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/142.0.0.0 Mobile "
     "Safari/537.36 Instagram 350.0.0.0.0 Android (34/14; 420dpi; Google/google; Pixel 8; en_US)",
     "Instagram 350 Android mobile"),
    (f"{PIXEL} AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/142.0.0.0 Mobile "
     "DuckDuckGo/5 Safari/537.36", "DuckDuckGo 5 Android mobile"),
    (f"Mozilla/5.0 (Linux; Android 13; CUBOT X70) {CHROME} Mobile Safari/537.36",
     "Chrome 142 Android mobile"),
    (f"Mozilla/5.0 (Linux; Android 12; SM-T870) {CHROME} Safari/537.36",
     "Chrome 142 Android tablet"),
    ("Mozilla/5.0 (SMART-TV; LINUX; Tizen 7.0) AppleWebKit/537.36 (KHTML, like Gecko) "
     "94.0.4606.31/7.0 TV Safari/537.36", "Safari  Tizen tv"),
    ("Mozilla/5.0 (Web0S; Linux/SmartTV) AppleWebKit/537.36 (KHTML, like Gecko) "
     "Chrome/87.0.4280.88 Safari/537.36 WebAppManager", "Chrome 87 Web0S tv"),
    ("Mozilla/5.0 (Linux; Android 11; AFTKA) AppleWebKit/537.36 (KHTML, like Gecko) "
     "Silk/112.5.1 like Chrome/112.0.5615.213 Safari/537.36", "Amazon_Silk 112 Android tv"),
    (f"Mozilla/5.0 (PlayStation; PlayStation 5/8.00) {WEBKIT} Version/15.4 Safari/605.1.15",
     "Safari 15  tv"),
]  # fmt: skip

ROBOTS = [
    ("", NO_AGENT, ()),
    (" \t", NO_AGENT, ()),
    ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
     "Googlebot", ("search-engine",)),
    ("Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; "
     "+https://openai.com/gptbot)", "GPTBot", ("ai-crawler",)),
    ("Mozilla/5.0 (compatible; ClaudeBot/1.0; +claudebot@anthropic.com)", "ClaudeBot",
     ("ai-crawler",)),
    ("Mozilla/5.0+(compatible; UptimeRobot/2.0; http://www.uptimerobot.com/)", "UptimeRobot",
     ("monitoring",)),
    ("facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
     "facebookexternalhit", ("social-preview",)),
    ("curl/8.5.0", "curl", ("http-library",)),
    ("python-requests/2.32.0", "python-requests", ("http-library",)),
    ("some-crawler-nobody-knows/1.0", "bot", ()),
    ("Mozilla/5.0", "bot", ()),
    ("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
     "HeadlessChrome/142.0.0.0 Safari/537.36", "automation", ("browser-automation",)),
    ("Mozilla/5.0 (linux) AppleWebKit/537.36 (KHTML, like Gecko) jsdom/26.0.0", "automation",
     ("browser-automation",)),
]  # fmt: skip


@pytest.fixture(scope="module")
def agents() -> Agents:
    return Agents()


@pytest.mark.parametrize(("user_agent", "expected"), BROWSERS)
def test_a_browser_is_named_and_is_no_robot(agents: Agents, user_agent: str, expected: str) -> None:
    found = agents.read(user_agent)
    parts = [found.browser, found.browser_version, found.os, found.device]
    assert " ".join(part.replace(" ", "_") for part in parts) == expected
    assert (found.bot, found.tags) == ("", ())


@pytest.mark.parametrize(("user_agent", "name", "tags"), ROBOTS)
def test_a_robot_is_named(
    agents: Agents, user_agent: str, name: str, tags: tuple[str, ...]
) -> None:
    found = agents.read(user_agent)
    assert found.bot == name
    assert set(tags) <= set(found.tags)


def test_nearly_every_known_robot_is_found(agents: Agents) -> None:
    known = [text for crawler in CRAWLER_USER_AGENTS_DATA for text in crawler["instances"]][::5]
    missed = [text for text in known if not agents.read(text).bot]
    assert len(known) > 300
    assert len(missed) / len(known) < 0.01


@pytest.mark.parametrize(
    ("user_agent", "driven"),
    [
        ("HeadlessChrome/1", True), ("x Puppeteer", True), ("Playwright/1.64", True),
        ("PhantomJS/2.1", True), ("Cypress/13", True), ("jsdom/26", True),
        (BROWSERS[0][0], False), ("", False),
    ],
)  # fmt: skip
def test_test_tools(user_agent: str, driven: bool) -> None:
    assert is_test_tool(user_agent) is driven


def test_a_user_agent_is_cut_to_512_bytes_without_controls() -> None:
    assert tidy_agent("a\x00b\u202ec\ud800d\n") == "abcd"
    assert len(tidy_agent("a" * 9_000)) == 512
    assert len(tidy_agent("\u00e9" * 9_000).encode()) == 512
    assert len(tidy_agent("a" + "\u20ac" * 9_000).encode()) <= 512


def test_the_cache_answers_the_same_and_is_bounded() -> None:
    agents = Agents(size=2)
    first = agents.read(BROWSERS[0][0])
    for text, _ in BROWSERS[1:5]:
        agents.read(text)
    assert agents.read(BROWSERS[0][0]) == first
    assert agents._remembered.cache_info().currsize == 2


@pytest.mark.parametrize(
    "hostile",
    ["Mozilla/5.0 " + "a" * 10_000, "(" * 10_000, "Mozilla/5.0 (" + "; " * 5_000, " bot" * 3_000,
     "Tizen" * 3_000, "1." * 5_000, "Android " * 2_000, "Mozilla/5.0 (" + "a/1.1 " * 2_000],
)  # fmt: skip
def test_a_hostile_user_agent_costs_little(agents: Agents, hostile: str) -> None:
    start = time.perf_counter()
    agents.read(hostile)
    assert time.perf_counter() - start < 5  # a runaway pattern takes minutes


@given(user_agent=st.text())
def test_no_text_raises(agents: Agents, user_agent: str) -> None:
    found = agents.read(user_agent)
    assert found.device in {"desktop", "mobile", "tablet", "tv", "other"}
