"""Settings of a site: its frame, the site itself, its page groups and goals."""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from starlette.responses import Response

from server.errors import BadRequest
from server.storage import entries
from server.web import administration, commands
from server.web.bodies import SettingsChange
from server.web.member_bodies import NewName
from server.web.page_queries import PageQuery
from server.web.pages import settings_change as change
from server.web.pages.deeds import call_of
from server.web.pages.view import View

#: (path, name, scope) of the sections; `owner` is for owners of the whole server.
SECTIONS = (
    ("/settings", "Site", "admin"),
    ("/settings/pages", "Pages and goals", "admin"),
    ("/settings/forms", "Forms", "admin"),
    ("/settings/members", "Members", "admin"),
    ("/settings/tokens", "Tokens", "admin"),
    ("/settings/keys", "Keys", "admin"),
    ("/settings/audit", "Audit", "admin"),
    ("/settings/erasures", "Erasures", "admin"),
    ("/settings/users", "Server", "owner"),
    ("/settings/account", "Your sign-ins", "read"),
)
GOAL_EVENTS = ("page_view", "form_submit", "download", "click", "track", "identify")
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MODES = (
    ("on", "Until refused", "Visits are recorded from the first page on, until a visitor says no."),
    (
        "ask",
        "Without cookies until granted",
        "Page views are counted without storing anything in the browser; visits begin with a yes.",
    ),
    ("off", "Only once granted", "Nothing is sent before a yes; forms arrive in any case."),
)


def section(view: View, template: str, section_path: str, status: int = 200, **values: Any) -> Any:
    """A page of the settings, with its neighbours beside it."""
    shown = [
        (to, name)
        for to, name, scope in SECTIONS
        if (view.user.owner if scope == "owner" else view.may(scope))
    ]
    last = view.state.replays.last.get((view.site.site_id, True))
    return view.page(
        template,
        status,
        sections=shown,
        section=section_path,
        replay=last,
        **{"wrong": "", **values},
    )


async def index(view: View) -> Response:
    """The site, or for whoever may not change it their own account."""
    view.query(PageQuery)
    if not view.may("admin"):
        return view.go("/settings/account")
    return _site(view, change.form_of(view.site))


def _site(view: View, form: dict[str, Any], status: int = 200, **values: Any) -> Response:
    answer: Response = section(
        view,
        "settings_site.html",
        "/settings",
        status,
        form=form,
        modes=MODES,
        days=DAYS,
        zones=sorted(commands.zones()),
        **{"said_before": [], "sure": "", **values},
    )
    return answer


async def save_site(view: View) -> Response:
    """What follows from a change is shown first, and saved by the second press."""
    form = await view.form(change.SiteForm)
    typed = msgspec.structs.asdict(form)
    try:
        wanted = change.site_change(form, view.site.settings)
        said_before = await _follows(view, wanted)
        if wanted and said_before and form.sure != change.mark(wanted):
            return _site(view, typed, said_before=said_before, sure=change.mark(wanted))
        name = " ".join(form.name.split())
        if not name or len(name) > 200:
            raise BadRequest("a site has a name of at most 200 characters")
        if name != view.site.name:
            await administration.rename_site(call_of(view, NewName(name=name)))
        return await _saved(view, wanted, "/settings")
    except BadRequest as error:
        return _site(view, typed, 400, wrong=error.detail)


async def _follows(view: View, wanted: SettingsChange | None) -> list[str]:
    """What a change leads to, in sentences. Raises `BadRequest` for one that makes no sense."""
    if wanted is None:
        return []
    after, _ = commands.changed(view.site.settings, wanted)
    async with view.state.database.snapshot() as reader:
        head = await entries.head(reader, view.site.site_id)
    return change.consequences(view.site.settings, after, head)


async def _saved(view: View, wanted: SettingsChange | None, to: str) -> Response:
    if wanted is None:
        return view.go(to, "saved")
    before = view.site.settings
    after = (await administration.change_settings(call_of(view, wanted))).settings
    return view.go(to, "rederived" if commands.shaped(before, after) else "saved")


async def progress(view: View) -> Response:
    """How far deriving again is; the piece of the page that asks for itself."""
    view.query(PageQuery)
    last = view.state.replays.last.get((view.site.site_id, True))
    return view.page("settings_progress.html", replay=last)


# ---------------------------------------------------------------- pages and goals


async def groups(view: View) -> Response:
    view.query(PageQuery)
    settings = view.site.settings
    form = {
        "groups": [(one.name, "\n".join(one.patterns)) for one in settings.page_groups],
        "goals": [
            (
                one.name,
                one.event,
                one.pattern,
                f"{one.value // 100}.{one.value % 100:02d}" if one.value else "",
            )
            for one in settings.goals
        ],
    }
    return _groups(view, form)


def _groups(view: View, form: dict[str, Any], status: int = 200, **values: Any) -> Response:
    answer: Response = section(
        view,
        "settings_pages.html",
        "/settings/pages",
        status,
        form=form,
        events=GOAL_EVENTS,
        **{"said_before": [], "sure": "", **values},
    )
    return answer


async def save_groups(view: View) -> Response:
    form = await view.form(change.GroupsForm)
    typed = {
        "groups": [
            row for row in zip(form.group_name, form.group_patterns, strict=False) if row[0]
        ],
        "goals": [
            row
            for row in zip(
                form.goal_name, form.goal_event, form.goal_pattern, form.goal_value, strict=False
            )
            if row[0]
        ],
    }
    try:
        wanted = change.groups_change(form, view.site.settings)
        said_before = await _follows(view, wanted)
        if wanted and said_before and form.sure != change.mark(wanted):
            return _groups(view, typed, said_before=said_before, sure=change.mark(wanted))
        return await _saved(view, wanted, "/settings/pages")
    except BadRequest as error:
        return _groups(view, typed, 400, wrong=error.detail)


Handler = Callable[[View], Awaitable[Response]]
#: (method, path, scope, handler)
ROUTES: tuple[tuple[str, str, str, Handler], ...] = (
    ("GET", "/settings", "read", index),
    ("POST", "/settings", "admin", save_site),
    ("GET", "/settings/progress", "admin", progress),
    ("GET", "/settings/pages", "admin", groups),
    ("POST", "/settings/pages", "admin", save_groups),
)
