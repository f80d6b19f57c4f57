"""The control of the kill test: a program that puts its cursor on before it has told anything."""

from server.__main__ import main
from server.storage import destinations
from server.storage.deliveries import Try
from server.tell.courier import Courier
from server.tell.news import Telling
from server.tell.outcomes import Outcome

attempt = Courier._attempt


async def too_late(self: Courier, found: Telling) -> tuple[Outcome, Try]:
    """Record first, then send: what is killed in between is told to nobody."""
    assert found.consequence is not None
    seq, before = found.consequence.seq, self._stored
    await self._store(lambda: destinations.move(*self.destination.scope, before, seq))
    self._stored = seq
    return await attempt(self, found)


if __name__ == "__main__":
    Courier._attempt = too_late  # type: ignore[method-assign]
    main()
