"""One mail over SMTP. The library waits in a thread of ours; whoever gives up closes its socket."""

import asyncio
import contextlib
import smtplib
import socket
import ssl
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from email.message import EmailMessage
from email.utils import parseaddr
from typing import Any

from server.errors import BadRequest
from server.settings import Settings
from server.tell.outcomes import Outcome, shown

TIMEOUT_S = 30.0  # for all of it
SOCKET_S = 10.0  # for one answer
THREADS = 4
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
        self._threads: ThreadPoolExecutor | None = None

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
        if self._threads is None:
            self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="handraise-mail")
        under_way = _Conversation(self, message, list(to))
        work = asyncio.get_running_loop().run_in_executor(self._threads, under_way.run)
        try:
            async with asyncio.timeout(TIMEOUT_S):
                return await asyncio.shield(work)
        except TimeoutError:
            return Outcome(ok=False, words=f"the mail server took longer than {TIMEOUT_S:g} s")
        finally:
            under_way.hang_up()

    def close(self) -> None:
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)
            self._threads = None

    @property
    def tls(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = ssl.create_default_context()
        return self._tls


class _Conversation:
    """What happens in the thread."""

    def __init__(self, box: Mailbox, message: EmailMessage, to: list[str]) -> None:
        self.box = box
        self.message = message
        self.to = to
        self.server: smtplib.SMTP | None = None
        self.given_up = False

    def hang_up(self) -> None:
        """Wake the thread where it still waits for an answer; called from the event loop."""
        self.given_up = True
        sock = self.server.sock if self.server is not None else None
        if sock is not None:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def run(self) -> Outcome:
        try:
            return self._talk()
        except (OSError, smtplib.SMTPException) as error:
            return next(of(error) for kind, of in _TROUBLES if isinstance(error, kind))
        finally:
            if self.server is not None:
                self.server.close()

    def _talk(self) -> Outcome:
        box = self.box
        name = socket.gethostname()  # the library would ask the resolver
        if box.security == "tls":
            server: smtplib.SMTP = smtplib.SMTP_SSL(
                local_hostname=name, timeout=SOCKET_S, context=box.tls
            )
        else:
            server = smtplib.SMTP(local_hostname=name, timeout=SOCKET_S)
        self.server = server
        server._host = box.host  # type: ignore[attr-defined]  # the name TLS is checked against
        code, text = server.connect(box.host, box.port)
        if code != 220:
            return _refused(code, text, "the mail server refused")
        if self.given_up:
            return Outcome(ok=False, words="given up")
        if box.security == "starttls":
            server.starttls(context=box.tls)  # raises where it is not offered
        if box.user:
            server.login(box.user, box.password)
        refused = server.send_message(
            self.message, from_addr=parseaddr(box.sender)[1], to_addrs=self.to
        )
        with contextlib.suppress(smtplib.SMTPException, OSError):
            server.quit()
        words = f"taken for {len(self.to) - len(refused)} of {len(self.to)}"
        return Outcome(ok=True, words=words if refused else "taken", status=250)


def _text(text: bytes | str) -> str:
    return shown(text if isinstance(text, bytes) else text.encode())


def _words(words: str, code: int) -> str:
    return f"{words}: {code} {_SAID.get(code, '')}".rstrip()


def _refused(code: int, text: bytes | str, words: str) -> Outcome:
    """5xx is for good, 4xx for now."""
    return Outcome(
        ok=False,
        words=_words(words, code),
        status=code,
        answer=_text(text),
        final=code >= 500,
    )


def _answered(error: smtplib.SMTPResponseException, words: str) -> Outcome:
    return Outcome(
        ok=False,
        words=_words(words, error.smtp_code),
        status=error.smtp_code,
        answer=_text(error.smtp_error),
    )


def _no_recipient(error: smtplib.SMTPRecipientsRefused) -> Outcome:
    code, text = next(iter(error.recipients.values()))
    return _refused(code, text, "no recipient was taken")


def _plain(words: Callable[[Any], str]) -> Callable[[Any], Outcome]:
    return lambda error: Outcome(ok=False, words=words(error))


#: What came of an error, the special ones first. What the operator can mend is tried again.
_TROUBLES: tuple[tuple[type[Exception], Callable[[Any], Outcome]], ...] = (
    (smtplib.SMTPRecipientsRefused, _no_recipient),
    (
        smtplib.SMTPAuthenticationError,
        lambda error: _answered(error, "the mail server refused user or password"),
    ),
    (
        smtplib.SMTPDataError,
        lambda error: _refused(error.smtp_code, error.smtp_error, "the mail was refused"),
    ),
    (smtplib.SMTPResponseException, lambda error: _answered(error, "the mail server refused")),
    (
        smtplib.SMTPNotSupportedError,
        _plain(lambda error: f"the mail server cannot do it: {error}"),
    ),
    (smtplib.SMTPServerDisconnected, _plain(lambda _: "the mail server hung up")),
    (
        ssl.SSLCertVerificationError,
        _plain(lambda error: f"the mail server's certificate is not good: {error.verify_message}"),
    ),
    (TimeoutError, _plain(lambda _: "the mail server did not answer in time")),
    (ConnectionRefusedError, _plain(lambda _: "nobody listens at the mail server's port")),
    (
        Exception,
        _plain(lambda error: f"no conversation with the mail server: {type(error).__name__}"),
    ),
)
