"""From a batch to events: refusals by name, consent, times, classes."""

import json
from typing import Any

import pytest

from server.errors import Forbidden, Refusal
from server.ingest import limits
from server.ingest.agents import Agents
from server.ingest.consent import verdict
from server.ingest.geo import Geo
from server.ingest.payload import decode, write_id
from server.ingest.pipeline import Arrival, Reading, Tools, read_batch
from server.model import (
    RESERVED_IDS,
    Class,
    Consent,
    Door,
    Event,
    Flag,
    FormRule,
    Kind,
    Site,
    SiteSettings,
)

NOW = 1_790_000_000_000
DAY = 86_400_000
CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko)"
    " Chrome/142.0.0.0 Safari/537.36"
)
TOOLS = Tools(Agents(), Geo.open(None))
ID = "AaIA34ZKN90hqrqcm9ky8w"
VISITOR = "Zm9vYmFyYmF6cXV4MTIzNA"
VIEW: dict[str, Any] = {"i": ID, "y": "page_view", "t": NOW, "u": "https://acme.example/pricing"}


def site(**settings: Any) -> Site:
    return Site(site_id=1, name="Acme", keys=("k1",), settings=SiteSettings(**settings))


def read(
    *events: dict[str, Any],
    at: Site | None = None,
    arrival: dict[str, Any] | None = None,
    **envelope: Any,
) -> Reading:
    body = {"k": "k1", "v": VISITOR, "t": NOW, "e": list(events)} | envelope
    wire, _ = decode(json.dumps(body).encode())
    given: dict[str, Any] = {"received": NOW, "user_agent": CHROME} | (arrival or {})
    return read_batch(at or site(), Arrival(**given), wire, TOOLS)


def one(*events: dict[str, Any], **more: Any) -> Event:
    reading = read(*events, **more)
    assert reading.refused == []
    return reading.events[0]


def why(*events: dict[str, Any], **more: Any) -> Refusal:
    reading = read(*events, **more)
    assert reading.events == []
    return reading.refused[0][1]


def test_a_page_view_in_full() -> None:
    """What is stored of an ordinary view."""
    event = one(
        VIEW
        | {
            "u": "https://ann:pw@Acme.example/pricing?plan=pro&utm_source=news&token=abc#top",
            "r": "https://www.google.com/search?q=secret",
            "n": "Pricing\u0000 ",
            "q": 3,
            "d": {"w": 1440, "sc": "l", "l": "en-GB", "z": "Europe/London", "b": 1},
        },
        s="abcdefghijk",
        f=1,
    )
    assert event.kind is Kind.PAGE_VIEW
    assert event.url == "https://acme.example/pricing?plan=pro"
    assert json.loads(event.campaign) == {"source": "news"}
    assert event.referrer == "https://www.google.com/search"
    assert (event.title, event.q, event.class_) == ("Pricing", 3, Class.HUMAN)
    assert json.loads(event.screen) == {"l": "en-GB", "sc": "l", "w": 1440, "z": "Europe/London"}
    assert event.flags == Flag.NEW_VISITOR | Flag.RESTORED


