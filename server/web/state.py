"""Everything a request may use, made once by `create_app`. Nothing here is global."""

import asyncio
import secrets
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, NamedTuple

import msgspec

from server.errors import NotFound, Overloaded, Unauthorised
from server.ingest.pipeline import Tools
from server.ingest.tombstones import Tombstone, Tombstones
from server.metrics import Metrics
from server.model import Class, Site
from server.project.projector import REST_S, Projector
from server.project.replay import Replays
from server.reports import packing
from server.settings import Settings
from server.storage import refusals, repeats, sites, tokens, tombstones
from server.storage.database import Database, Script, ScriptMaker
from server.storage.ledger import Ledger
from server.storage.tokens import Token
from server.storage.writer import Writer
from server.tell.teller import Teller
from server.web.arrivals import Arrivals
from server.web.backoff import Backoff
from server.web.backtesting import Backtests
from server.web.eraser import Eraser
from server.web.feed import Live
from server.web.line import Line
from server.web.marks import Marks
from server.web.passwords import Passwords

HOUR_MS = 3_600_000
#: Events that came again: so many are written a second, and so many more may wait for it.
REPEATS, MOST_REPEATS = 5_000, 50_000


class Sites:
    """The sites in memory, by id and by public key. Replaced whole after a change."""

    def __init__(self) -> None:
        self.all: list[Site] = []
        self.by_id: dict[int, Site] = {}
        self.by_key: dict[str, Site] = {}

    def replace(self, found: list[Site]) -> None:
        """Keep the very same object for a site that did not change: caches hang on it."""
        self.all = [old if (old := self.by_id.get(s.site_id)) == s else s for s in found]
        self.by_id = {site.site_id: site for site in self.all}
        self.by_key = {key: site for site in self.all for key in site.keys}

    def get(self, site_id: str) -> Site:
        """Raises `NotFound`; the same for a site that is not there and one that is not yours."""
        plain = site_id.isascii() and site_id.isdigit() and len(site_id) < 16
        site = self.by_id.get(int(site_id)) if plain else None
        if site is None:
            raise NotFound("no such site")
        return site


class Counted(NamedTuple):
    """What was refused or came again, as one turn writes it."""

    counts: Counter[tuple[int, str, int]]
    samples: dict[tuple[int, str], list[tuple[int, str]]]
    repeats: dict[tuple[int, bytes], int]

    def script(self) -> Script[None]:
        """Writes it."""
        yield from refusals.add(self.counts, self.samples)
        yield from repeats.add(self.repeats)


