"""The routes of backtests: ask for one, and how far it is."""

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from server.errors import BadRequest
from server.model import DAY_MS
from server.reports import rulesets as reports
from server.reports.backtest import Asked
from server.reports.backtest_shapes import BacktestStatus
from server.reports.moments import read_time
from server.reports.shapes import iso
from server.web.backtesting import Run
from server.web.bodies import Body
from server.web.operations import Call
from server.web.queries import RulesetName

DAYS_BEFORE = 30  # now, if no other moment is asked for
#: People looked at: by default, and at most, since all of them are in memory together.
SAMPLE, MOST = 5_000, 10_000


class BacktestBody(Body, frozen=True, kw_only=True):
    """Two rulesets, a moment in the past, and how many people. A customer is looked at before they
    became one, `days_before` days if that is asked."""

    first: RulesetName = msgspec.field(name="from", default="published")
    last: RulesetName = msgspec.field(name="to", default="draft")
    at: (
        Annotated[str, Meta(max_length=64, description="ISO 8601; 30 days ago by default.")]
        | UnsetType
    ) = UNSET
    days_before: Annotated[int, Meta(ge=0, le=365)] = 0
    sample: Annotated[int, Meta(ge=60, le=MOST)] = SAMPLE


async def start_backtest(call: Call) -> BacktestStatus:
    body: BacktestBody = call.body
    now = call.state.clock()
    at = now - DAYS_BEFORE * DAY_MS if body.at is UNSET else read_time("at", body.at)
    if at > now:
        raise BadRequest("`at` lies in the future: a backtest looks at what has happened")
    async with call.state.database.snapshot() as reader:
        old = await reports.named(reader, call.site, body.first)
        new = await reports.named(reader, call.site, body.last)
    asked = Asked(at, body.days_before, body.sample)
    run = Run(call.site.site_id, (old, new), asked, (body.first, body.last))
    call.state.backtests.ask(run)
    return _status(run)


async def get_backtest(call: Call) -> BacktestStatus:
    run = call.state.backtests.last.get(call.site.site_id)
    if run is not None:
        return _status(run)
    return BacktestStatus(
        state="never",
        done=0,
        total=0,
        detail="",
        first="",
        last="",
        at=None,
        days_before=0,
        sample=0,
        result=None,
    )


def _status(run: Run) -> BacktestStatus:
    return BacktestStatus(
        state=run.state,
        done=run.done,
        total=run.total,
        detail=run.detail,
        first=run.names[0],
        last=run.names[1],
        at=iso(run.asked.at),
        days_before=run.asked.days_before,
        sample=run.asked.sample,
        result=run.result,
    )
