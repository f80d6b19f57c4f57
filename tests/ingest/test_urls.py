"""What is stored of an address, which views are the same page, and what a hostile address does."""

import json
import time
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.ingest import channels, urls
from server.ingest.urls import (
    MAX_URL,
    groups_of,
    host_of,
    is_local,
    page_key,
    read_referrer,
    read_url,
)
from server.model import DEFAULT_PAGE_GROUPS, PageGroup, PageKey

X = "https://x.example"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.s5GqV0m8Qw3xA"

STORED = [
    ("https://x.example", X + "/"),
    ("HTTPS://X.Example/A", X + "/A"),
    ("  https://x.example/a\n", X + "/a"),
    ("https://x.example:443/", X + "/"),
    ("http://x.example:80/", "http://x.example/"),
    ("https://x.example:8443/", "https://x.example:8443/"),
    ("https://x.example./a", X + "/a"),
    ("https://jane:pw@x.example/a", X + "/a"),
    ("https://x.example\\@evil.example/a", X + "/@evil.example/a"),
    ("https://m\u00fcller.example/", "https://xn--mller-kva.example/"),
    ("https://[::1]:8000/", "http://[::1]:8000/".replace("http", "https")),
    ("https://[2001:DB8:0:0::1]/", "https://[2001:db8::1]/"),
    (X + "/a b/\u00fc", X + "/a%20b/%C3%BC"),
    (X + "/%c3%bc", X + "/%C3%BC"),
    (X + "/a\\b", X + "/a/b"),
    (X + "/?a=1&b=2", X + "/?a=1&b=2"),
    (X + "/?&&a=1&", X + "/?a=1"),
    (X + "?a=1", X + "/?a=1"),
    # tracking becomes the campaign
    (X + "/?utm_source=g&a=1&UTM_Medium=cpc", X + "/?a=1"),
    (X + "/?gclid=1&fbclid=2&_ga=3&mc_eid=4&_hr=5&_hr_t=6&_hsenc=7&msclkid=8", X + "/"),
    # secrets by name
    (X + "/?token=a&a=1", X + "/?a=1"),
    (X + "/?access_token=a&resetToken=b&id_token=c&API-Key=d&apikey=e", X + "/"),
    (X + "/?key=a&code=b&session=c&auth=d&jwt=e&password=f&pwd=g&sid=h&PHPSESSID=i", X + "/"),
    (X + "/?X-Amz-Signature=a&X-Amz-Credential=b&sig=c", X + "/"),
    (X + "/?email=a&e-mail=b&user_email=c&phone=d&first_name=e", X + "/"),
    # secrets by value
    (X + "/?a=bob%40x.example", X + "/"),
    (X + "/?a=bob%2540x.example", X + "/"),
    (X + "/?bob@x.example", X + "/"),
    (X + "/?a=" + JWT, X + "/"),
    (X + "/?a=9aF3kLm2Qx8ZtY7w", X + "/"),
    (X + "/?a=d41d8cd98f00b204e9800998ecf8427e", X + "/"),
    (X + "/?a=AKIAIOSFODNN7EXAMPLE1", X + "/"),
    (X + "/?a=4111111111111111&b=4111+1111+1111+1111", X + "/"),
    (X + "/?next=" + quote("https://y.example/?token=a", safe=""), X + "/"),
    (X + "/?next=" + quote(quote("/a?b=1&password=a", safe=""), safe=""), X + "/"),
    # secrets in the path
    (X + "/unsubscribe/bob@x.example", X + "/unsubscribe/-masked-"),
    (X + "/u/bob%40x.example/edit", X + "/u/-masked-/edit"),
    (X + "/reset/9aF3kLm2Qx8ZtY7w", X + "/reset/-masked-"),
    (X + "/verify-email/3f2504e0-4f89-41d3-9a0c-0305e82c3301", X + "/verify-email/-masked-"),
    (X + "/in/" + JWT, X + "/in/-masked-"),
    (X + "/a;jsessionid=1A2B/b", X + "/a/b"),
    (X + "/d/9aF3kLm2Qx8ZtY7w", X + "/d/9aF3kLm2Qx8ZtY7w"),
    (X + "/@jane.doe/post", X + "/@jane.doe/post"),
    (X + "/react@18.2.0/x", X + "/react@18.2.0/x"),
    # fragments
    (X + "/a#top", X + "/a"),
    (X + "/#access_token=a", X + "/"),
    (X + "/#/users/1", X + "/#/users/1"),
    (X + "/#!/users", X + "/#!/users"),
    (X + "/#/a?token=1&b=2", X + "/#/a?b=2"),
    (X + "/#/access_token=abc&b=1", X + "/"),
    (X + "/#/u/bob@x.example", X + "/#/u/-masked-"),
]  # fmt: skip


