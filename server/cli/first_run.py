"""First start: a site, a token and a one-time link, made once and shown once."""

from typing import NamedTuple

from server.model import FormRule, Site, SiteSettings
from server.storage import sites, tokens
from server.web.sign_in import new_link
from server.web.state import State, new_secret

DEMO_FORMS = (
    FormRule("demo", purpose="lead"),
    FormRule("contact", purpose="lead"),
    FormRule("ebook", purpose="lead"),
    FormRule("newsletter", purpose="newsletter"),
)


class FirstRun(NamedTuple):
    """The site to show; token and link only where they were just made."""

    site: Site
    snippet: str
    token: str = ""
    link: str = ""


def snippet(base_url: str, key: str) -> str:
    """The tag to paste."""
    return f'<script async src="{base_url}/h/{key}.js"></script>'


async def first_run(state: State, *, demo: bool) -> FirstRun:
    """Make what an empty folder lacks: an ordinary site, or with `demo` the site `Demo`."""
    known = [s for s in state.sites.all if s.name == "Demo"] if demo else state.sites.all
    if known:
        return FirstRun(known[0], snippet(state.base_url, known[0].keys[0]))
    settings = (
        SiteSettings(allow_localhost=True, allow_automation=True, forms=DEMO_FORMS)
        if demo
        else SiteSettings()
    )
    now = state.clock()
    key, token = sites.new_key(), tokens.new_token()
    site = await state.writer.run(
        lambda: sites.add("Demo" if demo else "My site", key, new_secret(), settings, now)
    )
    await state.writer.run(
        lambda: tokens.add(site.site_id, token, "admin", "first start", "operator", now)
    )
    link = await new_link(state)
    await state.reload()
    return FirstRun(site, snippet(state.base_url, key), token, link)
