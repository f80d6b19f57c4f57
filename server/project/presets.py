"""The rulesets that come with the product: data to start from, not code to depend on."""

from server.project.decay import Decay
from server.project.rules import (
    Axes,
    Bounds,
    EventCondition,
    FieldTest,
    FormLeftCondition,
    Group,
    InactivityCondition,
    PropertyCondition,
    Rule,
    Ruleset,
    SequenceCondition,
    SessionCondition,
    Threshold,
)

_CAP = 30_000
_MONTH = Decay("half_life", days=30)
_TWO_MONTHS = Decay("half_life", days=60)
_PRICING = EventCondition(("page_view",), groups=("pricing",))
_DEMO = EventCondition(("page_view",), groups=("demo_or_contact",))
_DEMO_OR_ITS_FORM = EventCondition(("page_view", "form_submit"), groups=("demo_or_contact",))
_ASKED = ("lead", "newsletter")


def _email(class_: str) -> PropertyCondition:
    return PropertyCondition("email_class", "equals", class_)


# fmt: off
_ENGAGEMENT = (
    Rule("pricing_page", "Read the pricing page", 10_000, _PRICING,
         counted="once_per_session", cap=_CAP, decay=_MONTH),
    Rule("demo_page", "Looked at the demo or contact page", 10_000, _DEMO,
         counted="once_per_session", cap=_CAP, decay=_MONTH),
    Rule("demo_form", "Sent the demo or contact form", 40_000,
         EventCondition(("form_submit",), high_intent=True), cap=60_000, decay=_TWO_MONTHS),
    Rule("other_form", "Sent a form", 20_000,
         EventCondition(("form_submit",), purposes=_ASKED, high_intent=False),
         cap=40_000, decay=_TWO_MONTHS),
    Rule("lead_magnet", "Downloaded a lead magnet", 5_000, EventCondition(("download",)),
         cap=_CAP, decay=_TWO_MONTHS),
    Rule("form_left", "Started a form and left", 5_000, FormLeftCondition(purposes=_ASKED),
         counted="once_per_session", cap=_CAP, decay=Decay("window", days=14)),
    Rule("deep_read", "Read a page to the end", 5_000,
         EventCondition(("engagement",), min_ms=60_000, min_scroll=75),
         counted="once_per_page", cap=_CAP, decay=_MONTH),
    Rule("came_back", "Came back within 7 days", 10_000, SessionCondition(),
         counted="returns_within", within_days=7, cap=_CAP, decay=Decay("window", days=30)),
    Rule("three_sessions", "3 sessions within 14 days", 10_000, SessionCondition(),
         counted="count", n=3, within_days=14, cap=_CAP, decay=Decay("window", days=14)),
    Rule("pricing_then_demo", "Pricing, then demo or contact, in one session", 15_000,
         SequenceCondition((_PRICING, _DEMO_OR_ITS_FORM)),
         counted="first_only", cap=_CAP, decay=Decay("window", days=30)),
    Rule("careers_page", "Looked at the careers page", -10_000,
         EventCondition(("page_view",), groups=("careers",)), counted="first_only", cap=_CAP),
)
_FIT = (
    Rule("business_email", "Business e-mail", 10_000, _email("business"), axis="fit"),
    Rule("free_mail", "Free mail", -5_000, _email("free"), axis="fit"),
    Rule("disposable_email", "Disposable e-mail", -50_000, _email("disposable"), axis="fit"),
    Rule("senior_title", "VP, head, director or C-level", 15_000,
         PropertyCondition("seniority", "in", ("c_level", "vp", "director", "head")), axis="fit"),
)
_SEED = (
    Rule("pricing_page", "Pricing page visited", 10_000, _PRICING),
    Rule("ebook", "Ebook downloaded", 5_000, EventCondition(("download",))),
    Rule("vp_of_marketing", "Title is VP of Marketing", 15_000,
         PropertyCondition("title", "equals", "VP of Marketing"), axis="fit"),
    Rule("gmail", "gmail.com address", -5_000,
         PropertyCondition("email_domain", "equals", "gmail.com"), axis="fit"),
    Rule("five_opens", "5 mails opened within 7 days", 20_000, EventCondition(("email_open",)),
         counted="count", n=5, within_days=7),
)
_SAAS_ENGAGEMENT = (
    Rule("pricing_page", "Read the pricing page", 10_000, _PRICING,
         counted="once_per_session", cap=_CAP, decay=_MONTH, group="pages"),
    Rule("demo_page", "Looked at the demo or contact page", 10_000, _DEMO,
         counted="once_per_session", cap=_CAP, decay=_MONTH, group="pages"),
    Rule("deep_read", "Read a page to the end", 5_000,
         EventCondition(("engagement",), min_ms=60_000, min_scroll=75),
         counted="once_per_page", cap=_CAP, decay=_MONTH, group="pages"),
    Rule("pricing_then_demo", "Pricing, then demo or contact, within half an hour", 15_000,
         SequenceCondition((_PRICING, _DEMO_OR_ITS_FORM), gap_minutes=30),
         counted="first_only", decay=_MONTH),
    Rule("demo_form", "Sent the demo or contact form", 40_000,
         EventCondition(("form_submit",), high_intent=True), cap=60_000, decay=_TWO_MONTHS),
    Rule("other_form", "Sent a form", 15_000,
         EventCondition(("form_submit",), purposes=_ASKED, high_intent=False),
         cap=30_000, decay=_TWO_MONTHS),
    Rule("trial_started", "Started a trial", 40_000,
         EventCondition(("track",), name="trial_started"), counted="first_only",
         decay=_TWO_MONTHS),
    Rule("team_trial", "The trial is for five people or more", 10_000,
         EventCondition(("track",), name="trial_started",
                        where=(FieldTest("seats", "at_least", 5),)),
         counted="first_only", decay=_TWO_MONTHS),
    Rule("paid_click", "Came by a paid search ad", 3_000,
         EventCondition(("page_view",), channels=("Paid Search",)),
         counted="once_per_session", cap=9_000, decay=Decay("window", days=30)),
    Rule("came_back", "Came back within 7 days", 5_000, SessionCondition(),
         counted="returns_within", within_days=7, cap=15_000, decay=Decay("window", days=30)),
    Rule("careers_page", "Looked at the careers page", -20_000,
         EventCondition(("page_view",), groups=("careers",)), counted="first_only"),
    Rule("unsubscribed", "Unsubscribed from mail", -20_000,
         EventCondition(("track",), name="unsubscribed"), counted="first_only",
         decay=Decay("window", days=365)),
    Rule("silent", "No visit for 30 days", -5_000, InactivityCondition(30, 30), cap=20_000),
)
_SAAS_FIT = (
    Rule("business_email", "Business e-mail", 10_000, _email("business"), axis="fit"),
    Rule("free_mail", "Free mail", -10_000, _email("free"), axis="fit"),
    Rule("disposable_email", "Disposable e-mail", -50_000, _email("disposable"), axis="fit"),
    Rule("competitor", "Works for a competitor", -100_000,
         PropertyCondition("email_domain", "in", ("competitor.example",)), axis="fit"),
    Rule("student", "Student or intern", -50_000,
         PropertyCondition("title", "in", ("student", "intern", "trainee", "working student")),
         axis="fit"),
    Rule("senior_title", "VP, head, director or C-level", 15_000,
         PropertyCondition("seniority", "in", ("c_level", "vp", "director", "head")), axis="fit"),
    Rule("team_size", "Company of 50 to 1,000 people", 15_000,
         PropertyCondition("employees", "between", (50, 1_000)), axis="fit"),
)
_ACCOUNT = (
    Rule("page_view", "Page view", 1_000, EventCondition(("page_view",))),
    Rule("visit", "Began a visit", 3_000, SessionCondition()),
    Rule("link_click", "Clicked a link", 3_000, EventCondition(("click",))),
    Rule("mail_click", "Clicked a link in a mail", 3_000, EventCondition(("email_click",))),
    Rule("file_access", "Downloaded a file", 3_000, EventCondition(("download",))),
    Rule("form", "Sent a form", 50_000, EventCondition(("form_submit",), purposes=_ASKED)),
)
# fmt: on

