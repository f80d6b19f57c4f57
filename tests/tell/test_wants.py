"""Who is told what: one row a case."""

import pytest

from server.model import Kind
from server.project.rules import Ruleset, Threshold
from server.storage.destinations import Destination, DestinationSettings, Wants
from server.tell.wants import Consequence, wanted

RULES = Ruleset(
    1,
    "test",
    (),
    (Threshold("warm", "", 20_000, notify=False), Threshold("mql", "mql", 50_000)),
)


def of(kind: Kind, **more: object) -> Consequence:
    return Consequence(seq=9, kind=kind, at=1, event_id=b"", **more)  # type: ignore[arg-type]


def to(kind: str = "webhook", **wants: object) -> Destination:
    settings = DestinationSettings(wants=Wants(**wants))  # type: ignore[arg-type]
    return Destination(
        site_id=1,
        destination_id=1,
        kind=kind,
        settings=settings,
        cursor=0,
        revision=1,
        disabled_at=None,
        reason="",
        created_at=0,
    )


CROSSED = of(Kind.CROSSED, threshold="mql")
WARM = of(Kind.CROSSED, threshold="warm")
BECAME_MQL = of(Kind.STAGE_MOVED, threshold="mql", stage_to="mql")
BECAME_SQL = of(Kind.STAGE_MOVED, threshold="high_intent", stage_to="sql")
BECAME_LEAD = of(Kind.STAGE_MOVED, threshold="first_stage", stage_to="lead")
REARMED = of(Kind.REARMED, threshold="mql")


@pytest.mark.parametrize(
    ("destination", "told", "is_told"),
    [
        (to(), CROSSED, True),
        (to(), WARM, False),  # it does not notify
        (to(thresholds=("warm",)), WARM, True),  # unless it is asked for
        (to(thresholds=("warm",)), CROSSED, False),
        (to(), of(Kind.CROSSED, threshold="deleted"), False),
        (to(), of(Kind.CROSSED, threshold="mql", mute=True), False),
        (to(), BECAME_MQL, True),
        (to(), BECAME_SQL, True),
        (to(), BECAME_LEAD, False),
        (to(stages=("lead",)), BECAME_LEAD, True),
        (to(stages=("lead",)), BECAME_MQL, False),
        (to(kinds=("crossed",)), BECAME_SQL, False),
        (to(kinds=("stage_moved",)), CROSSED, False),
        (to(), REARMED, False),
        (to(kinds=("rearmed",)), REARMED, True),
        (to(), of(Kind.RETRACTED, of=3), True),  # if what is taken back was told there
        (to(kinds=("crossed",)), of(Kind.RETRACTED, of=3), False),
        (to("mail"), CROSSED, True),
        (to("mail"), BECAME_MQL, False),  # the mail about the threshold says it
        (to("mail"), BECAME_SQL, True),
        (to("mail", kinds=("stage_moved",)), BECAME_MQL, True),
        (to("mail", thresholds=("warm",)), BECAME_MQL, True),
    ],
)
def test_who_is_told(destination: Destination, told: Consequence, is_told: bool) -> None:
    """By kind, stage and threshold; nobody of what is mute."""
    assert wanted(destination, told, RULES) is is_told
