"""The visitors the projector has in memory, no more of them than may be there.

Almost all of what a visitor takes is its events, some 300 bytes each: page views are known one by
one while engagement for them may still come. So many events are kept as well as so many visitors;
a hundred thousand events of a few hundred visitors had taken as much as ten thousand visitors.
"""

from collections.abc import Iterable

from server.project.visitor import Visitor

VISITORS_KEPT = 3_000
#: Some 40 MB.
EVENTS_KEPT = 150_000


class Remembered(dict[int, Visitor]):
    """Visitors by id. Whoever changed some of them says so by `touched`."""

    def __init__(self) -> None:
        super().__init__()
        self.events = 0
        self._events: dict[int, int] = {}  # by visitor; who was touched longest ago comes first

    def touched(self, visitor_ids: Iterable[int]) -> None:
        """Count the events of these again; they are the last to be forgotten."""
        for visitor_id in visitor_ids:
            self.events -= self._events.pop(visitor_id, 0)
            visitor = self.get(visitor_id)
            if visitor is not None:
                self._events[visitor_id] = count = events_of(visitor)
                self.events += count

    def trim(self) -> None:
        """Where they are too many, forget a third: those touched longest ago. Those that were
        taken out by somebody else meanwhile were counted until now."""
        if len(self) <= VISITORS_KEPT and self.events <= EVENTS_KEPT:
            return
        visitors, events = VISITORS_KEPT * 2 // 3, EVENTS_KEPT * 2 // 3
        for visitor_id in list(self._events):
            if len(self) <= visitors and self.events <= events:
                return
            self.events -= self._events.pop(visitor_id)
            self.pop(visitor_id, None)


def events_of(visitor: Visitor) -> int:
    """How many events are known of a visitor."""
    return sum(session.events for session in (*visitor.sessions, *visitor.alone))