@pytest.mark.parametrize(("raw", "stored"), STORED)
def test_an_address_is_stored_without_what_is_nobodys_business(raw: str, stored: str) -> None:
    page = read_url(raw)
    assert page is not None
    assert page.url == stored


@pytest.mark.parametrize(
    "query",
    [
        "country_code=de&keyword=a&sort_key=b&author=c",
        "monkey=a&barcode=b&passenger=c&mailing=d&telescope=e",
        "t=1700000000000&page=12345678901234",
        "id=3f2504e0-4f89-41d3-9a0c-0305e82c3301",
        "next=%2Fa%3Fb%3D1",
        "q=how+to+reset+a+password",
        "v=dQw4w9WgXcQ",
        "slug=the-10-best-ways-to-be-found-in-2026",
    ],
)
def test_harmless_parameters_stay(query: str) -> None:
    page = read_url(f"{X}/?{query}")
    assert page is not None
    assert page.url == f"{X}/?{query}"


@pytest.mark.parametrize(
    "raw",
    [
        "", "x", "/a", "//x.example/", "ftp://x.example/", "javascript:alert(1)", "file:///etc",
        "data:text/html,x", "about:blank", "https://", "https:///a", "https://:80/", "http://a b/",
        "https://x.example:99999/", "https://x.example:8x/", "https://[::1", "https://[x]/",
        "https://[::1]x/", "https://[fe80::1%25eth0]/", "https://a..b/", "https://%41/",
        "https://\uff0f/", "https://" + "a" * 300 + ".example/", "https://x.example<script>/",
    ],
)  # fmt: skip
def test_an_address_that_is_no_page_is_refused(raw: str) -> None:
    assert read_url(raw) is None


CAMPAIGNS = [
    ("a=1", {}),
    ("utm_source=Google&utm_medium=cpc", {"source": "Google", "medium": "cpc"}),
    ("utm_campaign=a+b%20c&utm_term=t&utm_content=c&utm_id=7",
     {"campaign": "a b c", "term": "t", "content": "c", "id": "7"}),
    ("mtm_source=a&pk_campaign=b&mtm_kwd=c", {"source": "a", "campaign": "b", "term": "c"}),
    ("utm_source=a&utm_source=b", {"source": "a"}),
    ("utm_source=", {}),
    ("utm_source=%00%20x%E2%80%8B", {"source": "x"}),
    ("utm_content=bob%40x.example&utm_source=a", {"source": "a"}),
    ("gclid=A1", {"click": {"name": "gclid", "class": "paid_search", "value": "A1"}}),
    ("fbclid=F&gclid=G", {"click": {"name": "gclid", "class": "paid_search", "value": "G"}}),
    ("ttclid=T&gclid=G", {"click": {"name": "ttclid", "class": "paid_social", "value": "T"}}),
    ("fbclid=F", {"click": {"name": "fbclid", "class": "unpaid", "value": "F"}}),
    ("dclid=D", {"click": {"name": "dclid", "class": "display", "value": "D"}}),
    ("awc=A", {"click": {"name": "awc", "class": "affiliate", "value": "A"}}),
    ("mc_eid=reader7", {"click": {"name": "mc_eid", "class": "email"}}),
    ("gclid=", {}),
    ("awc=" + "g" * 500, {"click": {"name": "awc", "class": "affiliate", "value": "g" * 100}}),
    ("utm_source=" + "s" * 500, {"source": "s" * 200}),
]  # fmt: skip


