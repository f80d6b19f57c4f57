"""Signed identify tokens: what a token proves, what a bad one costs, and the docs' own snippets."""

import base64
import json
import os
import random
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from itsdangerous import TimestampSigner, URLSafeSerializer, URLSafeTimedSerializer

from server.errors import Refusal
from server.ingest import limits
from server.ingest.content import Content, read_content
from server.ingest.signed import MAX_TOKEN, SALT, read_token
from server.model import Flag, Kind, Site, SiteSettings

NOW = 1_790_000_000_000
EXP = NOW // 1_000 + 3_600
SECRET, BEFORE, FOREIGN = "new-secret", "old-secret", "other-secret"
SITE = Site(
    site_id=7,
    name="Acme",
    keys=("k-new", "k-old"),
    settings=SiteSettings(),
    secrets=(SECRET, BEFORE),
)
WHO = {"user_id": "U-17", "email": "Ann@Brew.example"}
PROVEN: dict[str, Any] = {
    "ids": {"email": "ann@brew.example", "user_id": "U-17"},
    "proven": ["email", "user_id"],
}


def token(said: Any = None, *, secret: str = SECRET, salt: str = SALT, **more: Any) -> str:
    """A token as the owner's server makes it; `more` replaces parts of the payload."""
    payload = {"site": "7", "exp": EXP} | WHO | more if said is None else said
    made = URLSafeTimedSerializer(secret, salt=salt).dumps(payload)
    return made if isinstance(made, str) else made.decode()


def identify(site: Site = SITE, now: int = NOW, **data: Any) -> Content | Refusal:
    return read_content(Kind.IDENTIFY, json.dumps(data).encode(), site, now)


def stored(**data: Any) -> Any:
    """The data that is kept of an event that must be taken, with its flags."""
    content = identify(**data)
    assert isinstance(content, Content), content
    return json.loads(content.data), content.flags


