"""One mail over SMTP, on a connection of its own; whoever gives up closes it."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable, Sequence
from email.message import EmailMessage
from email.utils import parseaddr
from typing import Any

from aiosmtplib import (
    SMTP,
    SMTPAuthenticationError,
    SMTPConnectError,
    SMTPConnectResponseError,
    SMTPDataError,
    SMTPException,
    SMTPRecipientsRefused,
    SMTPResponseException,
    SMTPServerDisconnected,
)

from server.errors import BadRequest
from server.settings import Settings
from server.tell.guard import SystemResolver
from server.tell.outcomes import Outcome, shown

TIMEOUT_S = 30.0  # for all of it
SOCKET_S = 10.0  # for one answer
CONVERSATIONS = 4  # at a time: mail servers allow few of one client
#: What the codes of RFC 5321 and 4954 say. A server's own words may name whom a mail is about.
_SAID = {
    421: "service not available",
    450: "mailbox unavailable for now",
    451: "an error of its own",
    452: "too little room",
    454: "no sign-in for now",
    501: "a word it does not take",
    530: "it wants a user and a password",
    535: "user or password is wrong",
    550: "mailbox unavailable, or against its rules",
    551: "no user of its own",
    552: "too large, or the mailbox is full",
    553: "mailbox name not allowed",
    554: "refused",
}


class Mailbox:
    """Sends mails through the server that the settings name."""

    def __init__(self, settings: Settings, tls: ssl.SSLContext | None = None) -> None:
        self.host, self.port = settings.smtp_host, settings.smtp_port
        self.security = settings.smtp_security
        self.user, self.password = settings.smtp_user, settings.smtp_password
        self.sender = settings.smtp_from
        self._tls = tls
        self._names = SystemResolver()
        self._free = asyncio.Semaphore(CONVERSATIONS)

    def check(self) -> None:
        """Whether mails can be sent at all. Raises `BadRequest` with the setting to set."""
        if not self.host:
            raise BadRequest("this server sends no mail yet: set HANDRAISE_SMTP_HOST")
        if not parseaddr(self.sender)[1]:
            raise BadRequest(
                "this server sends no mail yet: set HANDRAISE_SMTP_FROM to the sender's address,"
                " such as Handraise <handraise@example.com>"
            )

    async def send(self, message: EmailMessage, to: Sequence[str]) -> Outcome:
        """One attempt. Half of it is never taken back: a mail may arrive though this failed."""
        try:
            async with self._free, asyncio.timeout(TIMEOUT_S):
                return await self._attempt(message, list(to))
        except TimeoutError:
            return Outcome(ok=False, words=f"the mail server took longer than {TIMEOUT_S:g} s")

    def close(self) -> None:
        self._names.close()

    async def _attempt(self, message: EmailMessage, to: list[str]) -> Outcome:
        try:
            if self._tls is None and self.security != "none":  # reads a file of 200 kB
                self._tls = await asyncio.to_thread(ssl.create_default_context)
            server = SMTP(
                hostname=self.host,  # the name TLS is checked against
                local_hostname=socket.gethostname(),  # the library would ask the resolver
                sock=await self._connected(),
                timeout=SOCKET_S,
                use_tls=self.security == "tls",
                start_tls=self.security == "starttls",  # raises where it is not offered
                tls_context=self._tls if self.security != "none" else None,
                username=self.user or None,
                password=self.password or None,
            )
            try:
                return await self._talk(server, message, to)
            finally:
                server.close()
        except (OSError, SMTPException) as error:
            found = _cause(error)
            return next(of(found) for kind, of in _TROUBLES if isinstance(found, kind))

    async def _connected(self) -> socket.socket:
        """A connection to the first address that takes one. Raises `OSError`.

        The library would ask for addresses in threads that all others use as well.
        """
        loop, failed = asyncio.get_running_loop(), OSError("the name has no address")
        for address in await self._names(self.host, self.port):
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            sock = socket.socket(family, socket.SOCK_STREAM)
            sock.setblocking(False)
            try:
                async with asyncio.timeout(SOCKET_S):
                    await loop.sock_connect(sock, (address, self.port))
            except OSError as error:
                sock.close()
                failed = error
            except BaseException:
                sock.close()
                raise
            else:
                return sock
        raise failed

    async def _talk(self, server: SMTP, message: EmailMessage, to: list[str]) -> Outcome:
        await server.connect()
        sender = parseaddr(self.sender)[1]
        refused, _ = await server.send_message(message, sender=sender, recipients=to)
        with contextlib.suppress(SMTPException, OSError):
            await server.quit()
        words = f"taken for {len(to) - len(refused)} of {len(to)}"
        return Outcome(ok=True, words=words if refused else "taken", status=250)


def _cause(error: BaseException) -> BaseException:
    """What the library wrapped, where that says more."""
    within = error.__cause__
    wrapped = isinstance(error, SMTPConnectError) and isinstance(within, OSError)
    return within if wrapped and within is not None else error


def _words(words: str, code: int) -> str:
    return f"{words}: {code} {_SAID.get(code, '')}".rstrip()


def _refused(code: int, text: str, words: str) -> Outcome:
    """5xx is for good, 4xx for now."""
    return Outcome(
        ok=False,
        words=_words(words, code),
        status=code,
        answer=shown(text.encode()),
        final=code >= 500,
    )


def _answered(error: SMTPResponseException, words: str) -> Outcome:
    return Outcome(
        ok=False,
        words=_words(words, error.code),
        status=error.code,
        answer=shown(error.message.encode()),
    )


def _no_recipient(error: SMTPRecipientsRefused) -> Outcome:
    first = error.recipients[0]
    return _refused(first.code, first.message, "no recipient was taken")


def _plain(words: Callable[[Any], str]) -> Callable[[Any], Outcome]:
    return lambda error: Outcome(ok=False, words=words(error))


#: What came of an error, the special ones first. What the operator can mend is tried again.
_TROUBLES: tuple[tuple[type[BaseException], Callable[[Any], Outcome]], ...] = (
    (SMTPRecipientsRefused, _no_recipient),
    (
        SMTPAuthenticationError,
        lambda error: _answered(error, "the mail server refused user or password"),
    ),
    (SMTPDataError, lambda error: _refused(error.code, error.message, "the mail was refused")),
    (
        SMTPConnectResponseError,
        lambda error: _refused(error.code, error.message, "the mail server refused"),
    ),
    (SMTPResponseException, lambda error: _answered(error, "the mail server refused")),
    (SMTPServerDisconnected, _plain(lambda _: "the mail server hung up")),
    (
        ssl.SSLCertVerificationError,
        _plain(lambda error: f"the mail server's certificate is not good: {error.verify_message}"),
    ),
    (TimeoutError, _plain(lambda _: "the mail server did not answer in time")),
    (ConnectionRefusedError, _plain(lambda _: "nobody listens at the mail server's port")),
    (
        OSError,
        _plain(lambda error: f"no conversation with the mail server: {type(error).__name__}"),
    ),
    (BaseException, _plain(lambda error: f"the mail server cannot do it: {error}")),
)
