"""The route table of the API: the app, the OpenAPI document and the tests are made from it."""

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response

from server.reports import conflict_shapes, erasure_shapes, shapes
from server.reports.refused import Refused
from server.web import administration as admin
from server.web import bodies, decision_bodies, erasure, inbox, queries, replays
from server.web import decisions as decide
from server.web import readings as read
from server.web.operations import NDJSON, Call, Operation

PREFIX = "/api/v1"
SITE = f"{PREFIX}/sites/{{site_id}}"
PERSON = f"{SITE}/people/{{person_id}}"
VISITOR = f"{SITE}/visitors/{{visitor_id}}"
CONFLICT = f"{SITE}/conflicts/{{conflict_id}}"

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
    Operation("POST", f"{SITE}/rebuild", "startRebuild",
              "Make all derived tables again from the log, while the site is served.",
              "admin", replays.start_rebuild, shapes.ReplayStatus, status=202),
    Operation("GET", f"{SITE}/rebuild", "getRebuild",
              "How far the last rebuild is.",
              "admin", replays.get_rebuild, shapes.ReplayStatus),
    Operation("POST", f"{SITE}/verify", "startVerify",
              "Read the log again and compare, without changing anything.",
              "admin", replays.start_verify, shapes.ReplayStatus, status=202),
    Operation("GET", f"{SITE}/verify", "getVerify",
              "What the last verification has found.",
              "admin", replays.get_verify, shapes.ReplayStatus),
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
              "read", read.list_refused, Refused, queries.RefusedQuery),
    Operation("GET", f"{SITE}/overview", "getOverview",
              "Visitors, sessions, leads and where they came from, by day.",
              "read", read.get_overview, shapes.Overview, queries.OverviewQuery),
    Operation("GET", f"{SITE}/log", "exportLog",
              "The whole log, one entry a line.",
              "read", read.get_log, shapes.LogEntry, queries.LogQuery, media=NDJSON),
)
ERASING = (
    Operation("GET", f"{PERSON}/erasure", "previewPersonErasure",
              "What erasing this person would take, and what others keep.",
              "read", erasure.preview_person, erasure_shapes.ErasurePreview),
    Operation("GET", f"{VISITOR}/erasure", "previewVisitorErasure",
              "What erasing this visitor would take.",
              "read", erasure.preview_visitor, erasure_shapes.ErasurePreview),
    Operation("DELETE", PERSON, "erasePerson",
              "Erase everything of a person, without a further question.",
              "admin", erasure.erase_person, erasure_shapes.Erasure, erases=True),
    Operation("DELETE", VISITOR, "eraseVisitor",
              "Erase everything of a visitor, without a further question.",
              "admin", erasure.erase_visitor, erasure_shapes.Erasure, erases=True),
    Operation("GET", f"{SITE}/erasures", "listErasures",
              "The last hundred erasures, newest first.",
              "read", erasure.list_erasures, erasure_shapes.Erasures),
    Operation("GET", f"{SITE}/erasures/{{erasure_id}}", "getErasure",
              "How far an erasure is, and its receipt.",
              "read", erasure.get_erasure, erasure_shapes.Erasure),
    Operation("GET", f"{PERSON}/export", "exportPerson",
              "Everything that is stored of a person.",
              "read", erasure.export_person, erasure_shapes.PersonExport),
)
DECISIONS = (
    Operation("POST", f"{PERSON}/merge", "mergePeople",
              "Two persons are one; the one with the older id stays, the other leads there.",
              "write", decide.merge, shapes.PersonDetail,
              body=decision_bodies.OtherPerson, decides=True),
    Operation("POST", f"{PERSON}/split", "splitPerson",
              "Take a merge back: both persons are as if it had never been.",
              "write", decide.split, shapes.PersonDetail,
              body=decision_bodies.WhichMerge, decides=True),
    Operation("POST", f"{PERSON}/verify", "verifyIdentifier",
              "Say that an identifier is this person's, stronger than any evidence.",
              "write", decide.verify, shapes.PersonDetail,
              body=decision_bodies.Known, decides=True),
    Operation("POST", f"{PERSON}/stage", "setStage",
              "Move a person to a stage, up or down.",
              "write", decide.set_stage, shapes.PersonDetail,
              body=decision_bodies.NewStage, decides=True),
    Operation("POST", f"{PERSON}/tags", "changeTags",
              "Add and remove tags.",
              "write", decide.tag, shapes.PersonDetail,
              body=decision_bodies.TagChange, decides=True),
    Operation("POST", f"{PERSON}/notes", "addNote",
              "Write a note about a person.",
              "write", decide.add_note, shapes.PersonDetail,
              body=decision_bodies.NewNote, decides=True),
    Operation("DELETE", f"{PERSON}/notes/{{note_id}}", "deleteNote",
              "Show a note no more.",
              "write", decide.delete_note, shapes.PersonDetail, decides=True),
    Operation("PUT", f"{PERSON}/owner", "setOwner",
              "Say who looks after a person.",
              "write", decide.set_owner, shapes.PersonDetail,
              body=decision_bodies.NewOwner, decides=True),
    Operation("PUT", f"{PERSON}/do-not-contact", "setDoNotContact",
              "Say whether a person may be contacted.",
              "write", decide.do_not_contact, shapes.PersonDetail,
              body=decision_bodies.DoNotContact, decides=True),
    Operation("POST", f"{PERSON}/classify", "classifyPerson",
              "Say what every visitor of a person is; only `human` counts.",
              "write", decide.classify_person, decision_bodies.Classified,
              body=decision_bodies.NewClass, decides=True),
    Operation("POST", f"{VISITOR}/classify", "classifyVisitor",
              "Say what a visitor is; only `human` counts.",
              "write", decide.classify_visitor, decision_bodies.Classified,
              body=decision_bodies.NewClass, decides=True),
    Operation("POST", f"{SITE}/events/{{event_id}}/classify", "classifyEvent",
              "Say what one event is; only `human` counts.",
              "write", decide.classify_event, decision_bodies.Classified,
              body=decision_bodies.NewClass, decides=True),
    Operation("GET", f"{SITE}/conflicts", "listConflicts",
              "What identity refused or doubts, newest first, with the evidence on both sides.",
              "read", inbox.list_conflicts, conflict_shapes.Conflicts, queries.ConflictsQuery),
    Operation("GET", CONFLICT, "getConflict",
              "One conflict.",
              "read", inbox.get_conflict, conflict_shapes.ConflictRow),
    Operation("POST", f"{CONFLICT}/accept", "acceptConflict",
              "It was them: what waited counts, as if it had counted when it was made.",
              "write", inbox.accept, conflict_shapes.ConflictRow, decides=True),
    Operation("POST", f"{CONFLICT}/refuse", "refuseConflict",
              "It was somebody else: the visit is nobody's.",
              "write", inbox.refuse, conflict_shapes.ConflictRow, decides=True),
    Operation("POST", f"{CONFLICT}/merge", "mergeConflict",
              "The two persons of a conflict are one.",
              "write", inbox.merge_conflict, conflict_shapes.ConflictRow, decides=True),
    Operation("POST", f"{CONFLICT}/dismiss", "dismissConflict",
              "Nothing is to be done about it.",
              "write", inbox.dismiss, conflict_shapes.ConflictRow, decides=True),
)
# fmt: on


def operations(post_events: PostEvents) -> list[Operation]:
    """Every route. `post_events` answers the one that takes events, after access was checked."""

    async def events(call: Call) -> Response:
        return await post_events(call.request)

    return [
        *ADMINISTRATION,
        *REPORTS,
        *ERASING,
        *DECISIONS,
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
