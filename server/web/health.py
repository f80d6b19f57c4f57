"""Health and metrics: `/livez` the process, `/readyz` what answers need, `/metrics` the figures."""

import ipaddress
from pathlib import Path

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from server.errors import HandraiseError
from server.settings import Settings
from server.storage import leases
from server.storage.database import Script
from server.storage.folder import free_bytes
from server.web.address import is_trusted
from server.web.problems import problem
from server.web.state import State


def health_routes(state: State) -> list[Route]:
    async def livez(request: Request) -> Response:
        del request
        return PlainTextResponse("ok\n")

    async def readyz(request: Request) -> Response:
        """Ready when the writer takes events and the database answers."""
        del request
        if not state.ready:
            return problem(503, "not_ready", "starting, or shutting down")
        if not state.writer.has_room():
            return problem(503, "disk_full", _full(state))
        try:
            await state.database.fetch("SELECT count(*) FROM leases")
            if state.writer.fault:  # where nobody sends anything nobody would see that it is over
                await state.writer.run(_probe, moves=False)
        except HandraiseError as error:
            return problem(503, "database", error.detail)
        return PlainTextResponse("ready\n")

    async def metrics(request: Request) -> Response:
        """For this machine and operators only, unless the settings open it."""
        if not (state.settings.metrics_public or _near(request, state.settings)):
            return problem(403, "forbidden", "metrics are served to this machine only")
        await _measure_lag(state)
        state.metrics.disk_free.set(free_bytes(Path(state.settings.data)))
        return Response(generate_latest(state.metrics.registry), media_type=CONTENT_TYPE_LATEST)

    return [
        Route("/livez", livez),
        Route("/readyz", readyz),
        Route("/metrics", metrics),
    ]


def _probe() -> Script[None]:
    """Something that has to reach the disk, and leaves nothing."""
    yield from leases.take("probe", "health", None)
    yield from leases.release("probe", "health")


def _full(state: State) -> str:
    return (
        f"less than {state.settings.disk_floor_mb} MB of disk are free (HANDRAISE_DISK_FLOOR_MB):"
        " new events are refused until there is room; pages and sign-in work"
    )


def _near(request: Request, settings: Settings) -> bool:
    if request.scope.get("handraise.operator"):
        return True
    peer = request.client.host if request.client else ""
    passed_on = {"x-forwarded-for", "forwarded", "x-real-ip", settings.client_ip_header.lower()}
    if is_trusted(peer, settings.trusted_proxies) or passed_on & set(request.headers.keys()):
        return False  # a proxy on this machine speaks for anybody
    try:
        return ipaddress.ip_address(peer).is_loopback
    except ValueError:
        return False


async def _measure_lag(state: State) -> None:
    """Entries the projector has not passed, over all sites, and the age of the oldest of them."""
    rows = await state.database.fetch(
        "SELECT s.site_id, h.seq, c.seq FROM sites s"
        " JOIN heads h ON h.site_id = s.site_id"
        " JOIN cursors c ON c.site_id = s.site_id AND c.gen = s.generation"
    )
    state.metrics.lag.set(sum(max(0, head - cursor) for _, head, cursor in rows))
    oldest = 0
    for site_id, head, cursor in rows:
        if head > cursor:
            found = await state.database.fetch(
                "SELECT at + lag FROM entries WHERE site_id = $1 AND seq = $2", site_id, cursor + 1
            )
            if found and found[0][0] is not None:
                oldest = max(oldest, state.clock() - found[0][0])
    state.metrics.lag_seconds.set(max(0, oldest) / 1000)
