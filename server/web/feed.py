"""The live feed: one reader a site, however many listen.

A site that somebody listens to has one task. It reads what the projector has passed since it looked
last, makes each message once, and puts it into the queue of every listener.

* Nothing twice and nothing left out: a listener joins at the feed's position; what lies between its
  own last number and that position it reads itself, what comes behind it is in its queue.
* A gap of more than 1,000 entries is no news: `reset`, then the newest 100. The same after somebody
  was erased, in place of whatever waited: a queue never shows who is forgotten. Its data
  says `why`: `gap` or `erased`.
* A listener whose queue is full is let go; it comes back by itself and says where it was.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from server.errors import Overloaded
from server.model import Site
from server.reports import live as report
from server.reports.live import LiveEvent, Now
from server.storage.database import Reader

if TYPE_CHECKING:
    from server.web.state import State

GAP = 1_000  # entries
QUEUE = 1_200  # messages of one listener: more than a gap
MOST = 500  # listeners of one site
#: What comes within this time is read together; without news it looks again after the longer one.
GATHER_S, IDLE_S = 0.2, 2.0
RETRY_MS = 1_000  # after which a browser comes back
_encode = msgspec.json.Encoder().encode


class Message(NamedTuple):
    """A message as it is sent. `seq` is where the log stands with it."""

    seq: int
    event: str  # empty for something that happened; else reset or now
    wire: bytes


def message(seq: int, event: str, data: object) -> Message:
    """A server-sent event; its id is the number by which a listener comes back."""
    name = f"event: {event}\n" if event else ""
    wire = b"id: %d\n%bdata: %b\n\n" % (seq, name.encode(), _encode(data))
    return Message(seq, event, wire)


class Listener:
    """One stream. `seen` is the last number that its client has, or will have read by itself."""

    def __init__(self, seen: int) -> None:
        self.seen = seen
        self.first: list[Message] = []  # what it read by itself when it came
        self.queue: asyncio.Queue[Message | None] = asyncio.Queue(QUEUE)
        self.over = asyncio.Event()

    def put(self, messages: Sequence[Message]) -> bool:
        """False where there is no room for all of them."""
        if self.queue.maxsize - self.queue.qsize() < len(messages):
            return False
        for one in messages:
            self.queue.put_nowait(one)
        return True

    def forget(self) -> None:
        """Leave nothing that waits."""
        self.first.clear()
        while not self.queue.empty():
            self.queue.get_nowait()

    def close(self) -> None:
        """No more messages, not even those that wait."""
        self.forget()
        self.over.set()
        self.queue.put_nowait(None)

    async def messages(self) -> AsyncIterator[Message]:
        """Everything for this listener, until it is closed."""
        while self.first and not self.over.is_set():
            yield self.first.pop(0)
        while not self.over.is_set():
            one = await self.queue.get()
            if one is None:
                return
            if one.event == "reset":  # what follows it is older, and meant
                self.seen = one.seq
            if one.event or one.seq > self.seen:
                yield one


class Feed:
    """One site's reader and its listeners. `seq` is how far it has read."""

    def __init__(self, state: "State", site_id: int) -> None:
        self.state = state
        self.site_id = site_id
        self.listeners: set[Listener] = set()
        self.seq = 0
        self.reads = 0  # snapshots it has taken
        self._now: Now | None = None

    @property
    def site(self) -> Site:
        return self.state.sites.by_id[self.site_id]

    async def serve(self) -> None:
        """Read and pass on as long as somebody listens. A storage fault waits and goes on."""
        while self.listeners:
            moved = self.state.projector.moved
            with suppress(Overloaded):
                await self.tick()
            with suppress(TimeoutError):
                async with asyncio.timeout(IDLE_S):
                    await moved.wait()
            await asyncio.sleep(GATHER_S)

    async def tick(self) -> None:
        """What has happened since the last one, to every listener."""
        self.reads += 1
        async with self.state.database.snapshot() as reader:
            upto = await report.position(reader, self.site)
            erased = await report.erased_between(reader, self.site, self.seq, upto)
            found = await news(reader, self.site, self.seq, upto, erased)
            now = await report.on_site(reader, self.site, self.state.clock())
        self.seq = upto
        if now != self._now:
            found.append(message(upto, "now", now))
            self._now = now
        for listener in list(self.listeners):
            if erased:
                listener.forget()
            if not listener.put(found):
                self.drop(listener)

    def drop(self, listener: Listener) -> None:
        self.listeners.discard(listener)
        listener.close()


