"""The visitors the projector has in memory, no more of them than may be there.

Almost all of what a visitor takes is its events: page views are known one by one while engagement
for them may still come. So visitors are weighed, and not only counted: 3,000 of 500 events each had
taken 400 MB. The unit is an event with an address of ordinary length, some 300 bytes.
"""

from collections.abc import Iterable

from server.project.visitor import Visitor

VISITORS_KEPT = 3_000
#: Some 40 MB.
WEIGHT_KEPT = 150_000


class Remembered(dict[int, Visitor]):
    """Visitors by id. Whoever changed some of them says so by `touched`."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = 0
        self._weights: dict[int, int] = {}  # by visitor; who was touched longest ago comes first
        self._latest: set[int] = set()

    def touched(self, visitor_ids: Iterable[int]) -> None:
        """Weigh these again; they are the last to be forgotten."""
        self._latest = set(visitor_ids)
        for visitor_id in self._latest:
            self.weight -= self._weights.pop(visitor_id, 0)
            visitor = self.get(visitor_id)
            if visitor is not None:
                self._weights[visitor_id] = weight = weight_of(visitor)
                self.weight += weight

    def trim(self) -> None:
        """Where they are too many, forget a third: those touched longest ago. Whoever was touched
        last stays: of somebody with a hundred thousand events it would all be read again each time.
        Those that were taken out by somebody else meanwhile were weighed until now."""
        if len(self) <= VISITORS_KEPT and self.weight <= WEIGHT_KEPT:
            return
        visitors, weight = VISITORS_KEPT * 2 // 3, WEIGHT_KEPT * 2 // 3
        for visitor_id in list(self._weights):
            done = len(self) <= visitors and self.weight <= weight
            if done or visitor_id in self._latest:
                return
            self.weight -= self._weights.pop(visitor_id)
            self.pop(visitor_id, None)


def weight_of(visitor: Visitor) -> int:
    """How much is known of a visitor."""
    return sum(session.weight for session in (*visitor.sessions, *visitor.alone))