class Refused:
    """Counts of what was refused or set aside, on the way to their table."""

    def __init__(self, metrics: Metrics) -> None:
        self.metrics = metrics
        self.counts: Counter[tuple[int, str, int]] = Counter()
        self.samples: dict[tuple[int, str], list[tuple[int, str]]] = {}
        self.repeats: Counter[tuple[int, bytes]] = Counter()

    def add(self, site_id: int, reason: str, now: int, sample: dict[str, Any] | None) -> None:
        """Count one; `sample` holds nothing personal. Ten samples of a reason wait at most."""
        self.metrics.refused.labels(reason).inc()
        self.counts[site_id, reason, now // HOUR_MS] += 1
        if sample is None:
            return
        waiting = self.samples.setdefault((site_id, reason), [])
        if len(waiting) < 10:
            waiting.append((now, msgspec.json.encode(sample).decode()))

    def again(self, site_id: int, event_id: bytes) -> None:
        """An event that came again and is stored once. What finds no room is told by metrics
        alone: it is no event that was lost."""
        if len(self.repeats) < MOST_REPEATS:
            self.repeats[site_id, event_id] += 1

    def classified(self, site_id: int, class_: Class, reason: str, now: int, url: str) -> None:
        """An event that was stored and kept out of the figures."""
        self.add(site_id, f"class_{class_.name.lower()}", now, {"reason": reason, "url": url})

    def waits(self) -> bool:
        """Whether there is something to write."""
        return bool(self.counts or self.repeats)

    def take(self) -> Counted | None:
        """What is to be written now, or None."""
        if not self.waits():
            return None
        taken = Counted(self.counts, self.samples, {})
        for key in list(islice(self.repeats, REPEATS)):
            taken.repeats[key] = self.repeats.pop(key)
        self.counts, self.samples = Counter(), {}
        return taken

    def give_back(self, taken: Counted) -> None:
        """Count again what could not be written."""
        self.counts.update(taken.counts)
        self.repeats.update(taken.repeats)


@dataclass
class State:
    """`app.state.handraise`. `clock` is UTC ms. `secret` signs cookies and form tokens."""

    settings: Settings
    database: Database
    #: Who waits to be read.
    line: Line
    writer: Writer
    projector: Projector
    metrics: Metrics
    tools: Tools
    clock: Callable[[], int]
    secret: str
    ledger: Ledger
    sites: Sites = field(default_factory=Sites)
    tokens: dict[bytes, Token] = field(default_factory=dict)
    ready: bool = False
    base_url: str = ""  # where visitors reach this server, once it listens

    def __post_init__(self) -> None:
        self.refused = Refused(self.metrics)
        self.arrivals = Arrivals()
        self.passwords = Passwords()
        self.backoff = Backoff()
        self.marks = Marks(self.secret)
        self.replays = Replays(
            self.database,
            self.writer,
            self.metrics,
            self.tools.agents,
            self.clock,
            lambda: self.sites.all,
            self.reload,
        )
        self.replays.kept["packed_days"] = packing.stale
        self.eraser = Eraser(self)
        self.backtests = Backtests(
            self.database, lambda: self.tools.agents, lambda: self.sites.all, self._let_others_run
        )
        self.teller = Teller(
            self.database,
            self.writer,
            self.projector,
            self.metrics,
            self.settings,
            self.clock,
            lambda: self.sites.all,
            lambda: self.base_url,
        )
        self.live = Live(self)
        self._used: dict[Token, int] = {}  # when a token's use was written last
        self._reloading = asyncio.Lock()  # what was read first must not be put in place last

    async def _let_others_run(self) -> None:
        """What computing does every millisecond; it rests where the writer is pressed."""
        await asyncio.sleep(REST_S if self.writer.pressed else 0)

    async def reload(self) -> None:
        """Read sites and tokens again, after a change of either."""
        async with self._reloading, self.database.snapshot() as reader:
            self.sites.replace(await sites.all_sites(reader))
            self.tokens = await tokens.live(reader)

    @property
    def tombstones(self) -> Tombstones:
        """Who was erased; empty and without a key until the program has started."""
        return self.tools.tombstones

    async def bury(
        self,
        site_id: int,
        marks: Sequence[bytes],
        erased_at: int,
        erasing: ScriptMaker | None = None,
    ) -> Any:
        """Let nothing of these marks (`Tombstones.mark`) in that happened up to `erased_at` (ms).

        `erasing` is committed together with the tombstones; its value is returned. Raises
        `Overloaded` and `Conflict`; a second try does no harm. The order makes a crash harmless:

        1. The ledger, on the disk. From here on the next start finds the erasure missing in the
           table and applies it again, also if nothing below happens.
        2. Memory: whatever comes now vanishes. Between its check and the queue an event never
           waits, so once the empty append is answered all that passed the check before is stored,
           where `erasing` finds it. Were the table first, such an event could be stored after it.
        3. The table and `erasing`, in one transaction: not before both does a start take the
           erasure for done.
        """
        buried = [Tombstone(site_id, mark, erased_at) for mark in marks]
        witness = self.tombstones.witness()
        await self.writer.run(lambda: tombstones.vouch(witness), moves=False)
        if tombstones.WITNESS_SITE not in self.tombstones.sites:  # the ledger's first line
            buried.insert(0, Tombstone(tombstones.WITNESS_SITE, witness, 0))
        await asyncio.to_thread(self.ledger.append, buried)
        self.tombstones.add(buried)
        await self.writer.append(site_id, [])

        def script() -> Script[Any]:
            yield from tombstones.add_all(buried)
            return (yield from erasing()) if erasing else None

        return await self.writer.run(script)

    def token_of(self, bearer: str) -> Token:
        """Raises `Unauthorised`. Tokens are found by their hash, so timing tells nothing."""
        token = self.tokens.get(tokens.token_hash(bearer)) if bearer else None
        if token is None:
            raise Unauthorised("send a valid token: Authorization: Bearer hr_…")
        return token

    async def used(self, token: Token) -> None:
        """Write down that a token was used, once an hour; never at the cost of its request."""
        now = self.clock()
        if now - self._used.get(token, 0) < tokens.TOUCH_MS:
            return
        self._used[token] = now
        with suppress(Overloaded):
            await self.writer.run(lambda: tokens.touch(token, now), moves=False)


def new_secret() -> str:
    """The server's own secret: 256 random bits, made at first start, file mode 0600."""
    return secrets.token_urlsafe(32)
