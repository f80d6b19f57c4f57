"""The mail that brings an invitation, where the server can send mail at all."""

from collections.abc import Sequence
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, make_msgid
from typing import NamedTuple

from server.errors import BadRequest
from server.tell.letters import Sender, one_line
from server.web.state import State


class Mailed(NamedTuple):
    """Whether a mail server took the mail, and what it said in words."""

    taken: bool
    words: str


async def mail_link(state: State, to: str, subject: str, lines: Sequence[str]) -> Mailed:
    """One attempt; whoever invites has the link in hand anyway, so nothing is tried again."""
    mailbox = state.teller.post.mailbox
    try:
        mailbox.check()
    except BadRequest as error:
        return Mailed(False, error.detail)
    message = letter(Sender(mail=mailbox.sender), to, subject, lines, state.clock())
    outcome = await mailbox.send(message, [to])
    return Mailed(outcome.ok, outcome.words)


def letter(sender: Sender, to: str, subject: str, lines: Sequence[str], now: int) -> EmailMessage:
    """A plain mail. `now` is UTC ms. A name may look like an encoded word, which mail programs
    would decode."""
    message = EmailMessage(policy=SMTP)
    message["Subject"] = one_line(subject, 150).replace("=?", "= ?")
    message["From"] = sender.header
    message["To"] = Address(addr_spec=to)
    message["Date"] = format_datetime(datetime.fromtimestamp(now / 1000, UTC))
    message["Message-ID"] = make_msgid(domain=sender.address.rpartition("@")[2])
    message["Auto-Submitted"] = "auto-generated"
    message.set_content("\n".join(lines) + "\n", cte="quoted-printable")
    return message
