"""Mails over a real socket, to a server that answers as it likes."""

import pytest
from msgspec.structs import replace

from server.errors import BadRequest
from server.settings import Settings, load
from server.tell import smtp
from server.tell.outcomes import Outcome
from server.tell.smtp import Mailbox
from tests.tell.receivers import PostOffice, post_office
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


async def test_a_server_that_hangs_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread is woken as well: closing the box waits for nobody."""
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
