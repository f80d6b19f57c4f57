"""Rebuild and verify: asked for, and how far they are."""

from server.project.replay import Replay
from server.reports.shapes import ReplayStatus, UnlikeTable
from server.web.operations import Call


def _status(replay: Replay) -> ReplayStatus:
    return ReplayStatus(
        kind="rebuild" if replay.swaps else "verify",
        state=replay.state,
        done=replay.done,
        total=replay.total,
        detail=replay.detail,
        unlike=[
            UnlikeTable(
                table=name, rows=count, keys=[repr(row[:3]) for row in replay.samples[name]]
            )
            for name, count in replay.unlike.items()
        ],
    )


def _known(call: Call, *, swaps: bool) -> ReplayStatus:
    known = call.state.replays.last.get((call.site.site_id, swaps))
    return _status(known or Replay(call.site.site_id, swaps, state="never"))


async def start_rebuild(call: Call) -> ReplayStatus:
    return _status(call.state.replays.ask(call.site.site_id, swaps=True))


async def get_rebuild(call: Call) -> ReplayStatus:
    return _known(call, swaps=True)


async def start_verify(call: Call) -> ReplayStatus:
    return _status(call.state.replays.ask(call.site.site_id, swaps=False))


async def get_verify(call: Call) -> ReplayStatus:
    return _known(call, swaps=False)
