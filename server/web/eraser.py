"""Erases people and visitors: jobs that go on wherever a kill has stopped them.

asked (a row) → buried (ledger, tombstones, visitors' keys) → planned (a list of entries) → stubs →
one ERASE entry, from which every generation of the tables learns → words nobody uses any more →
the database's files → done, with a receipt of counts
"""

import asyncio
import logging
import time
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from server.errors import Conflict, Overloaded
from server.reports.erasure import Cover, Until, covered
from server.storage import entries, erasing, generations, sites
from server.storage.database import Script, chunks
from server.storage.erasing import Job
from server.storage.names import Names
from server.web.erasure_plan import Plan, Work, decision_of, plan_of, text_of
from server.web.last_traces import clear_files, drop_words
from server.web.rewording import without, wordless

if TYPE_CHECKING:
    from server.web.state import State

log = logging.getLogger("handraise.eraser")
#: Jobs that share one look through the log and the files.
TOGETHER = 64
STUBS = 256  # entries emptied in one turn
ROUNDS = 5
RETRY_S, FAILED_S, WAIT_S = 1.0, 30.0, 0.1
IDLE_S = 30.0
LEFT_S = 5.0  # after which a generation that nobody reads on is given up


class Eraser:
    """The jobs of all sites, a few at a time."""

    def __init__(self, state: "State") -> None:
        self.state = state
        self.asked = asyncio.Event()
        self._done = asyncio.Event()
        self._rests: dict[tuple[int, int], float] = {}  # failed ones, and until when (monotonic)

    async def ask(self, site_id: int, subject: str, author: str, at: int = 0) -> int:
        """Ask for an erasure, durably; its number. `at` (UTC ms) is when it was decided."""
        now = self.state.clock()
        begun = msgspec.json.encode(Work(at=at)).decode() if at else ""
        number: int = await self.state.writer.run(
            lambda: erasing.ask(site_id, subject, author, now, begun), moves=False
        )
        self.asked.set()
        return number

    async def wait(self, site_id: int, number: int) -> Job:
        """Until it is done; the caller sets the limit."""
        while True:
            done = self._done
            async with self.state.database.snapshot() as reader:
                job = await erasing.job(reader, site_id, number)
            if job.done_at is not None:
                return job
            await done.wait()

    async def serve(self) -> None:
        """Whatever is asked for, and what a kill has left, until cancelled."""
        self.state.projector.asked = self.asked
        while True:
            self.asked.clear()
            if not await self.round():
                # Not `wait_for`: before Python 3.12 it swallows a cancel that meets its result.
                try:
                    async with asyncio.timeout(IDLE_S):
                        await self.asked.wait()
                except TimeoutError:
                    continue

    async def round(self) -> int:
        """The oldest jobs, to their end; how many. Storage faults are waited out."""
        try:
            async with self.state.database.snapshot() as reader:
                found = await erasing.unfinished(reader)
            found = [job for job in found if self._may_run(job)][:TOGETHER]
            works = await self._take_all_out(found)
            for site_id in sorted({job.site_id for job in found}):
                mine = [(job, work) for job, work in works if job.site_id == site_id]
                await self._close(site_id, mine)
        except (Overloaded, Conflict) as error:
            log.warning("an erasure waits: %s", error.detail)
            await asyncio.sleep(RETRY_S)
            return 1
        done, self._done = self._done, asyncio.Event()
        done.set()
        return len(works)

    async def _take_all_out(self, found: Sequence[Job]) -> list[tuple[Job, Work]]:
        """One that fails must not stop the others; it is tried again, and said in the log."""
        works = []
        for job in found:
            try:
                works.append((job, await self._take_out(job)))
            except (Overloaded, Conflict):
                raise
            except Exception as error:  # its text may be personal
                kind, number = type(error).__name__, job.erasure_id
                log.error("erasure %d of site %d has failed: %s", number, job.site_id, kind)
                self._rests[job.site_id, number] = time.monotonic() + FAILED_S
        return works

    def _may_run(self, job: Job) -> bool:
        """Whether the site is there, and the job has not failed a moment ago: those behind it come
        first, however many fail."""
        rests = self._rests.get((job.site_id, job.erasure_id), 0.0)
        return job.site_id in self.state.sites.by_id and time.monotonic() >= rests

    # ------------------------------------------------------------ out of the log

    async def _take_out(self, job: Job) -> Work:
        """Everything but what looks through the whole log; then nothing derived is left."""
        work = msgspec.json.decode(job.receipt or "{}", type=Work)
        if not work.cut:
            await self._caught_up(job.site_id)
            work.at = work.at or self.state.clock()
            await self._bury(job, work, await self._cover(job, Until()))
        if work.plan is None:
            await self._plan(job, work)
        assert work.plan is not None  # noqa: S101 - just made
        await self._stub(job.site_id, work.plan)
        if work.plan.names:
            work.plan.names.clear()  # before the files are cleared
            await self._note(job, work)
        seq = await self._say(job, work)
        await self._derived(job.site_id, seq)
        return work

    async def _caught_up(self, site_id: int) -> None:
        async with self.state.database.snapshot() as reader:
            head = await entries.head(reader, site_id)
        await self.state.projector.passed(site_id, head)

    async def _cover(self, job: Job, until: Until) -> Cover:
        async with self.state.database.snapshot() as reader:
            # The generation of this very snapshot: one that is being dropped covers too little.
            known = await sites.all_sites(reader)
            site = next(one for one in known if one.site_id == job.site_id)
            return await covered(reader, site, job.subject, until)

    async def _bury(self, job: Job, work: Work, cover: Cover) -> bool:
        """Let nothing of the cover's names and visitors in; False if all were buried before."""
        state, site_id = self.state, job.site_id
        async with state.database.snapshot() as reader:
            keys = await erasing.keys_of(reader, site_id, cover.whole)
        mark = state.tombstones.mark
        marks = [mark(site_id, "visitor", key) for key in keys.values()]
        marks += [mark(site_id, kind, value) for kind, value in sorted(cover.identifiers)]  # type: ignore[arg-type]
        fresh = [one for one in dict.fromkeys(marks) if one.hex() not in work.marks]
        if not fresh and work.cut:
            return False
        after = msgspec.structs.replace(
            work,
            marks=[*work.marks, *(one.hex() for one in fresh)],
            visitors=sorted({*work.visitors, *cover.whole}),
        )

        def script() -> Script[None]:
            head = yield from erasing.forget_visitors(site_id, sorted(keys))
            after.cut = work.cut or head
            yield from erasing.note(site_id, job.erasure_id, text_of(after))

        await state.bury(site_id, fresh, work.at, script)
        work.marks, work.visitors, work.cut = after.marks, after.visitors, after.cut
        return True

    async def _plan(self, job: Job, work: Work) -> None:
        """What came until the burial is projected; what it brought to light is buried too."""
        site_id, until = job.site_id, Until(work.cut, work.at)
        for _ in range(ROUNDS):
            await self._caught_up(site_id)
            cover = await self._cover(job, until)
            if not await self._bury(job, work, cover):
                break
        plan = plan_of(cover, work)
        async with self.state.database.snapshot() as reader:
            plan.strings = sorted(await erasing.words_of(reader, site_id, plan.stubs + plan.kept))
        work.plan = plan
        await self._note(job, work)

    async def _note(self, job: Job, work: Work) -> None:
        text = text_of(work)
        await self.state.writer.run(
            lambda: erasing.note(job.site_id, job.erasure_id, text), moves=False
        )

    async def _stub(self, site_id: int, plan: Plan) -> None:
        run = self.state.writer.run
        async with self.state.database.snapshot() as reader:
            named = await entries.by_seq(reader, site_id, plan.reworded)
            blanked = await entries.by_seq(reader, site_id, plan.blanked)
        texts = [
            (seq, without(e.data, plan.names)) for seq, e in named.items() if e.kind and e.data
        ]
        texts += [(seq, wordless(e.data)) for seq, e in blanked.items() if e.kind and e.data]
        for some in chunks(texts, STUBS):
            await run(partial(erasing.reword, site_id, some), moves=False)
        for part in chunks(plan.stubs, STUBS):
            await run(partial(erasing.stub, site_id, part, ()), moves=False)
        for part in chunks(plan.kept, STUBS):
            await run(partial(erasing.stub, site_id, (), part), moves=False)

    async def _say(self, job: Job, work: Work) -> int:
        """The decision from which the tables learn; its number. It is appended once."""
        event = decision_of(job, work, self.state.clock())
        appended = await self.state.writer.run(
            lambda: entries.append(job.site_id, [event], Names())
        )
        if appended.seqs[0] > 0:
            return int(appended.seqs[0])
        async with self.state.database.snapshot() as reader:
            return await erasing.seq_of(reader, job.site_id, event.event_id)

    async def _derived(self, site_id: int, seq: int) -> None:
        """Until every generation has read it. One that nobody works on any more is deleted."""
        await self.state.projector.passed(site_id, seq)
        idle = 0
        while True:
            async with self.state.database.snapshot() as reader:
                found = await generations.of_site(reader, site_id)
            behind = [one.gen for one in found if one.seq < seq]
            if not behind:
                return
            busy = any(
                one.site_id == site_id and not one.ended.is_set()
                for one in self.state.replays.last.values()
            )
            idle = 0 if busy else idle + 1
            if idle * WAIT_S > LEFT_S:
                for gen in behind:
                    await self._drop(site_id, gen)
            await asyncio.sleep(WAIT_S)

    async def _drop(self, site_id: int, gen: int) -> None:
        more = gen != self.state.sites.by_id[site_id].generation
        while more:
            more = await self.state.writer.run(
                lambda: generations.drop_some(site_id, gen, STUBS * 8), moves=False
            )

    # ------------------------------------------------------------ words and files

    async def _close(self, site_id: int, mine: Sequence[tuple[Job, Work]]) -> None:
        """What is done once for several jobs; then each has its receipt."""
        words = {one for _, work in mine if work.plan for one in work.plan.strings}
        dropped = await drop_words(self.state, site_id, words)
        clean = await clear_files(self.state)
        for job, work in mine:
            assert work.plan is not None  # noqa: S101 - taken out before
            share = len(dropped & set(work.plan.strings))
            receipt = msgspec.structs.replace(work.plan.receipt, strings=share, files_clean=clean)
            text = msgspec.json.encode(receipt).decode()
            now, number = self.state.clock(), job.erasure_id
            await self.state.writer.run(
                partial(erasing.finish, site_id, number, text, now), moves=False
            )