@pytest.mark.parametrize(("query", "campaign"), CAMPAIGNS)
def test_tracking_parameters_become_the_campaign(query: str, campaign: object) -> None:
    page = read_url(f"{X}/?{query}")
    assert page is not None
    assert (json.loads(page.campaign) if page.campaign else {}) == campaign
    if page.campaign:
        compact = json.dumps(campaign, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        assert page.campaign == compact


def test_a_campaign_in_a_hash_route_counts_too() -> None:
    page = read_url(f"{X}/#/start?utm_source=a&b=1")
    assert page is not None
    assert (page.url, page.campaign) == (f"{X}/#/start?b=1", '{"source":"a"}')


@pytest.mark.parametrize(
    ("raw", "stored"),
    [
        ("", ""),
        ("https://www.google.com/search?q=jane+doe", "https://www.google.com/search"),
        ("https://t.co/abc#x", "https://t.co/abc"),
        ("https://u:p@y.example", "https://y.example/"),
        ("android-app://com.Google.android.gm/x", "android-app://com.google.android.gm"),
        ("android-app://com.slack", "android-app://com.slack"),
        ("android-app://", ""),
        ("about:client", ""),
        ("https://y.example/reset/9aF3kLm2Qx8ZtY7w?a=1", "https://y.example/reset/-masked-"),
        ("https://y.example/" + "a" * 3_000, ("https://y.example/" + "a" * 3_000)[:MAX_URL]),
    ],
)
def test_a_referrer_keeps_origin_and_path(raw: str, stored: str) -> None:
    assert read_referrer(raw) == stored
    assert read_referrer(stored) == stored


KEYS = [
    (X + "/", PageKey(), "/"),
    (X + "/pricing/", PageKey(), "/pricing"),
    (X + "/pricing/", PageKey(keep_slash=True), "/pricing/"),
    (X + "/Pricing", PageKey(), "/Pricing"),
    (X + "/Pricing", PageKey(keep_case=False), "/pricing"),
    (X + "/a?b=1&c=2", PageKey(), "/a"),
    (X + "/a?b=1&c=2", PageKey(query=("c", "b")), "/a?b=1&c=2"),
    (X + "/a?c=2&b=1", PageKey(query=("c", "b")), "/a?b=1&c=2"),
    (X + "/a?b=1", PageKey(query=("z",)), "/a"),
    (X + "/#/a/?b=1", PageKey(), "/"),
    (X + "/#/a/?b=1", PageKey(hash_routes=True), "/#/a"),
    ("nonsense", PageKey(), ""),
]


@pytest.mark.parametrize(("url", "rule", "key"), KEYS)
def test_the_page_key_follows_the_sites_rule(url: str, rule: PageKey, key: str) -> None:
    assert page_key(url, rule) == key


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("/", ()),
        ("/pricing", ("pricing",)),
        ("/pricing/teams", ("pricing",)),
        ("/PRICING", ("pricing",)),
        ("/plans", ("pricing",)),
        ("/en/pricing", ()),
        ("/contact/", ("demo_or_contact",)),
        ("/careers/engineer", ("careers",)),
    ],
)
def test_new_sites_know_three_groups_of_pages(path: str, names: tuple[str, ...]) -> None:
    assert groups_of(path, DEFAULT_PAGE_GROUPS) == names


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        ("/a", "/a", True), ("/a", "/a/", True), ("/a/", "/a", True), ("/a", "/ab", False),
        ("*", "/anything", True), ("*/b", "/a/b", True), ("*/b", "/a/bc", False),
        ("/a*c", "/abc", True), ("/a*c", "/ac", True), ("/a*c", "/a", False),
        ("/a*bc*d", "/abcd", True), ("/a*b*b", "/ab", False), ("/*/x/*", "/1/x/2", True),
        ("/ab*ba", "/aba", False), ("/a**b", "/ab", True), ("", "/", True), (".", "/a", False),
        ("/a.b", "/axb", False), ("/[ab]", "/a", False),
    ],
)  # fmt: skip
def test_a_star_stands_for_any_text(pattern: str, path: str, matches: bool) -> None:
    assert bool(groups_of(path, (PageGroup("g", (pattern,)),))) is matches


@pytest.mark.parametrize(
    ("url", "host"),
    [
        (X + "/a", "x.example"), (X, "x.example"), ("https://x.example:8443/a", "x.example"),
        ("http://[::1]:80/", "[::1]"), ("android-app://com.slack", "com.slack"),
        ("", ""), ("x", ""), ("https://x.example?a", "x.example"),
    ],
)  # fmt: skip
def test_the_host_of_a_stored_address(url: str, host: str) -> None:
    assert host_of(url) == host


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("localhost", True), ("LOCALHOST.", True), ("app.localhost", True), ("127.0.0.1", True),
        ("127.1", True), ("[::1]", True), ("::1", True), ("mac.local", True),
        ("0.0.0.0", True),  # noqa: S104
        ("x.example", False), ("localhost.example", False), ("127.example", False), ("", False),
        ("10.0.0.1", False), ("notlocal", False),
    ],
)  # fmt: skip
def test_local_hosts(host: str, local: bool) -> None:
    assert is_local(host) is local


