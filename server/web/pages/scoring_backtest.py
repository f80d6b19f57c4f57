"""The backtest: would the draft have seen customers sooner, and who would stand where."""

from typing import Annotated, Any

from msgspec import Meta, Struct
from starlette.responses import Response

from server.errors import BadRequest, Conflict, NotFound
from server.model import DAY_MS
from server.reports.backtest_shapes import BacktestResult, BucketRow
from server.reports.names import names
from server.reports.shapes import iso
from server.storage.database import Reader
from server.web import backtests
from server.web.backtests import DAYS_BEFORE, SAMPLE, BacktestBody
from server.web.drafts import working
from server.web.page_queries import PageQuery
from server.web.pages.deeds import call_of
from server.web.pages.scoring import in_force
from server.web.pages.view import View

MOST_NAMES = 20
#: Of the drawing, in its own units.
WIDTH, HEIGHT, GAP = 600, 160, 2


class BacktestForm(Struct, frozen=True, kw_only=True):
    """People as they were `days` days ago, customers at least `before` days before."""

    days: Annotated[int, Meta(ge=0, le=3_650)] = DAYS_BEFORE
    before: Annotated[int, Meta(ge=0, le=365)] = 0
    sample: Annotated[int, Meta(ge=60, le=10_000)] = SAMPLE


async def backtest(view: View) -> Response:
    view.query(PageQuery)
    return await _page(view)


async def status(view: View) -> Response:
    """The part of the page that asks for itself while a backtest runs."""
    view.query(PageQuery)
    async with view.state.database.snapshot() as reader:
        told = await _told(reader, view)
    return view.page("scoring_backtest_status.html", **told)


async def start(view: View) -> Response:
    """Compare the draft with what is in force."""
    try:
        form = await view.form(BacktestForm)
        body = BacktestBody(
            at=iso(view.now - form.days * DAY_MS), days_before=form.before, sample=form.sample
        )
        await backtests.start_backtest(call_of(view, body))
    except (BadRequest, Conflict, NotFound) as error:
        return await _page(view, error.detail, error.status)
    return view.go("/scoring/backtest")


async def _page(view: View, wrong: str = "", code: int = 200) -> Response:
    async with view.state.database.snapshot() as reader:
        told = await _told(reader, view)
        told |= await in_force(reader, view)
    return view.page(
        "scoring_backtest.html", code, wrong=wrong, days=DAYS_BEFORE, sample=SAMPLE, **told
    )


async def _told(reader: Reader, view: View) -> dict[str, Any]:
    run = await backtests.get_backtest(call_of(view, None))
    known = view.state.backtests.last.get(view.site.site_id)
    now = await working(reader, view.site)
    result = run.result
    movers = result.movers[:MOST_NAMES] if result else []
    called = await names(reader, view.site, [int(one.person[1:]) for one in movers])
    return {
        "run": run,
        "drafted": bool(now.revision),
        "changed": bool(known and now.revision and known.pair[1] != now.ruleset),
        "movers": [(one, called.get(int(one.person[1:]), one.person)) for one in movers],
        "thresholds": thresholds(result) if result else [],
        "histogram": histogram(result.buckets) if result and result.buckets else None,
    }


def thresholds(result: BacktestResult) -> list[tuple[str, Any, Any]]:
    """Each threshold of either side with its figures before and after."""
    before = {one.threshold: one for one in result.before.thresholds}
    after = {one.threshold: one for one in result.after.thresholds}
    return [(key, before.get(key), after.get(key)) for key in {**before, **after}]


def histogram(buckets: list[BucketRow]) -> dict[str, Any]:
    """Two bars for each bucket of scores, before and after, as a drawing."""
    most = max(max(one.before, one.after) for one in buckets) or 1
    step = WIDTH / len(buckets)
    bar = max((step - 3 * GAP) / 2, 1)
    columns = []
    for place, one in enumerate(buckets):
        left = place * step + GAP
        columns.append(
            [
                (kind, round(x, 2), round(bar, 2), round(count / most * HEIGHT, 2))
                for kind, x, count in (
                    ("before", left, one.before),
                    ("after", left + bar + GAP / 2, one.after),
                )
            ]
        )
    return {
        "columns": columns,
        "buckets": buckets,
        "width": WIDTH,
        "height": HEIGHT,
        "least": buckets[0].low,
        "most": buckets[-1].high,
        "people": most,
    }
