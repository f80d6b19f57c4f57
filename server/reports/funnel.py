"""From visitor to customer: the steps of a span of days. Pure."""

from server.reports.overview_shapes import FunnelStep, Totals
from server.reports.reaches import COUNTED


def funnel(totals: Totals) -> list[FunnelStep]:
    """The steps visitor, lead, MQL, SQL, customer.

    The first counts the visitors of the span. The others count people whose *move* to the stage was
    in the span, each at the first time they reached it, whenever they came first: somebody may be a
    customer of this month who was a visitor of the last one. So a step is no subset of the one
    before, a stage that was skipped is not counted, and a rate may exceed 1.
    """
    steps = [("visitor", totals.visitors)]
    steps += [(stage, getattr(totals, name)) for stage, name in COUNTED.items()]
    before: int | None = None
    found: list[FunnelStep] = []
    for stage, count in steps:
        found.append(
            FunnelStep(
                stage=stage,
                count=count,
                of_before=round(count / before, 4) if before else None,
                of_first=round(count / totals.visitors, 4) if totals.visitors else None,
            )
        )
        before = count
    return found
