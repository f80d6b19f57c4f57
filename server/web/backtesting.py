"""Runs backtests, one after the other, and remembers the last one of each site."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from server.errors import Conflict, HandraiseError
from server.ingest.agents import Agents
from server.model import Site
from server.project.backtest import backtest
from server.project.site_projector import Pause
from server.reports.backtest import Asked, Gathering, Rulesets
from server.reports.backtest_shapes import BacktestResult, result_of
from server.storage.database import Database

log = logging.getLogger("handraise.backtest")


@dataclass
class Run:
    """One backtest. `done` and `total` count people."""

    site_id: int
    pair: Rulesets
    asked: Asked
    names: tuple[str, str]
    state: str = "waiting"  # waiting, running, done, failed
    done: int = 0
    total: int = 0
    detail: str = ""
    result: BacktestResult | None = None
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    def tell(self, done: int, total: int) -> None:
        self.done, self.total = done, total


class Backtests:
    """Runs one after the other. The last one of each site is remembered until the next start."""

    def __init__(
        self,
        database: Database,
        agents: Callable[[], Agents],
        sites: Callable[[], Sequence[Site]],
        pause: Pause,
    ) -> None:
        self.database, self.agents, self.sites, self.pause = database, agents, sites, pause
        self.last: dict[int, Run] = {}  # by site
        self._asked = asyncio.Event()

    def ask(self, run: Run) -> None:
        """Raises `Conflict` while another one of the site is under way."""
        known = self.last.get(run.site_id)
        if known is not None and not known.ended.is_set():
            raise Conflict(
                f"a backtest of this site is under way: {known.done} of {known.total} people were"
                " looked at; wait for it"
            )
        self.last[run.site_id] = run
        self._asked.set()

    async def serve(self) -> None:
        """Run whatever is asked for, until cancelled."""
        while True:
            self._asked.clear()
            for run in [one for one in self.last.values() if not one.ended.is_set()]:
                await self.run(run)
            await self._asked.wait()

    async def run(self, run: Run) -> None:
        """One backtest to its end; a fault is told in its `detail`."""
        run.state = "running"
        try:
            run.result = await self._result(run)
            run.state = "done"
        except HandraiseError as error:
            run.state, run.detail = "failed", error.detail
        except Exception as error:
            run.state, run.detail = "failed", f"{type(error).__name__}: see the server's log"
            log.exception("backtest of site %d has failed", run.site_id)
        finally:
            run.ended.set()

    async def _result(self, run: Run) -> BacktestResult:
        site = self._site(run.site_id)
        gathering = Gathering(self.database, site, self.agents(), run.pair, self.pause)
        found = await gathering.gather(run.asked, run.tell)
        if self._site(run.site_id).generation != site.generation:
            raise Conflict("the site was rebuilt meanwhile: ask for the backtest again")
        # It takes a fraction of a second, in one piece: in a thread others run meanwhile.
        figures = await asyncio.to_thread(backtest, *run.pair, found.cases, found.weights)
        result = result_of(figures, found)
        await found.release(self.pause)
        return result

    def _site(self, site_id: int) -> Site:
        return next(site for site in self.sites() if site.site_id == site_id)
