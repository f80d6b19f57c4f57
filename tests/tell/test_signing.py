"""Signatures are those of the specification."""

import base64
import re

from server.tell import signing
from tests.tell.receivers import Got

#: The example of the Standard Webhooks specification and its libraries.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
MESSAGE, AT, BODY = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, b'{"test": 2432232314}'
EXPECTED = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_the_example_of_the_specification() -> None:
    """The very signature that other libraries give."""
    assert signing.signature(SECRET, MESSAGE, AT, BODY) == EXPECTED


def test_two_secrets_give_two_signatures() -> None:
    """The newer first; a receiver with either is content, one with neither is not."""
    new, other = signing.new_secret(), signing.new_secret()
    headers = signing.headers([new, SECRET], MESSAGE, AT, BODY)
    assert headers["webhook-signature"].split(" ")[1] == EXPECTED
    got = Got("/", headers, BODY)
    assert got.signed_by(new)
    assert got.signed_by(SECRET)
    assert not got.signed_by(other)
    assert not Got("/", headers, BODY + b" ").signed_by(new)


def test_a_secret_is_256_random_bits() -> None:
    """Within the 24 to 64 bytes that the specification asks for."""
    secrets = {signing.new_secret() for _ in range(100)}
    assert len(secrets) == 100
    assert all(re.fullmatch(r"whsec_[A-Za-z0-9+/]{43}=", one) for one in secrets)
    assert len(base64.b64decode(secrets.pop().removeprefix("whsec_"))) == 32
