"""The administration routes: sites, their settings, their tokens, and links to sign in."""

from starlette.responses import Response

from server.errors import BadRequest
from server.model import Site, SiteSettings
from server.reports.shapes import iso
from server.storage import sites, tokens
from server.web import commands
from server.web.access import need_operator, sites_of
from server.web.bodies import (
    IdentifySecret,
    Link,
    MadeToken,
    NewSite,
    NewToken,
    SettingsChange,
    SiteDetail,
    SiteRow,
    Sites,
    TokenRow,
    Tokens,
)
from server.web.member_bodies import NewName
from server.web.operations import Call
from server.web.sign_in import new_link
from server.web.state import State, new_secret
from server.web.widget import pinned


def snippet(state: State, site: Site) -> str:
    """The tag to paste."""
    return f'<script async src="{state.base_url}/h/{site.keys[0]}.js"></script>'


def pinned_snippet(state: State, site: Site) -> str:
    """The tag for a page that takes no script but one whose text it knows."""
    name, integrity = pinned()
    return (
        f'<script async src="{state.base_url}/h/{name}" data-key="{site.keys[0]}"'
        f' integrity="{integrity}" crossorigin></script>'
    )


def _row(state: State, site: Site) -> SiteRow:
    return SiteRow(
        id=str(site.site_id), name=site.name, key=site.keys[0], snippet=snippet(state, site)
    )


async def list_sites(call: Call) -> Sites:
    return Sites(items=[_row(call.state, site) for site in sites_of(call.state, call.caller)])


async def add_site(call: Call) -> SiteRow:
    need_operator(call.caller)
    body: NewSite = call.body
    state, now, author = call.state, call.state.clock(), call.caller.author
    settings = SiteSettings(origins=commands.origins(body.origins))
    commands.check(settings)
    name, secret = body.name.replace("\x00", "").strip() or "site", new_secret()
    site = await state.writer.run(lambda: commands.add_site(name, secret, settings, author, now))
    await state.reload()
    return _row(state, site)


async def get_site(call: Call) -> SiteDetail:
    return _detail(call.state, call.site.site_id)


def _detail(state: State, site_id: int) -> SiteDetail:
    """The site as it is now, after whatever the call changed."""
    site = state.sites.by_id[site_id]
    row = _row(state, site)
    return SiteDetail(
        id=row.id,
        name=row.name,
        key=row.key,
        key_before=next(iter(site.keys[1:]), None),
        snippet=row.snippet,
        settings=site.settings,
    )


async def change_settings(call: Call) -> SiteDetail:
    body: SettingsChange = call.body
    state, now, author = call.state, call.state.clock(), call.caller.author
    site_id = call.site.site_id
    before = call.site.settings
    commands.changed(before, body)  # refused before it costs a turn
    after = await state.writer.run(lambda: commands.change_settings(site_id, body, author, now))
    await state.reload()
    if commands.shaped(before, after):
        state.replays.ask(site_id, swaps=True)
    return _detail(state, site_id)


async def rename_site(call: Call) -> SiteDetail:
    body: NewName = call.body
    state, now, author = call.state, call.state.clock(), call.caller.author
    site_id, name = call.site.site_id, " ".join(body.name.replace("\x00", "").split())
    if not name:
        raise BadRequest("the name is blank")
    await state.writer.run(lambda: commands.rename_site(site_id, name, author, now))
    await state.reload()
    return _detail(state, site_id)


async def rotate_key(call: Call) -> SiteDetail:
    state, now, author = call.state, call.state.clock(), call.caller.author
    site_id, key = call.site.site_id, sites.new_key()
    await state.writer.run(lambda: commands.rotate_key(site_id, key, author, now))
    await state.reload()
    return _detail(state, site_id)


async def get_identify_secret(call: Call) -> IdentifySecret:
    return _secret(call.site)


async def rotate_identify_secret(call: Call) -> IdentifySecret:
    state, now, author = call.state, call.state.clock(), call.caller.author
    site_id, secret = call.site.site_id, new_secret()
    await state.writer.run(lambda: commands.rotate_secret(site_id, secret, author, now))
    await state.reload()
    return _secret(state.sites.by_id[site_id])


def _secret(site: Site) -> IdentifySecret:
    return IdentifySecret(secret=site.secrets[0], before=next(iter(site.secrets[1:]), None))


async def add_token(call: Call) -> MadeToken:
    body: NewToken = call.body
    state, now, author = call.state, call.state.clock(), call.caller.author
    site_id, secret = call.site.site_id, tokens.new_token()
    name = body.name.replace("\x00", "").strip()
    made = await state.writer.run(
        lambda: commands.add_token(site_id, secret, body.scope, name, author, now)
    )
    await state.reload()
    return MadeToken(token=secret, id=f"t{made.token_id}", scope=body.scope, name=name)


async def list_tokens(call: Call) -> Tokens:
    async with call.state.database.snapshot() as reader:
        rows = await commands.tokens_of(reader, call.site.site_id)
    return Tokens(
        items=[
            TokenRow(
                id=f"t{token_id}",
                prefix=prefix,
                scope=scope,
                name=name,
                author=author,
                created_at=iso(created),
                used_at=iso(used) if used is not None else None,
                revoked_at=iso(revoked) if revoked is not None else None,
            )
            for token_id, prefix, scope, name, author, created, used, revoked in rows
        ]
    )


async def revoke_token(call: Call) -> Response:
    token_id = call.path_id("token_id", "t")
    site_id, now, author = call.site.site_id, call.state.clock(), call.caller.author
    await call.state.writer.run(lambda: commands.revoke_token(site_id, token_id, author, now))
    await call.state.reload()
    call.state.live.hang_up()
    return Response(status_code=204, headers={"Cache-Control": "no-store"})


async def operator_link(call: Call) -> Link:
    need_operator(call.caller)
    return Link(link=await new_link(call.state))
