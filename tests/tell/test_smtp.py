"""Mails over a real socket, to a server that answers as it likes."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Literal

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from msgspec.structs import replace

from server.errors import BadRequest
from server.settings import Settings, load
from server.tell import smtp
from server.tell.outcomes import Outcome
from server.tell.smtp import Mailbox
from tests.tell.receivers import PostOffice, post_office
from tests.tell.test_guard import certificate
from tests.tell.test_letters import NEWS, mail

pytestmark = pytest.mark.anyio
TO = ["olga@acme.example"]
SETTINGS = Settings(
    smtp_host="127.0.0.1", smtp_security="none", smtp_from="Acme <handraise@acme.example>"
)


async def send(post: PostOffice, settings: Settings = SETTINGS, to: list[str] = TO) -> Outcome:
    box = Mailbox(replace(settings, smtp_port=post.port))
    box.check()
    try:
        return await box.send(mail(NEWS), to)
    finally:
        box.close()


async def test_a_mail_arrives() -> None:
    """With its envelope, and signed in where a user is named."""
    async with post_office() as post:
        user = replace(SETTINGS, smtp_user="hr", smtp_password="secret")
        outcome = await send(post, user)
        assert outcome == Outcome(ok=True, words="taken", status=250)
        got = post.got[0]
        assert (got.sender, got.to) == ("handraise@acme.example", TO)
        assert got.message["Subject"] == "Ann Example (Brew) is an MQL: 77 points"
        assert post.signed_in == ["\x00hr\x00secret"]


@pytest.mark.parametrize(
    ("command", "answer", "final", "words"),
    [
        (
            "RCPT",
            "550 no such user",
            True,
            "no recipient was taken: 550 mailbox unavailable, or against its rules",
        ),
        ("RCPT", "599 what is this", True, "no recipient was taken: 599"),
        ("RCPT", "450 come again", False, "no recipient was taken: 450"),
        ("MAIL", "550 not from you", False, "the mail server refused: 550"),
        ("DATA", "554 not this", True, "the mail was refused: 554"),
        ("END", "552 too much", True, "the mail was refused: 552"),
        ("END", "451 later", False, "the mail was refused: 451"),
        ("AUTH", "535 who are you", False, "refused user or password: 535"),
    ],
)
async def test_refusals(command: str, answer: str, final: bool, words: str) -> None:
    """5xx about the mail is the end of it; what the operator can mend is tried again."""
    async with post_office() as post:
        post.answers = {command: [answer] * 3}
        user = replace(SETTINGS, smtp_user="hr", smtp_password="secret")
        outcome = await send(post, user)
        assert (outcome.ok, outcome.final) == (False, final)
        assert words in outcome.words
        assert answer[4:] in outcome.answer
        assert answer[4:] not in outcome.words
        assert "secret" not in repr(outcome)


async def test_one_of_two_recipients_is_refused() -> None:
    """The other has it: it is not sent again to both."""
    async with post_office() as post:
        post.answers = {"RCPT": ["550 gone"]}
        outcome = await send(post, to=["gone@acme.example", *TO])
        assert (outcome.ok, outcome.words) == (True, "taken for 1 of 2")


async def test_starttls_is_insisted_on() -> None:
    """A server that does not offer it gets nothing, above all no password."""
    async with post_office() as post:
        settings = replace(SETTINGS, smtp_security="starttls", smtp_user="hr", smtp_password="s")
        outcome = await send(post, settings)
        assert not outcome.ok
        assert "cannot do it" in outcome.words
        assert set(post.commands) <= {"EHLO", "QUIT"}


class Kept:
    """What a mail server of the library took; it speaks to nobody in clear."""

    def __init__(self) -> None:
        self.got: list[tuple[str, list[str]]] = []
        self.signed_in: list[tuple[bytes, bytes]] = []

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:
        self.got.append((envelope.mail_from or "", list(envelope.rcpt_tos)))
        return "250 taken"

    def sign_in(self, *words: object) -> AuthResult:
        given = words[-1]
        assert isinstance(given, LoginPassword)
        self.signed_in.append((given.login, given.password))
        return AuthResult(success=True)


@asynccontextmanager
async def real_server(
    tls: ssl.SSLContext, *, at_once: bool = False
) -> AsyncIterator[tuple[Kept, int]]:
    """Insists on TLS, from the beginning or by STARTTLS, and on a user."""
    kept, loop = Kept(), asyncio.get_running_loop()
    made = partial(
        SMTP,
        kept,
        authenticator=kept.sign_in,
        auth_required=True,
        auth_require_tls=not at_once,
        require_starttls=not at_once,
        tls_context=None if at_once else tls,
        loop=loop,
    )
    server = await loop.create_server(made, "127.0.0.1", 0, ssl=tls if at_once else None)
    try:
        yield kept, server.sockets[0].getsockname()[1]
    finally:
        server.close()


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
@pytest.mark.parametrize("security", ["tls", "starttls"])
async def test_tls_with_a_real_server(security: Literal["tls", "starttls"], tmp_path: Path) -> None:
    """The password goes over TLS only, to the server whose name it is, known to somebody."""
    settings = replace(
        SETTINGS,
        smtp_host="localhost",
        smtp_security=security,
        smtp_user="hr",
        smtp_password="secret",
    )

    async def told(port: int, host: str, tls: ssl.SSLContext | None) -> Outcome:
        box = Mailbox(replace(settings, smtp_host=host, smtp_port=port), tls)
        try:
            return await box.send(mail(NEWS), TO)
        finally:
            box.close()

    context = certificate(tmp_path, "localhost")
    trusting = ssl.create_default_context(cafile=str(tmp_path / "localhost.pem"))
    async with real_server(context, at_once=security == "tls") as (kept, port):
        for host, tls in (("127.0.0.1", trusting), ("localhost", None)):
            outcome = await told(port, host, tls)
            assert "the mail server's certificate is not good" in outcome.words
            assert not outcome.final
        assert (kept.got, kept.signed_in) == ([], [])
        outcome = await told(port, "localhost", trusting)
        assert outcome == Outcome(ok=True, words="taken", status=250)
        assert kept.signed_in == [(b"hr", b"secret")]
        assert kept.got == [("handraise@acme.example", TO)]


async def test_a_server_that_says_no_at_once() -> None:
    """With a greeting, by hanging up, or with something else than TLS."""
    for greeting, words, final in (
        (b"554 go away\r\n", "the mail server refused: 554 refused", True),
        (b"421 busy\r\n", "the mail server refused: 421 service not available", False),
        (b"", "the mail server hung up", False),
    ):
        outcome = await greeted(greeting)
        assert (outcome.words, outcome.final, outcome.ok) == (words, final, False)
    assert (await greeted(b"220 hi\r\n", "tls")).words.endswith("SSLError")


async def greeted(greeting: bytes, security: Literal["none", "tls"] = "none") -> Outcome:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    box = Mailbox(replace(SETTINGS, smtp_port=port, smtp_security=security))
    try:
        return await box.send(mail(NEWS), TO)
    finally:
        box.close()
        server.close()


async def test_a_server_that_hangs_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """And closing the box waits for nobody."""
    monkeypatch.setattr(smtp, "TIMEOUT_S", 0.3)
    async with post_office() as post:
        post.hangs = {"MAIL"}
        outcome = await send(post)
        assert outcome.words == "the mail server took longer than 0.3 s"
    async with post_office() as post:
        pass
    assert (await send(post)).words == "nobody listens at the mail server's port"


def test_what_is_missing_is_named() -> None:
    """Before anything is promised."""
    with pytest.raises(BadRequest, match="HANDRAISE_SMTP_HOST"):
        Mailbox(Settings()).check()
    with pytest.raises(BadRequest, match="HANDRAISE_SMTP_FROM"):
        Mailbox(Settings(smtp_host="mail.example")).check()


@pytest.mark.parametrize(
    ("host", "security", "fine"),
    [
        ("mail.example", "starttls", True),
        ("mail.example", "tls", True),
        ("localhost", "none", True),
        ("127.0.0.1", "none", True),
        ("mail.example", "none", False),
    ],
)
def test_no_password_goes_in_clear(host: str, security: str, fine: bool) -> None:
    """Except to this very machine."""
    environ = {
        "HANDRAISE_SMTP_HOST": host,
        "HANDRAISE_SMTP_SECURITY": security,
        "HANDRAISE_SMTP_USER": "hr",
        "HANDRAISE_SMTP_PASSWORD": "secret",
    }
    if fine:
        assert load(environ).smtp_password == "secret"
        return
    with pytest.raises(BadRequest, match="in clear") as refusal:
        load(environ)
    assert "secret" not in refusal.value.detail
    assert load({k: v for k, v in environ.items() if "USER" not in k and "PASS" not in k})
