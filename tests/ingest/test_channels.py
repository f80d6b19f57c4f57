"""Where a visit came from: GA4's channels, known referrers, click ids, own hosts."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.ingest.campaigns import CLICK_IDS
from server.ingest.channels import Touch, touch_of
from server.ingest.referrers import known_source

HOST = "www.x.example"


def touch(referrer: str = "", own: tuple[str, ...] = (), **marks: object) -> Touch:
    return touch_of(HOST, referrer, json.dumps(marks) if marks else "", own)


BY_PARAMETERS = [
    ("", "", "", "Direct"),
    ("(direct)", "(not set)", "", "Direct"),
    ("google", "cpc", "eu-cross-network", "Cross-network"),
    ("amazon", "cpc", "", "Paid Shopping"),
    ("google", "cpc", "spring-shop", "Paid Shopping"),
    ("google", "cpc", "workshop", "Paid Search"),
    ("google", "cpc", "", "Paid Search"),
    ("Google", "CPC", "", "Paid Search"),
    ("google", "cpm", "", "Paid Search"),
    ("bing", "ppc", "", "Paid Search"),
    ("facebook", "paid_social", "", "Paid Social"),
    ("fb", "cpc", "", "Paid Social"),
    ("linkedin", "paid", "", "Paid Social"),
    ("x", "referral", "", "Organic Social"),
    ("youtube", "cpc", "", "Paid Video"),
    ("blog", "display", "", "Display"),
    ("blog", "banner", "", "Display"),
    ("blog", "cpm", "", "Display"),
    ("blog", "cpc", "", "Paid Other"),
    ("blog", "retargeting", "", "Paid Other"),
    ("etsy", "referral", "", "Organic Shopping"),
    ("blog", "x", "shopping-week", "Organic Shopping"),
    ("twitter", "x", "", "Organic Social"),
    ("hootsuite", "social", "", "Organic Social"),
    ("hootsuite", "social media", "", "Organic Social"),
    ("vimeo", "referral", "", "Organic Video"),
    ("blog", "video-embed", "", "Organic Video"),
    ("google", "", "", "Organic Search"),
    ("someengine", "organic", "", "Organic Search"),
    ("chatgpt.com", "", "", "AI Assistant"),
    ("perplexity", "referral", "", "AI Assistant"),
    ("someone", "ai-assistant", "", "AI Assistant"),
    ("chatgpt.com", "cpc", "", "Paid Other"),
    ("partner", "referral", "", "Referral"),
    ("partner", "app", "", "Referral"),
    ("newsletter", "email", "", "Email"),
    ("email", "x", "", "Email"),
    ("acme", "e-mail", "", "Email"),
    ("partner", "affiliate", "", "Affiliates"),
    ("podcast", "audio", "", "Audio"),
    ("sms", "x", "", "SMS"),
    ("acme", "webpush", "", "Mobile Push Notifications"),
    ("firebase", "x", "", "Mobile Push Notifications"),
    ("acme", "in-app notification", "", "Mobile Push Notifications"),
    ("newsletter", "", "", "Unassigned"),
    ("", "leaflet", "", "Unassigned"),
    ("free", "partner", "", "Unassigned"),
]


@pytest.mark.parametrize(("source", "medium", "campaign", "channel"), BY_PARAMETERS)
def test_parameters_give_ga4s_channel(
    source: str, medium: str, campaign: str, channel: str
) -> None:
    found = touch(source=source, medium=medium, campaign=campaign)
    assert found.channel == channel
    assert found.campaign == campaign


BY_REFERRER = [
    ("", "(direct)", "(none)", "Direct", False),
    ("https://www.x.example/a", "(direct)", "(none)", "Direct", False),
    ("https://x.example/a", "(direct)", "(none)", "Direct", False),
    ("https://shop.x.example/", "shop.x.example", "referral", "Referral", True),
    ("https://own.example/", "(direct)", "(none)", "Direct", False),
    ("https://www.own.example/", "(direct)", "(none)", "Direct", False),
    ("https://a.b.wide.example/", "(direct)", "(none)", "Direct", False),
    ("https://notwide.example/", "notwide.example", "referral", "Referral", True),
    ("https://www.google.com/", "google", "organic", "Organic Search", True),
    ("https://www.google.co.uk/search", "google", "organic", "Organic Search", True),
    ("https://docs.google.com/d", "docs.google.com", "referral", "Referral", True),
    ("https://maps.google.com/", "maps.google.com", "referral", "Referral", True),
    ("https://duckduckgo.com/", "duckduckgo", "organic", "Organic Search", True),
    ("https://uk.search.yahoo.com/s", "yahoo", "organic", "Organic Search", True),
    ("https://kagi.com/", "kagi", "organic", "Organic Search", True),
    ("https://l.facebook.com/l.php", "facebook", "referral", "Organic Social", True),
    ("https://t.co/a", "twitter", "referral", "Organic Social", True),
    ("https://www.threads.net/", "threads", "referral", "Organic Social", True),
    ("https://de.linkedin.com/in/x", "linkedin", "referral", "Organic Social", True),
    ("https://www.youtube.com/watch", "youtube", "referral", "Organic Video", True),
    ("https://www.amazon.de/dp/1", "amazon", "referral", "Organic Shopping", True),
    ("https://mail.google.com/mail", "gmail", "email", "Email", True),
    ("android-app://com.google.android.gm", "gmail", "email", "Email", True),
    ("android-app://com.linkedin.android", "linkedin", "referral", "Organic Social", True),
    ("android-app://com.slack", "com.slack", "referral", "Referral", True),
    ("https://blog.other.example/p", "blog.other.example", "referral", "Referral", True),
    ("https://trc.taboola.com/a", "taboola", "display", "Display", True),
]


@pytest.mark.parametrize(("referrer", "source", "medium", "channel", "external"), BY_REFERRER)
def test_a_referrer_gives_source_and_channel(
    referrer: str, source: str, medium: str, channel: str, external: bool
) -> None:
    found = touch(referrer, own=("own.example", "*.wide.example"))
    assert found == Touch(source, medium, "", channel, external)


@pytest.mark.parametrize(
    "host",
    """chatgpt.com chat.openai.com perplexity.ai www.perplexity.ai claude.ai gemini.google.com
    copilot.microsoft.com meta.ai www.meta.ai grok.com you.com www.phind.com chat.mistral.ai
    chat.deepseek.com chat.qwen.ai""".split(),  # noqa: SIM905
)
def test_assistants_have_a_channel_of_their_own(host: str) -> None:
    found = touch(f"https://{host}/c/1")
    assert (found.medium, found.channel) == ("ai-assistant", "AI Assistant")


@pytest.mark.parametrize(
    ("click", "source", "channel"),
    [
        ("gclid", "google", "Paid Search"), ("gbraid", "google", "Paid Search"),
        ("wbraid", "google", "Paid Search"), ("msclkid", "bing", "Paid Search"),
        ("yclid", "yandex", "Paid Search"), ("dclid", "doubleclick", "Display"),
        ("ttclid", "tiktok", "Paid Social"), ("twclid", "twitter", "Paid Social"),
        ("li_fat_id", "linkedin", "Paid Social"), ("rdt_cid", "reddit", "Paid Social"),
        ("epik", "pinterest", "Paid Social"), ("sccid", "snapchat", "Paid Social"),
        ("irclickid", "impact", "Affiliates"), ("awc", "awin", "Affiliates"),
        ("cjevent", "cj", "Affiliates"), ("ranmid", "rakuten", "Affiliates"),
        ("mc_cid", "mailchimp", "Email"), ("mc_eid", "mailchimp", "Email"),
        ("mkt_tok", "marketo", "Email"), ("fbclid", "facebook", "Organic Social"),
        ("igshid", "instagram", "Organic Social"), ("srsltid", "google", "Organic Search"),
    ],
)  # fmt: skip
def test_a_click_id_speaks_when_no_parameter_does(click: str, source: str, channel: str) -> None:
    found = touch(click={"name": click, "class": CLICK_IDS[click], "value": "1"})
    assert (found.source, found.channel) == (source, channel)


def test_every_click_id_has_a_source() -> None:
    for name in CLICK_IDS:
        assert touch(click={"name": name}).channel != "Direct"


def test_parameters_go_before_click_ids_before_referrers_before_unpaid_click_ids() -> None:
    paid, unpaid = {"name": "gclid"}, {"name": "fbclid"}
    search = "https://duckduckgo.com/"
    assert touch(search, source="news", medium="email", click=paid).source == "news"
    assert touch(search, click=paid).source == "google"
    assert touch(search, click=unpaid).source == "duckduckgo"
    assert touch("https://x.example/", click=unpaid).source == "facebook"
    assert touch(source="google", click=paid).medium == "cpc"


def test_a_campaign_name_alone_leaves_the_source_to_the_referrer() -> None:
    found = touch("https://www.google.com/", campaign="Spring")
    assert (found.source, found.medium, found.campaign) == ("google", "organic", "Spring")


def test_a_host_as_source_is_named_as_its_referrer_is() -> None:
    assert touch(source="chatgpt.com").source == touch("https://chatgpt.com/").source == "chatgpt"
    assert touch(source="unknown.example").source == "unknown.example"


@pytest.mark.parametrize("short", ["free", "atlas", "orange", "www", "buffer", "x.example"])
def test_common_words_are_no_search_engines(short: str) -> None:
    assert known_source(short) is None


@given(st.text(), st.text(), st.text())
def test_no_text_raises(host: str, referrer: str, campaign: str) -> None:
    for given_campaign in (campaign, json.dumps({"source": campaign, "medium": referrer})):
        found = touch_of(host, referrer, given_campaign, (host, campaign))
        assert found.channel
        assert found.source
        assert found.medium