async def news(
    reader: Reader, site: Site, after: int, upto: int, erased: bool = False
) -> list[Message]:
    """What happened between two entries; where that is too much, `reset` and the newest."""
    if upto <= after:
        return []
    if not erased and upto - after <= GAP:
        return _messages(await report.events(reader, site, after, upto))
    newest = await report.newest(reader, site, upto)
    first = newest[0].seq - 1 if newest else upto
    why = "erased" if erased else "gap"
    return [message(first, "reset", {"why": why}), *_messages(newest)]


def _messages(found: Sequence[LiveEvent]) -> list[Message]:
    return [message(one.seq, "", one) for one in found]


class Live:
    """The feeds of all sites somebody listens to."""

    def __init__(self, state: "State") -> None:
        self.state = state
        self.feeds: dict[int, Feed] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._joining = asyncio.Lock()

    async def join(self, site: Site, after: int | None) -> Listener:
        """A new listener, which hears what follows entry `after`, or what comes from now on.

        Raises `Overloaded` where too many listen already.
        """
        if not self.state.ready:
            raise Overloaded("the server is stopping; try again in a few seconds")
        async with self._joining:
            feed = await self._feed(site)
            if len(feed.listeners) >= MOST:
                raise Overloaded(f"{MOST} listen to this site already; close a page that does")
            listener = Listener(feed.seq)
            feed.listeners.add(listener)  # from here on the queue fills
            start = feed.seq
        try:
            await self._catch_up(feed, listener, after, start)
        except BaseException:
            feed.drop(listener)
            raise
        return listener

    async def _feed(self, site: Site) -> Feed:
        feed = self.feeds.get(site.site_id)
        task = self._tasks.get(site.site_id)
        if feed is None or task is None or task.done():
            feed = Feed(self.state, site.site_id)
            async with self.state.database.snapshot() as reader:
                feed.seq = await report.position(reader, feed.site)
            self.feeds[site.site_id] = feed
            self._tasks[site.site_id] = asyncio.create_task(
                self._serve(feed), name=f"handraise-feed-{site.site_id}"
            )
        return feed

    async def _serve(self, feed: Feed) -> None:
        """A fault of one feed lets its listeners go; they come back and begin another."""
        await asyncio.sleep(0)  # whoever begins it is in the list first
        try:
            await feed.serve()
        finally:
            for listener in list(feed.listeners):
                feed.drop(listener)

    async def _catch_up(
        self, feed: Feed, listener: Listener, after: int | None, start: int
    ) -> None:
        """What lies between the client's last number and the place where the queue begins."""
        async with self.state.database.snapshot() as reader:
            upto = await report.position(reader, feed.site)
            if after is None or after > upto:
                after = start
            # Over a gap the list begins anew anyway, and nobody reads millions of entries for that.
            long = start - after > GAP
            erased = long or await report.erased_between(reader, feed.site, after, start)
            found = await news(reader, feed.site, after, start, erased)
            now = await report.on_site(reader, feed.site, self.state.clock())
        listener.seen = max(after, start)
        listener.first = [*found, message(listener.seen, "now", now)]

    def leave(self, site_id: int, listener: Listener) -> None:
        feed = self.feeds.get(site_id)
        if feed is not None:
            feed.listeners.discard(listener)

    def hang_up(self) -> None:
        """Let everybody go, after somebody's right to listen has changed: whoever still may comes
        back within a second and has missed nothing."""
        for feed in self.feeds.values():
            for listener in list(feed.listeners):
                feed.drop(listener)

    async def close(self) -> None:
        """At the end: every listener at once, then the tasks."""
        self.hang_up()
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        self._tasks.clear()
        self.feeds.clear()