#: The ruleset of a new site.
DEFAULT = Ruleset(
    1,
    "default",
    (*_ENGAGEMENT, *_FIT),
    (Threshold("mql", "mql", 50_000, hysteresis=10_000),),
    axes=Axes(Bounds(cap=100_000), Bounds(cap=100_000)),
)
#: The worked example: five rules and one threshold, nothing fades, nothing is capped.
SEED = Ruleset(1, "seed", _SEED, (Threshold("mql", "mql", 75_000, hysteresis=10_000),))
#: For software sold to companies: what speaks against somebody counts too, and silence costs.
B2B_SAAS = Ruleset(
    1,
    "b2b_saas",
    (*_SAAS_ENGAGEMENT, *_SAAS_FIT),
    (
        Threshold("warm", "", 30_000, hysteresis=10_000, notify=False),
        Threshold("mql", "mql", 60_000, hysteresis=10_000),
    ),
    (Group("pages", "Pages that were read", cap=40_000),),
    Axes(Bounds(cap=100_000), Bounds(cap=100_000, floor=0)),
)
#: The default points of Salesforce Account Engagement, where there is such an event: nothing
#: fades, nothing is capped.
ACCOUNT_ENGAGEMENT = Ruleset(
    1, "account_engagement", _ACCOUNT, (Threshold("mql", "mql", 100_000, hysteresis=20_000),)
)
PRESETS = {preset.name: preset for preset in (DEFAULT, SEED, B2B_SAAS, ACCOUNT_ENGAGEMENT)}