@pytest.mark.parametrize(
    "good",
    [
        token(),
        token(secret=BEFORE),
        token(site=7),
        token(site="k-new"),
        token(site="k-old"),
        token(exp=EXP + 0.5),
        token(exp=NOW // 1_000 + 1),
        token(other="packed by itsdangerous " * 100),
        token(other="unknown names are ignored", ids={"phone": "+4930123456"}),
    ],
)
def test_a_good_token_proves_what_it_names(good: str) -> None:
    """Either secret, the site by id or by either key; normalised like any identifier."""
    assert stored(token=good) == (PROVEN, 0)


BAD: dict[str, Any] = {
    "another secret": token(secret=FOREIGN),
    "another salt": token(salt="form"),
    "no salt": URLSafeTimedSerializer(SECRET).dumps({"site": "7", "exp": EXP} | WHO),
    "no time": URLSafeSerializer(SECRET, salt=SALT).dumps({"site": "7", "exp": EXP} | WHO),
    "another site": token(site="8"),
    "another site's key": token(site="k-others"),
    "no site": token({"exp": EXP} | WHO),
    "a site that is none": token(site=True),
    "sites": token(site=["7"]),
    "expired": token(exp=NOW // 1_000),
    "long expired": token(exp=0),
    "no end": token({"site": "7"} | WHO),
    "an end in milliseconds": token(exp=EXP * 1_000),
    "an end that is no number": token(exp=str(EXP)),
    "an end that is true": token(exp=True),
    "an end that is NaN": token(exp=float("nan")),
    "never": token(exp=float("inf")),
    "nobody": token({"site": "7", "exp": EXP}),
    "nobody, written out": token(user_id="", email=None),
    "a phone only": token({"site": "7", "exp": EXP, "phone": "+4930123456"}),
    "a list": token(["7", EXP]),
    "a text": token("ann@brew.example"),
    "nothing in it": token({}),
    "no JSON": TimestampSigner(SECRET, salt=SALT).sign(base64.urlsafe_b64encode(b"{")).decode(),
    "a broken pack": TimestampSigner(SECRET, salt=SALT).sign(b".eJx").decode(),
    "truncated": token()[:-1],
    "without its signature": token().rpartition(".")[0],
    "another's signature": token(user_id="U-18").rpartition(".")[0] + "." + token().split(".")[-1],
    "words": "let me in",
    "dots": "...",
    "unseen": token() + "\u200b",
    "huge": token(other=random.Random(1).randbytes(MAX_TOKEN).hex()),
    "huge and wrong": "A" * 30_000,
    "a number": 17,
    "a list of one": [token()],
    "an object": {"token": token()},
    "true": True,
    "zero": 0,
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD.keys())
def test_a_bad_token_proves_nothing(bad: Any) -> None:
    """Alone it is refused; beside plain identifiers these count as if there were no token."""
    assert identify(token=bad) is Refusal.BAD_TOKEN
    assert stored(token=bad, email="bo@x.example") == (
        {"ids": {"email": "bo@x.example"}},
        Flag.BAD_TOKEN,
    )
    assert stored(token=bad, traits={"plan": "pro"}) == (
        {"traits": {"plan": "pro"}},
        Flag.BAD_TOKEN,
    )
    assert identify(token=bad, user_id="null") is Refusal.RESERVED


@pytest.mark.parametrize("none", [None, ""])
def test_no_token_is_no_bad_token(none: Any) -> None:
    """Templates write an empty one for those who are not signed in."""
    assert stored(token=none, email="bo@x.example") == ({"ids": {"email": "bo@x.example"}}, 0)
    assert identify(token=none) is Refusal.UNPARSABLE


@pytest.mark.parametrize(
    ("said", "plain", "ids", "proven"),
    [
        ({"user_id": "U-17"}, {"email": "a@x.example"},
         {"user_id": "U-17", "email": "a@x.example"}, ["user_id"]),
        ({"email": "A@x.example"}, {"user_id": 17},
         {"user_id": "17", "email": "a@x.example"}, ["email"]),
        ({"user_id": 17}, {}, {"user_id": "17"}, ["user_id"]),
        (WHO, {"user_id": "U-18", "email": "eve@evil.example"}, PROVEN["ids"], PROVEN["proven"]),
        (WHO, {"user_id": "null", "email": []}, PROVEN["ids"], PROVEN["proven"]),
        (WHO, {"phone": "+49 30 123456"}, PROVEN["ids"] | {"phone": "+4930123456"},
         PROVEN["proven"]),
        (WHO, {"proven": ["phone"], "phone": "+4930123456"},
         PROVEN["ids"] | {"phone": "+4930123456"}, PROVEN["proven"]),
    ],
)  # fmt: skip
def test_plain_identifiers_beside_a_good_token(
    said: dict[str, Any], plain: dict[str, Any], ids: dict[str, str], proven: list[str]
) -> None:
    """Of other types they stay, unsigned; of the same type the token's is the one."""
    made = token({"site": "7", "exp": EXP} | said)
    assert stored(token=made, **plain) == ({"ids": ids, "proven": proven}, 0)


@pytest.mark.parametrize(
    "said",
    [
        {"user_id": "null"},
        {"user_id": "undefined", "email": "ann@brew.example"},
        {"user_id": "[object Object]"},
        {"user_id": {}},
        {"user_id": True},
        {"user_id": "x" * 201},
        {"email": "anonymous"},
        {"email": "no address"},
    ],
)
def test_no_token_joins_strangers(said: dict[str, Any]) -> None:
    """A broken template signs `null` for everybody: the whole event is refused."""
    assert identify(token=token({"site": "7", "exp": EXP} | said)) is Refusal.RESERVED


def test_a_page_cannot_prove_anything_itself() -> None:
    """`proven` from outside is ignored, and no token is ever stored."""
    assert stored(email="bo@x.example", proven=["email"]) == ({"ids": {"email": "bo@x.example"}}, 0)
    for sent in (token(), token(secret=FOREIGN)):
        content = identify(token=sent, email="bo@x.example")
        assert isinstance(content, Content)
        assert sent not in content.data
        assert "token" not in content.data


def test_two_secrets_are_good_and_a_third_is_not() -> None:
    """And a site without any believes nobody, not even one who signs with nothing."""

    def having(*secrets: str) -> Site:
        return Site(site_id=7, name="", keys=("k",), settings=SiteSettings(), secrets=secrets)

    assert read_token(token(secret="a"), having("b", "a"), NOW) == WHO
    assert read_token(token(secret="a"), having("c", "b"), NOW) is None
    assert read_token(token(secret=""), having(), NOW) is None


def test_a_site_never_shows_its_secrets() -> None:
    """Whatever is shown ends up in a log."""
    for shown in (repr(SITE), str(SITE), f"{SITE}", repr([SITE])):
        assert SECRET not in shown
        assert BEFORE not in shown
        assert "Acme" in shown


@given(st.text() | st.binary().map(lambda b: base64.urlsafe_b64encode(b).decode()))
def test_no_text_is_taken_for_a_token(text: str) -> None:
    """Nor does any raise, not even half a character."""
    assert read_token(f"{token()}\ud800", SITE, NOW) is None
    assert read_token(text, SITE, NOW) is None
    assert read_token(f"{token()}.{text}", SITE, NOW) is None


ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."


@given(st.data())
def test_a_token_changed_anywhere_proves_nothing(data: st.DataObject) -> None:
    """Every letter counts but the last, in which base64 has two bits to spare."""
    made = token()
    at = data.draw(st.integers(0, len(made) - 2))
    letter = data.draw(st.sampled_from(ALPHABET).filter(lambda found: found != made[at]))
    assert read_token(made[:at] + letter + made[at + 1 :], SITE, NOW) is None
    assert read_token(made[:at], SITE, NOW) is None


@given(st.integers(0, limits.LATEST_MS // 1_000), st.integers(0, limits.LATEST_MS))
def test_a_token_ends_when_it_says(exp: int, now: int) -> None:
    """To the millisecond, and only by the clock that is given."""
    fresh = now < exp * 1_000 < limits.LATEST_MS
    assert (read_token(token(exp=exp), SITE, now) is not None) is fresh


# ---------------------------------------------------------------- the docs' snippets

PAGE = Path(__file__).parents[2] / "docs" / "identify.md"
ANN = {"user_id": "U-17 ☕", "email": "ann+ü@brew.example"}
CALLS = {
    "python": 'print(identify_token("U-17 ☕", "ann+ü@brew.example"))',
    "js": "process.stdout.write(identifyToken('U-17 ☕', 'ann+ü@brew.example'))",
    "php": "echo identify_token('U-17 ☕', 'ann+ü@brew.example');",
}
PROGRAMS = {"python": [sys.executable], "js": ["node"], "php": ["php"]}


@pytest.mark.parametrize("language", CALLS)
def test_the_snippets_make_good_tokens(language: str, tmp_path: Path) -> None:
    """Each as it stands on the page, run by its own language."""
    program, *_ = PROGRAMS[language]
    if shutil.which(program) is None:
        pytest.skip(f"NOT RUN: {program} is not installed here, its snippet is in docs/identify.md")
    found = re.search(rf"```{language}\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert found is not None
    opening = "<?php\n" if language == "php" else ""
    file = tmp_path / f"snippet.{'cjs' if language == 'js' else language}"
    file.write_text(f"{opening}{found[1]}\n{CALLS[language]}\n", "utf-8")
    made = subprocess.run(
        [program, str(file)],
        env=os.environ | {"IDENTIFY_SECRET": SECRET, "PYTHONUTF8": "1"},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=True,
        timeout=30,
    ).stdout.strip()
    site = Site(site_id=1, name="", keys=("k",), settings=SiteSettings(), secrets=(SECRET,))
    now = time.time_ns() // 1_000_000
    assert read_token(made, site, now) == ANN
    assert read_token(made, site, now + 3_600_000) is None
    assert len(made) < MAX_TOKEN