@pytest.mark.parametrize(
    ("change", "envelope", "reason"),
    [
        ({"y": "nonsense"}, {}, Refusal.UNKNOWN_TYPE),
        ({"y": "erased"}, {}, Refusal.UNKNOWN_TYPE),
        ({"y": "merge"}, {}, Refusal.UNKNOWN_TYPE),
        ({"i": "short"}, {}, Refusal.BAD_ID),
        ({"i": "A" * 22}, {}, Refusal.BAD_ID),
        ({}, {"v": "null"}, Refusal.BAD_ID),
        ({}, {"v": "undefined"}, Refusal.BAD_ID),
        ({}, {"v": None}, Refusal.NO_VISITOR),
        ({"u": None}, {}, Refusal.BAD_URL),
        ({"u": "javascript:alert(1)"}, {}, Refusal.BAD_URL),
        ({"u": "file:///etc/passwd"}, {}, Refusal.BAD_URL),
        ({"u": "//x"}, {}, Refusal.BAD_URL),
        ({"t": -1}, {}, Refusal.UNPARSABLE),
        ({"t": 1e18}, {}, Refusal.UNPARSABLE),
        ({}, {"t": 1e18}, Refusal.UNPARSABLE),
        ({"t": NOW - 401 * DAY}, {}, Refusal.TOO_OLD),
        ({"d": [1]}, {}, Refusal.UNPARSABLE),
        (
            {"d": {"a": [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}},
            {},
            Refusal.TOO_BIG,
        ),
        ({"d": {str(i): i for i in range(2_000)}}, {}, Refusal.TOO_BIG),
        ({"y": "track", "d": {}}, {}, Refusal.UNPARSABLE),
        ({"y": "identify", "d": {"user_id": "null"}}, {}, Refusal.RESERVED),
        ({"y": "identify", "d": {"user_id": "[object Object]"}}, {}, Refusal.RESERVED),
        ({"y": "identify", "d": {"email": "undefined"}}, {}, Refusal.RESERVED),
        ({"y": "identify", "d": {"email": "no address"}}, {}, Refusal.RESERVED),
        ({"y": "identify", "d": {}}, {}, Refusal.UNPARSABLE),
        ({"y": "consent", "d": {"state": "maybe"}}, {}, Refusal.UNPARSABLE),
        ({}, {"c": "denied"}, Refusal.CONSENT),
        ({}, {"f": 4}, Refusal.GPC),
        ({}, {"f": 8}, Refusal.GPC),
    ],
)
def test_refusals_have_names(
    change: dict[str, Any], envelope: dict[str, Any], reason: Refusal
) -> None:
    """Each bad input, its reason."""
    assert why(VIEW | change, **envelope) is reason


def test_an_unknown_key_is_forbidden() -> None:
    """The whole batch, as 403."""
    wire, _ = decode(json.dumps({"k": "nobody", "t": NOW, "e": [VIEW]}).encode())
    with pytest.raises(Forbidden):
        read_batch(None, Arrival(received=NOW), wire, TOOLS)


def test_the_thousand_and_first_event_is_refused() -> None:
    """The rest of the batch is kept."""
    reading = read(*[VIEW for _ in range(limits.BATCH_EVENTS + 2)])
    assert len(reading.events) == limits.BATCH_EVENTS
    assert {reason for _, reason in reading.refused} == {Refusal.TOO_MANY}


@pytest.mark.parametrize(
    ("sent", "at", "expected", "flags"),
    [
        (NOW, NOW, NOW, 0),
        (NOW + 7_200_000, NOW + 7_200_000 - 5_000, NOW - 5_000, 0),  # clock two hours fast
        (NOW - 7_200_000, NOW - 7_200_000 - 5_000, NOW - 5_000, 0),  # two hours slow
        (NOW, NOW + 60_000, NOW, 0),  # from the future: never later than received
        (NOW, NOW - 7 * DAY, NOW - 7 * DAY, 0),
        (NOW, NOW - 7 * DAY - 1, NOW - 7 * DAY - 1, Flag.LATE),
        (0, 0, NOW, 0),
    ],
)
def test_times_are_corrected(sent: int, at: int, expected: int, flags: int) -> None:
    """at = received − (sent − t)."""
    event = one(VIEW | {"t": at}, t=sent)
    assert (event.at, event.received, event.flags) == (expected, NOW, flags)


def test_a_secret_key_is_trusted_with_old_times() -> None:
    """Counted, and mute."""
    event = one(VIEW | {"t": NOW - 30 * DAY}, arrival={"secret": True, "door": Door.API})
    assert event.flags == Flag.MUTE


@pytest.mark.parametrize(
    ("origins", "origin", "referer", "taken"),
    [
        ((), "https://evil.example", "", True),
        (("https://acme.example",), "https://acme.example", "", True),
        (("https://acme.example",), "https://ACME.example", "", True),
        (("https://acme.example",), "", "https://acme.example/pricing", True),
        (("https://acme.example",), "https://acme.example.evil.example", "", False),
        (("https://acme.example",), "http://acme.example", "", False),
        (("https://acme.example",), "https://acme.example:8443", "", False),
        (("https://acme.example",), "null", "", False),
        (("https://acme.example",), "", "", False),
    ],
)
def test_origins(origins: tuple[str, ...], origin: str, referer: str, taken: bool) -> None:
    """A list of origins keeps other pages out; without one, every page may send."""
    reading = read(VIEW, at=site(origins=origins), arrival={"origin": origin, "referer": referer})
    assert bool(reading.events) is taken
    assert taken or reading.refused == [(ID, Refusal.ORIGIN)]


SUBMIT: dict[str, Any] = {
    "i": ID,
    "y": "form_submit",
    "t": NOW,
    "u": "https://acme.example/demo",
    "d": {"form": "demo", "fields": {"email": "Ann@Brew.example", "name": "Ann"}},
}
COOKIELESS, ALONE = int(Flag.COOKIELESS), int(Flag.SUBMISSION_ONLY)


@pytest.mark.parametrize(
    ("mode", "consent", "flags", "page", "form"),
    [
        ("on", "granted", 0, 0, 0),
        ("on", "granted", 4, 0, 0),
        ("on", "unknown", 0, 0, 0),
        ("on", "unknown", 4, Refusal.GPC, ALONE),
        ("on", "unknown", 8, Refusal.GPC, ALONE),
        ("on", "denied", 0, Refusal.CONSENT, ALONE),
        ("ask", "granted", 0, 0, 0),
        ("ask", "unknown", 0, COOKIELESS, COOKIELESS),
        ("ask", "unknown", 4, Refusal.GPC, ALONE),
        ("ask", "denied", 0, Refusal.CONSENT, ALONE),
        ("off", "granted", 0, 0, 0),
        ("off", "unknown", 0, Refusal.ASK, ALONE),
        ("off", "unknown", 8, Refusal.GPC, ALONE),
        ("off", "denied", 4, Refusal.CONSENT, ALONE),
    ],
)
def test_the_consent_table(
    mode: str, consent: str, flags: int, page: int | Refusal, form: int | Refusal
) -> None:
    """Every cell, for a view and for a submission."""
    word = Consent[consent.upper()]
    assert verdict(mode, word, flags, True, Kind.PAGE_VIEW) == page
    assert verdict(mode, word, flags, True, Kind.FORM_SUBMIT) == form
    assert verdict(mode, word, flags, True, Kind.CONSENT) == 0


@pytest.mark.parametrize("consent", ["unknown", "denied"])
@pytest.mark.parametrize("kind", ["page_view", "engagement", "track"])
def test_refused_views_may_be_counted_without_anybody(kind: str, consent: str) -> None:
    """Views alone, and nothing that says whose."""
    acme = site(consent="off", count_refused=True)
    data = {"name": "x"} if kind == "track" else {"ms": 1}
    found = read(VIEW | {"y": kind, "d": data}, at=acme, c=consent, s="AAAAAAAAAAE")
    if kind != "page_view":
        assert [why for _, why in found.refused] == [
            Refusal.ASK if consent == "unknown" else Refusal.CONSENT
        ]
        return
    (event,) = found.events
    assert event.flags == COOKIELESS
    assert (event.visitor, event.tab, event.agent, event.place, event.screen) == (
        None,
        None,
        "",
        "",
        "",
    )
    assert event.url == VIEW["u"]


@pytest.mark.parametrize(
    "rule", [FormRule("demo", allow=False), FormRule("demo", "search"), FormRule("demo", "login")]
)
def test_a_form_that_is_left_alone_is_refused(rule: FormRule) -> None:
    """The plain `h.js` knows of no rule, and sends what it sees."""
    begun = SUBMIT | {"y": "form_start", "d": {"form": "demo", "fields": ["email"]}}
    for event in (SUBMIT, begun):
        found = read(event, at=site(forms=(rule,)))
        assert [why for _, why in found.refused] == [Refusal.FORM]
        assert read(event, at=site(forms=(FormRule("demo"),))).refused == []


def test_lists_that_a_page_has_made_text_of_are_read() -> None:
    """Prototype.js: `Array.prototype.toJSON` gives JSON, which becomes a string."""
    data = SUBMIT["d"] | {"consent": {"ticked": '["terms", "news", 7]'}}
    stored = json.loads(one(SUBMIT | {"d": data}).data)
    assert stored["consent"]["ticked"] == ["terms", "news"]
    chosen = {
        "fields": {"topic": '["a", "b"]', "note": "[a]"},
        "kinds": {"topic": "select-multiple"},
    }
    kept = one(SUBMIT | {"d": SUBMIT["d"] | chosen}, at=site(forms=(FormRule("demo"),))).data
    assert json.loads(kept)["fields"] == {"topic": ["a", "b"], "note": "[a]"}
    broken = SUBMIT["d"] | {"consent": {"version": "2", "ticked": "[" * 5_000}}
    assert json.loads(one(SUBMIT | {"d": broken}).data)["consent"]["version"] == "2"


def test_what_the_tag_had_no_room_for_is_flagged() -> None:
    assert one(SUBMIT | {"d": SUBMIT["d"] | {"cut": 1}}).flags & Flag.CUT


def test_a_submission_before_an_answer_is_kept_for_itself() -> None:
    """A page that waits for a consent manager sends the form without a visitor or a word."""
    event = one(SUBMIT, v=None, c=None)
    assert event.visitor is None
    assert event.flags & Flag.SUBMISSION_ONLY
    assert json.loads(event.data)["ids"] == {"email": "ann@brew.example"}


def test_a_submission_without_consent_has_no_visitor() -> None:
    """The person and the form, no browser and no history."""
    event = one(SUBMIT, c="denied", s="abcdefghijk")
    assert (event.visitor, event.tab, event.agent) == (None, None, "")
    assert event.flags & Flag.SUBMISSION_ONLY
    assert json.loads(event.data)["ids"] == {"email": "ann@brew.example"}


def test_the_browser_signal_counts_too() -> None:
    """`Sec-GPC: 1` is as good as the widget's flag, and a setting can decline it."""
    assert why(VIEW, arrival={"gpc": True}) is Refusal.GPC
    assert one(VIEW, arrival={"gpc": True}, at=site(honour_gpc=False)).kind is Kind.PAGE_VIEW


@pytest.mark.parametrize(
    ("agent", "flags", "url", "settings", "expected"),
    [
        (CHROME, 0, "https://acme.example/", {}, Class.HUMAN),
        ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", 0,
         "https://acme.example/", {}, Class.BOT),
        ("curl/8.5.0", 0, "https://acme.example/", {}, Class.BOT),
        ("", 0, "https://acme.example/", {}, Class.BOT),
        (CHROME, 2, "https://acme.example/", {}, Class.BOT),
        (CHROME, 2, "https://acme.example/", {"allow_automation": True}, Class.HUMAN),
        (CHROME, 0, "http://localhost:3000/", {}, Class.INTERNAL),
        (CHROME, 0, "http://127.0.0.1/", {}, Class.INTERNAL),
        (CHROME, 0, "http://127.0.0.1/", {"allow_localhost": True}, Class.HUMAN),
    ],
)  # fmt: skip
def test_classes(
    agent: str, flags: int, url: str, settings: dict[str, Any], expected: Class
) -> None:
    """Robots and the owner's own machine are kept and set aside."""
    event = one(VIEW | {"u": url}, f=flags, at=site(**settings), arrival={"user_agent": agent})
    assert event.class_ is expected
    assert bool(event.reason) is (expected is not Class.HUMAN)


def test_a_form_not_registered_keeps_contact_fields_only() -> None:
    """Until the owner allows it."""
    fields = {"email": "ann@brew.example", "budget": "9000", "password": "hunter2"}
    submit = SUBMIT | {"d": {"form": "quote", "fields": fields}}
    assert json.loads(one(submit).data)["fields"] == {"email": "ann@brew.example"}
    allowed = json.loads(one(submit, at=site(forms=(FormRule("quote"),))).data)["fields"]
    assert allowed == {"email": "ann@brew.example", "budget": "9000"}


def test_a_bad_address_is_a_field_and_no_identifier() -> None:
    """`a@b` links nobody."""
    data = json.loads(one(SUBMIT | {"d": {"form": "demo", "fields": {"email": "a@b"}}}).data)
    assert "ids" not in data


def test_no_client_can_take_the_id_of_a_consequence() -> None:
    """Ids of the program's own range are moved out of it, one to one."""
    taken = write_id(RESERVED_IDS + bytes(14))
    first, again = (one(VIEW | {"i": taken}).event_id for _ in range(2))
    assert first == again
    assert not first.startswith(RESERVED_IDS)
    assert one(VIEW | {"i": write_id(RESERVED_IDS + bytes(13) + b"x")}).event_id != first
