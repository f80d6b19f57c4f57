"""What the page on destinations says is what happens: its snippets check real messages."""

import json
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from server.model import Site, SiteSettings
from server.tell import payload, signing
from server.tell.examples import example
from tests.tracking import NOON

PAGE = (Path(__file__).parents[2] / "docs" / "destinations.md").read_text("utf-8")
SITE = Site(site_id=1, name="Acme", keys=("k1",), settings=SiteSettings())
BODY = payload.body(example(SITE, NOON, "https://t.acme.example/"))


def snippet(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", PAGE, re.S)
    assert found
    return found[1]


def cases() -> list[tuple[bool, str, dict[str, str], bytes]]:
    """(ours, secret, headers, body): one that is, and some that are not."""
    secret, before, now = signing.new_secret(), signing.new_secret(), int(time.time())
    good = signing.headers([secret], "msg_1", now, BODY)
    both = signing.headers([secret, before], "msg_1", now, BODY)
    old = signing.headers([secret], "msg_1", now - 3_600, BODY)
    return [
        (True, secret, good, BODY),
        (True, before, both, BODY),
        (False, before, good, BODY),
        (False, secret, good, BODY.replace(b"Ann", b"Eve")),
        (False, secret, good | {"webhook-id": "msg_2"}, BODY),
        (False, secret, good | {"webhook-signature": "v1,"}, BODY),
        (False, secret, old, BODY),
    ]


def test_the_python_snippet() -> None:
    """It takes ours and nothing else."""
    names: dict[str, Any] = {}
    exec(snippet("python"), names)  # noqa: S102 - the page's own words
    is_ours: Callable[[str, dict[str, str], bytes], bool] = names["is_ours"]
    for ours, secret, headers, body in cases():
        assert is_ours(secret, headers, body) is ours


def test_the_node_snippet() -> None:
    """Likewise."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("there is no Node here")
    given = json.dumps([[secret, headers, body.decode()] for _, secret, headers, body in cases()])
    program = (
        f"{snippet('js')}\nconsole.log(JSON.stringify({given}.map(([secret, headers, body]) =>"
        " isOurs(secret, headers, Buffer.from(body)))))"
    )
    done = subprocess.run([node, "-e", program], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [ours for ours, *_ in cases()]


def test_the_body_has_the_fields_of_the_page() -> None:
    """No more, no less, at every level."""

    def shape(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: shape(one) for name, one in value.items()}
        return [shape(value[0])] if isinstance(value, list) and value else type(value).__name__

    shown, sent = json.loads(snippet("json")), json.loads(BODY)
    sent["data"]["pages"] = []
    assert shape(shown) == shape(sent)
