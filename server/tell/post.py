"""Sends one piece of news to one destination, whatever its kind, and says what came of it."""

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime

from msgspec.structs import replace

from server.errors import BadRequest
from server.storage.destinations import MAIL, Destination
from server.tell import payload
from server.tell.letters import Sender, letter
from server.tell.news import News
from server.tell.outcomes import Outcome
from server.tell.smtp import Mailbox
from server.tell.webhooks import Webhooks

log = logging.getLogger("handraise.tell")


class Post:
    """`clock` is UTC ms."""

    def __init__(self, webhooks: Webhooks, mailbox: Mailbox, clock: Callable[[], int]) -> None:
        self.webhooks = webhooks
        self.mailbox = mailbox
        self.clock = clock

    async def send(
        self, destination: Destination, news: News, message_id: str
    ) -> tuple[Outcome, int]:
        """One attempt, and how long it took (ms). What is wrong with us is an outcome as well: it
        must stop neither this destination nor others.

        What a receiver answers may be what it got of a person, in whatever form: only the answer to
        a test, which is about nobody, leaves this place."""
        started = time.monotonic()
        try:
            if destination.kind == MAIL:
                outcome = await self._mail(destination, news, message_id)
            else:
                outcome = await self._webhook(destination, news, message_id)
        except Exception as error:  # its text may be personal
            kind = type(error).__name__
            log.error("destination %d of site %d: %s", *reversed(destination.scope), kind)
            outcome = Outcome(ok=False, words=f"an error of ours: {kind}")
        if not news.test:
            outcome = replace(outcome, answer="")
        return outcome, round((time.monotonic() - started) * 1000)

    async def _webhook(self, destination: Destination, news: News, message_id: str) -> Outcome:
        settings, now = destination.settings, self.clock()
        return await self.webhooks.send(
            settings.url,
            message_id,
            payload.body(news),
            settings.secrets(now),
            now,
            site_id=destination.site_id,
        )

    async def _mail(self, destination: Destination, news: News, message_id: str) -> Outcome:
        try:
            self.mailbox.check()
        except BadRequest as error:
            return Outcome(ok=False, words=error.detail)
        settings = destination.settings
        now = datetime.fromtimestamp(self.clock() / 1000, UTC)
        sender = Sender(mail=self.mailbox.sender)
        message = letter(news, sender, settings.to, message_id, settings.name, now)
        return await self.mailbox.send(message, settings.to)

    async def close(self) -> None:
        await self.webhooks.close()
        self.mailbox.close()
