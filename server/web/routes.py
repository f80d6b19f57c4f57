"""The route table of the API: the app, the OpenAPI document and the tests are made from it."""

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response

from server.reports import shapes
from server.web import administration as admin
from server.web import bodies, queries
from server.web import readings as read
from server.web.operations import NDJSON, Call, Operation

PREFIX = "/api/v1"
SITE = f"{PREFIX}/sites/{{site_id}}"
PERSON = f"{SITE}/people/{{person_id}}"
VISITOR = f"{SITE}/visitors/{{visitor_id}}"

PostEvents = Callable[[Request], Awaitable[Response]]


# fmt: off
ADMINISTRATION = (
    Operation("GET", f"{PREFIX}/sites", "listSites",
              "The sites this caller may see.",
              "", admin.list_sites, bodies.Sites),
    Operation("POST", f"{PREFIX}/sites", "addSite",
              "Add a site. Operators only.",
              "", admin.add_site, bodies.SiteRow, body=bodies.NewSite, status=201),
    Operation("POST", f"{PREFIX}/operator/link", "makeLink",
              "Make a one-time link that opens the pages. Operators only.",
              "", admin.operator_link, bodies.Link, status=201),
    Operation("GET", SITE, "getSite",
              "A site with its settings.",
              "read", admin.get_site, bodies.SiteDetail),
    Operation("PATCH", f"{SITE}/settings", "changeSettings",
              "Change settings of a site.",
              "admin", admin.change_settings, bodies.SiteDetail, body=bodies.SettingsChange),
    Operation("POST", f"{SITE}/key/rotate", "rotateKey",
              "Make a new public key; the one before stays good until the next rotation.",
              "admin", admin.rotate_key, bodies.SiteDetail),
    Operation("GET", f"{SITE}/identify-secret", "getIdentifySecret",
              "The secret that signs identify tokens.",
              "admin", admin.get_identify_secret, bodies.IdentifySecret),
    Operation("POST", f"{SITE}/identify-secret/rotate", "rotateIdentifySecret",
              "Make a new identify secret; the one before stays good until the next rotation.",
              "admin", admin.rotate_identify_secret, bodies.IdentifySecret),
    Operation("GET", f"{SITE}/tokens", "listTokens",
              "The tokens of a site, never the secrets.",
              "admin", admin.list_tokens, bodies.Tokens),
    Operation("POST", f"{SITE}/tokens", "addToken",
              "Make a token; it is shown this once.",
              "admin", admin.add_token, bodies.MadeToken, body=bodies.NewToken, status=201),
    Operation("DELETE", f"{SITE}/tokens/{{token_id}}", "revokeToken",
              "Revoke a token at once.",
              "admin", admin.revoke_token, None, status=204),
)
REPORTS = (
    Operation("GET", f"{SITE}/people", "listPeople",
              "People, the hottest first.",
              "read", read.list_people, shapes.People, queries.PeopleQuery),
    Operation("GET", PERSON, "getPerson",
              "A person, with the receipt that adds up to the score.",
              "read", read.get_person, shapes.PersonDetail, queries.PersonQuery),
    Operation("GET", f"{PERSON}/timeline", "getPersonTimeline",
              "What a person did, newest first.",
              "read", read.get_person_timeline, shapes.Timeline, queries.TimelineQuery),
    Operation("GET", f"{SITE}/visitors", "listVisitors",
              "Anonymous visitors: browsers whose sessions belong to nobody yet.",
              "read", read.list_visitors, shapes.Visitors, queries.VisitorsQuery),
    Operation("GET", VISITOR, "getVisitor",
              "An anonymous visitor, with the receipt of its score.",
              "read", read.get_visitor, shapes.VisitorDetail),
    Operation("GET", f"{VISITOR}/timeline", "getVisitorTimeline",
              "What an anonymous visitor did, newest first.",
              "read", read.get_visitor_timeline, shapes.Timeline, queries.TimelineQuery),
    Operation("GET", f"{SITE}/signals", "listSignals",
              "Rules met by people and visitors, newest first; the last 90 days by default.",
              "read", read.list_signals, shapes.Signals, queries.SignalsQuery),
    Operation("GET", f"{SITE}/refused", "listRefused",
              "Events refused or set aside, by reason; the last 28 days by default.",
              "read", read.list_refused, shapes.Refused, queries.RefusedQuery),
    Operation("GET", f"{SITE}/overview", "getOverview",
              "Visitors, sessions, leads and where they came from, by day.",
              "read", read.get_overview, shapes.Overview, queries.OverviewQuery),
    Operation("GET", f"{SITE}/log", "exportLog",
              "The whole log, one entry a line.",
              "read", read.get_log, shapes.LogEntry, queries.LogQuery, media=NDJSON),
)
# fmt: on


def operations(post_events: PostEvents) -> list[Operation]:
    """Every route. `post_events` answers the one that takes events, after access was checked."""

    async def events(call: Call) -> Response:
        return await post_events(call.request)

    return [
        *ADMINISTRATION,
        *REPORTS,
        Operation(
            "POST",
            f"{SITE}/events",
            "postEvents",
            "Send events from a server: identifiers count as asserted.",
            "write",
            events,
            bodies.EventsAnswer,
            status=202,
            free_body="A batch as the widget sends it; the key is not asked.",
        ),
    ]
