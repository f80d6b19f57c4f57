"""Sends journeys to a running server through its public doors, as the browsers would have."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit
from zlib import crc32

import httpx2
import msgspec

from server.demo.wire import Batch
from server.errors import HandraiseError

CONNECTIONS = 8
#: A public key's events count up to an age of seven days; half a day of room for slow seeding.
PUBLIC_AGE_MS = int(6.5 * 86_400_000)
BUSY_TRIES = 30
ABSENT_TRIES = 6
LONGEST_WAIT_S = 10.0
TIMEOUT_S = 60.0

Progress = Callable[[int], None]


class SeedError(HandraiseError):
    """The server refused a batch or was not there."""


@dataclass
class Summary:
    """What the server said about all batches together."""

    batches: int = 0
    accepted: int = 0
    duplicates: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    retries: int = 0

    def add(self, answer: dict[str, Any]) -> None:
        self.batches += 1
        self.accepted += int(answer.get("accepted", 0))
        self.duplicates += int(answer.get("duplicates", 0))
        self.dropped.update(str(one.get("reason", "")) for one in answer.get("dropped", ()))


async def seed(
    base_url: str,
    key: str,
    token: str,
    site_id: str,
    batches: Iterable[Batch],
    on_progress: Progress | None = None,
) -> Summary:
    """Send every batch, each visitor's in order; `on_progress` gets the number just sent.

    Batches with an event too old for the public key go through the API with the token.
    """
    summary = Summary()
    door = _Doors(key, token, f"/api/v1/sites/{site_id}/events", summary, on_progress)
    limits = httpx2.Limits(max_connections=CONNECTIONS)
    async with httpx2.AsyncClient(
        base_url=base_url, limits=limits, timeout=TIMEOUT_S, trust_env=False
    ) as client:
        try:
            async with asyncio.TaskGroup() as group:
                for lane in _lanes(batches):
                    group.create_task(door.send_all(client, lane))
        except* SeedError as errors:
            raise errors.exceptions[0] from None
    return summary


def _lanes(batches: Iterable[Batch]) -> Iterator[list[Batch]]:
    """One lane a connection; all of a visitor's batches are in one lane, in their order."""
    lanes: list[list[Batch]] = [[] for _ in range(CONNECTIONS)]
    for batch in batches:
        lanes[crc32(batch.envelope["v"].encode()) % CONNECTIONS].append(batch)
    return (lane for lane in lanes if lane)


@dataclass
class _Doors:
    key: str
    token: str
    api_path: str
    summary: Summary
    on_progress: Progress | None

    async def send_all(self, client: httpx2.AsyncClient, lane: list[Batch]) -> None:
        for batch in lane:
            self.summary.add(await self._send(client, batch))
            if self.on_progress:
                self.on_progress(1)

    async def _send(self, client: httpx2.AsyncClient, batch: Batch) -> dict[str, Any]:
        busy = absent = 0
        while busy < BUSY_TRIES:
            try:
                answer = await client.send(self._request(client, batch))
            except httpx2.TransportError as error:
                absent += 1
                if absent == ABSENT_TRIES:
                    raise SeedError(f"no answer from the server: {error}") from error
                wait = 0.05 * 2**absent
            else:
                if answer.status_code != 503:
                    return _read(answer)
                busy += 1
                wait = _retry_after(answer)
            self.summary.retries += 1
            await asyncio.sleep(min(wait, LONGEST_WAIT_S))
        raise SeedError("the server stayed too busy to take everything; run it again later")

    def _request(self, client: httpx2.AsyncClient, batch: Batch) -> httpx2.Request:
        """The request as of now: sent-at is now, so that event times mean what they say."""
        now_ms = time.time_ns() // 1_000_000
        envelope = batch.envelope | {"k": self.key, "t": now_ms}
        oldest = min(event["t"] for event in envelope["e"])
        headers = {"User-Agent": batch.received_user_agent, "Content-Type": "text/plain"}
        path = "/e"
        if now_ms - oldest > PUBLIC_AGE_MS:
            path = self.api_path
            headers |= {"Content-Type": "application/json", "Authorization": f"Bearer {self.token}"}
        else:
            page = urlsplit(envelope["e"][0]["u"])
            headers["Origin"] = f"{page.scheme}://{page.netloc}"
        return client.build_request(
            "POST", path, content=msgspec.json.encode(envelope), headers=headers
        )


def _read(answer: httpx2.Response) -> dict[str, Any]:
    """The body of a 2xx. Raises `SeedError` with the problem's own sentence for anything else."""
    try:
        body = answer.json()
    except ValueError:
        body = {}
    if not isinstance(body, dict):
        body = {}
    if answer.is_success:
        return body
    said = body.get("detail") or body.get("title") or "no reason given"
    raise SeedError(f"the server answered {answer.status_code}: {said}")


def _retry_after(answer: httpx2.Response) -> float:
    try:
        return max(0.05, float(answer.headers.get("Retry-After", "1")))
    except ValueError:
        return 1.0