@pytest.mark.parametrize(
    "raw",
    [
        X + "/" + "a/" * 50_000,
        X + "/?" + "a=1&" * 20_000,
        X + "/?a=" + "%25" * 20_000 + "40",
        X + "/?a=" + "a@" * 30_000,
        X + "/?a=" + "x." * 30_000,
        X + "/?a=" + "eyJ" * 20_000,
        X + "/?a=" + "1 " * 20_000,
        "https://" + "a." * 30_000,
        "https://" + "\u0661" * 30_000 + ".example/",
        X + "/#/" + "?&;#" * 10_000,
    ],
)
def test_a_hostile_address_costs_little(raw: str) -> None:
    start = time.perf_counter()
    page = read_url(raw)
    read_referrer(raw)
    assert time.perf_counter() - start < 5  # a runaway pattern takes minutes
    assert page is None or len(page.url) <= MAX_URL


def test_a_hostile_path_costs_a_wildcard_little() -> None:
    start = time.perf_counter()
    groups_of("/" + "a" * 100_000, (PageGroup("g", ("/" + "*a" * 200 + "*b",)),))
    assert time.perf_counter() - start < 5  # a runaway pattern takes minutes


@given(st.text(), st.text(), st.text(), st.text())
def test_no_text_raises_and_cleaning_twice_changes_nothing(
    host: str, path: str, query: str, tail: str
) -> None:
    for raw in (
        host,
        f"https://{host}/{path}",
        f"{X}/{path}?{query}#{tail}",
        f"{X}/?{query}#/{tail}",
    ):
        page = read_url(raw)
        if page is None:
            continue
        again = read_url(page.url)
        assert again is not None
        assert (again.url, again.host, again.path) == page[:3]
        assert again.campaign == ""
        assert page.url.isascii()
        assert len(page.url) <= MAX_URL
        assert host_of(page.url) == page.host
        referrer = read_referrer(raw)
        assert read_referrer(referrer) == referrer
        page_key(page.url, PageKey(hash_routes=True))


WORDS = st.text("abcdefghij0123456789", min_size=1, max_size=12)


@given(st.lists(st.tuples(WORDS, WORDS), max_size=5), WORDS, WORDS, st.integers(0, 4))
def test_no_address_of_a_person_survives(
    pairs: list[tuple[str, str]], name: str, local: str, place: int
) -> None:
    email = f"{local}@mail.x.example"
    spelt = [email, quote(email, safe=""), quote(quote(email, safe=""), safe="")]
    for text in spelt:
        query = [f"{key}={value}" for key, value in pairs]
        query.insert(place, f"{name}={text}")
        raw = f"https://{text}@x.example/u/{text}/?{'&'.join(query)}#/{text}"
        page = read_url(raw)
        assert page is not None
        assert "x.example" not in page.url.removeprefix(X)
        assert "x.example" not in page.campaign


@given(st.text("ABCDEFGHIJabcdefghij0123456789", min_size=24, max_size=64), WORDS)
def test_no_token_survives(token: str, name: str) -> None:
    page = read_url(f"{X}/?token={token}&access_{name}_token={token}&resetPassword={token}")
    assert page is not None
    assert page.url == f"{X}/"


def test_nothing_long_is_remembered() -> None:
    """Anybody may send addresses of 2,000 characters, each another: caches hold none of them."""
    caches = (urls._read_cached, urls._read_short_referrer, urls._groups_of, channels._touch_of)
    before = [cache.cache_info().currsize for cache in caches]
    for number in range(50):
        path = f"/{number}/".ljust(1_500, "x")
        url = f"https://acme.example{path}"
        page = read_url(url)
        assert page is not None
        assert (page.path, read_referrer(url)) == (path, url)
        assert groups_of(path, (PageGroup("all", ("/*",)),)) == ("all",)
        assert channels.touch_of("acme.example", url, "", ()).external is False
    assert [cache.cache_info().currsize for cache in caches] == before
