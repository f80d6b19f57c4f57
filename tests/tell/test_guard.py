"""Nothing is sent to a private address, whatever its name says and whenever it says so."""

import ssl
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from httpcore2 import AnyIOBackend, AsyncNetworkStream, ConnectError

from server.tell.addresses import Exempt
from server.tell.guard import Resolve, SystemResolver
from server.tell.outcomes import Outcome
from server.tell.signing import new_secret
from server.tell.webhooks import Webhooks
from tests.tell.receivers import Answer, Receiver, receiving
from tests.tracking import NOON

pytestmark = pytest.mark.anyio
SECRET = new_secret()


def resolver(*answers: Sequence[str]) -> Resolve:
    """One that gives another answer each time, then the last one."""
    waiting = list(answers)

    async def found(host: str, port: int) -> Sequence[str]:
        return waiting.pop(0) if len(waiting) > 1 else waiting[0]

    return found


async def send(
    url: str, by: Resolve, exempt: Exempt = frozenset(), tls: ssl.SSLContext | None = None
) -> Outcome:
    webhooks = Webhooks(by, exempt, timeout_s=5, tls=tls)
    try:
        return await webhooks.send(url, "msg_1", b"{}", [SECRET], NOON, site_id=1)
    finally:
        await webhooks.close()


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["::1"],
        ["::ffff:127.0.0.1"],
        ["8.8.8.8", "127.0.0.1"],  # one bad address is enough
        ["127.0.0.1", "8.8.8.8"],
    ],
)
async def test_a_receiver_inside_gets_nothing(addresses: list[str]) -> None:
    """Not even a connection; the control beside it, exempt, gets the message."""
    async with receiving() as receiver:
        url = f"http://crm.example.com:{receiver.port}/hook"
        refused = await send(url, resolver(addresses))
        assert (refused.ok, receiver.connections) == (False, 0)
        assert "where nothing is sent" in refused.words
        exempt = frozenset({("crm.example.com", receiver.port)})
        control = await send(url, resolver(["127.0.0.1"]), exempt)
        assert (control.ok, receiver.connections) == (True, 1)


async def test_the_system_resolver_is_guarded_too() -> None:
    """localhost, as the machine itself resolves it."""
    async with receiving() as receiver:
        for host in ("localhost", "127.0.0.1", "[::1]", "127.1", "2130706433"):
            outcome = await send(f"http://{host}:{receiver.port}/", SystemResolver())
            assert not outcome.ok
        assert receiver.connections == 0


class Wire(AnyIOBackend):
    """The edge of the network: notes where a connection goes, and has no world behind it."""

    def __init__(self) -> None:
        self.reached: list[str] = []

    async def connect_tcp(self, host: str, *args: Any, **options: Any) -> AsyncNetworkStream:
        self.reached.append(host)
        if host == "127.0.0.1":
            return await super().connect_tcp(host, *args, **options)
        raise ConnectError("there is no such network here")


async def test_a_name_that_means_another_address_a_moment_later() -> None:
    """A resolver that says 8.8.8.8 first and 127.0.0.1 second: the first message goes to the very
    address that was looked at, without asking again; the second message goes nowhere."""
    asked: list[str] = []

    async def rebinding(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        return ["8.8.8.8"] if len(asked) == 1 else ["127.0.0.1"]

    async with receiving() as receiver:
        webhooks, wire = Webhooks(rebinding, frozenset()), Wire()
        webhooks._guarded.wire = wire
        url = f"http://rebinding.example:{receiver.port}/"
        for words in ("nobody listens there", "where nothing is sent"):
            outcome = await webhooks.send(url, "msg_1", b"{}", [SECRET], NOON, site_id=1)
            assert words in outcome.words
        await webhooks.close()
        assert len(asked) == 2
        assert wire.reached == ["8.8.8.8"]
        assert receiver.connections == 0


async def test_the_connection_goes_to_the_address_that_was_checked() -> None:
    """127.0.0.2 is checked, by exemption of the name, and connected to; what the name would mean
    to anybody else does not matter."""
    async with receiving() as receiver:
        exempt = frozenset({("nowhere.invalid", receiver.port)})
        url = f"http://nowhere.invalid:{receiver.port}/"
        assert (await send(url, resolver(["127.0.0.1"], ["8.8.8.8"]), exempt)).ok
        assert receiver.got[0].headers["host"] == f"nowhere.invalid:{receiver.port}"


async def test_a_redirect_is_not_followed() -> None:
    """Wherever it leads."""
    async with receiving() as receiver, receiving() as secret:
        for status in (301, 302, 303, 307, 308):
            receiver.answers = [Answer(status, {"Location": secret.url})]
            exempt = frozenset({("127.0.0.1", receiver.port), ("127.0.0.1", secret.port)})
            outcome = await send(receiver.url, SystemResolver(), exempt)
            assert (outcome.ok, outcome.status) == (False, status)
            assert "redirects are not followed" in outcome.words
        assert secret.connections == 0


def certificate(folder: Path, name: str) -> ssl.SSLContext:
    """A server's context with a self-signed certificate for a name; written to `folder`."""
    key, cert = folder / f"{name}.key", folder / f"{name}.pem"
    command: list[str | Path] = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
    ]
    command += ["-keyout", key, "-out", cert, "-subj", f"/CN={name}"]
    command += ["-addext", f"subjectAltName=DNS:{name}"]
    try:
        subprocess.run([str(part) for part in command], check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("there is no openssl to make a certificate with")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return context


async def test_tls_is_checked_against_the_name(tmp_path: Path) -> None:
    """Connected to an address, the certificate must be the name's and somebody known must have
    signed it."""
    server = certificate(tmp_path, "crm.example.com")
    trusting = ssl.create_default_context(cafile=str(tmp_path / "crm.example.com.pem"))

    async def told(receiver: Receiver, host: str, tls: ssl.SSLContext | None) -> Outcome:
        exempt = frozenset({(host, receiver.port)})
        url = f"https://{host}:{receiver.port}/"
        return await send(url, resolver(["127.0.0.1"]), exempt, tls)

    async with receiving(tls=server) as receiver:
        assert (await told(receiver, "crm.example.com", trusting)).ok
        other = await told(receiver, "other.example.com", trusting)
        unknown = await told(receiver, "crm.example.com", None)
        assert not other.ok
        assert not unknown.ok
        assert "the certificate is not good" in other.words
        assert "the certificate is not good" in unknown.words
        assert len(receiver.got) == 1
