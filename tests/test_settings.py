"""Settings of the process that cannot work are refused where they are read, with the way out."""

import pytest

from server.errors import BadRequest
from server.ingest.limits import BATCH_EVENTS
from server.settings import LEAST_QUEUE, load


def test_the_queue_has_room_for_the_largest_batch() -> None:
    """With less it would be answered 503 for ever, however often it is sent again."""
    assert LEAST_QUEUE >= BATCH_EVENTS
    for given in ("0", "31", str(LEAST_QUEUE - 1), "-1"):
        with pytest.raises(BadRequest, match=f"QUEUE_EVENTS is at least {LEAST_QUEUE}"):
            load({"HANDRAISE_QUEUE_EVENTS": given})
    assert load({"HANDRAISE_QUEUE_EVENTS": str(LEAST_QUEUE)}).queue_events == LEAST_QUEUE
