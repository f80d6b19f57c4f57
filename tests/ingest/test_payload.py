"""Bytes to the wire's types: whatever is sent, a batch, a named refusal, or a clear error."""

import gzip
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.errors import BadRequest, Refusal, TooLarge
from server.ingest import limits
from server.ingest.payload import (
    TooComplex,
    decode,
    decode_data,
    inflate,
    read_id,
    read_tab,
    repair,
    write_id,
)

GOOD = {"i": "AaIA34ZKN90hqrqcm9ky8w", "y": "page_view", "t": 1, "u": "https://a.example/"}


def batch(*events: object, **more: object) -> bytes:
    return json.dumps({"k": "k1", "t": 1, "e": list(events)} | more).encode()


def test_a_good_batch() -> None:
    """Every default is filled in."""
    envelope, refused = decode(batch(GOOD))
    assert (envelope.k, envelope.v, len(envelope.e), refused) == ("k1", None, 1, [])
    assert envelope.e[0].u == "https://a.example/"


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ({"i": "x"}, Refusal.UNPARSABLE),
        ({**GOOD, "t": "soon"}, Refusal.UNPARSABLE),
        ({**GOOD, "u": 7}, Refusal.UNPARSABLE),
        (7, Refusal.UNPARSABLE),
        (None, Refusal.UNPARSABLE),
        ([], Refusal.UNPARSABLE),
        ({**GOOD, "n": "x" * 40_000}, Refusal.TOO_BIG),
    ],
)
def test_one_bad_event_never_fails_its_neighbours(bad: object, reason: Refusal) -> None:
    """The good ones before and after are kept."""
    envelope, refused = decode(batch(GOOD, bad, GOOD))
    assert len(envelope.e) == 2
    assert [why for _, why in refused] == [reason]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b"7",
        b'"x"',
        b'{"k":"k1"}',
        b'{"k":1,"t":1,"e":[]}',
        b'{"k":"k1","t":1,"e":{}}',
        b"\x00\x01\x02",
        b"[" * 200_000,
        b'{"k":' + b"[" * 100_000,
        b"<html>",
        b'{"k":"k1","t":' + b"9" * 5_000 + b',"e":[]}',
        b'{"k":"k1","t":NaN,"e":[]}',
    ],
)
def test_what_is_no_batch_is_a_clear_error(body: bytes) -> None:
    """400 with a sentence, never another exception."""
    with pytest.raises(BadRequest) as caught:
        decode(body)
    assert caught.value.detail


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        (b"\\ud800", "\ufffd"),
        (b"a\\udfffb", "a\ufffdb"),
        (b"\\ud83d\\ude00", "😀"),
        (b"\\ud800\\ud83d\\ude00", "\ufffd😀"),
        (b"\\\\ud800 \\ud800", "\\ud800 \ufffd"),
        (b"\xff\xfe", "\ufffd\ufffd"),
        (b"\xed\xa0\x80", "\ufffd\ufffd\ufffd"),
    ],
)
def test_broken_text_is_repaired_and_its_event_kept(title: bytes, expected: str) -> None:
    """Lone surrogates and broken UTF-8 become U+FFFD, emoji survive."""
    body = batch(GOOD).replace(b'"y"', b'"n": "' + title + b'", "y"')
    envelope, refused = decode(body)
    assert refused == []
    assert envelope.e[0].n == expected


def test_a_huge_integer_refuses_its_event_alone() -> None:
    """5,000 digits in the data of one event."""
    bad = json.dumps(GOOD)[:-1].encode() + b', "q": ' + b"9" * 5_000 + b"}"
    body = b'{"k":"k1","t":1,"e":[' + json.dumps(GOOD).encode() + b"," + bad + b"]}"
    envelope, refused = decode(body)
    assert len(envelope.e) == 1
    assert [why for _, why in refused] == [Refusal.UNPARSABLE]


def test_gzip_is_sniffed() -> None:
    """Clients mislabel it."""
    assert inflate(gzip.compress(b"{}")) == b"{}"
    assert inflate(b"{}") == b"{}"


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (gzip.compress(b"0" * 50_000_000), TooLarge),
        (gzip.compress(b"0" * (limits.INFLATED_BYTES + 1)), TooLarge),
        (gzip.compress(gzip.compress(b"{}")), BadRequest),
        (gzip.compress(b"{}")[:-4], BadRequest),
        (gzip.compress(b"{}") + gzip.compress(b"{}"), BadRequest),
        (b"\x1f\x8bnonsense", BadRequest),
    ],
    ids=["bomb", "limit", "nested", "short", "joined", "nonsense"],  # gzip holds the time
)
def test_bombs_and_broken_gzip(body: bytes, error: type[Exception]) -> None:
    """Unpacking stops at the limit."""
    with pytest.raises(error):
        inflate(body)


@given(st.binary(min_size=16, max_size=16).filter(any))
def test_ids_round_trip(value: bytes) -> None:
    """22 characters and back."""
    assert read_id(write_id(value)) == value


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "null",
        "undefined",
        "A" * 21,
        "A" * 23,
        "A" * 22,
        "é" * 22,
        "=" * 22,
        "\ud800" * 22,
    ],
)
def test_what_is_no_id(text: str | None) -> None:
    """Wrong length, wrong letters, all zero."""
    assert read_id(text) is None


@given(st.text(max_size=30))
def test_any_tab_fits_64_bits(text: str) -> None:
    """Foreign tab ids become some integer."""
    tab = read_tab(text)
    assert tab is None or -(2**63) <= tab < 2**63


@given(st.binary(max_size=200))
def test_repair_never_raises_and_is_idempotent(body: bytes) -> None:
    """Whatever the bytes."""
    assert repair(repair(body)) == repair(body)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_batch_or_a_clear_error(body: bytes) -> None:
    """Nothing else comes out."""
    try:
        decode(inflate(body))
    except (BadRequest, TooLarge) as error:
        assert error.detail  # noqa: PT017


def test_data_is_bounded() -> None:
    """Depth, count, length, size of integers, NUL."""
    deep: object = 1
    for _ in range(40):
        deep = [deep]
    with pytest.raises(TooComplex):
        decode_data(json.dumps({"a": deep}).encode())
    with pytest.raises(TooComplex):
        decode_data(json.dumps({str(i): i for i in range(10_000)}).encode())
    with pytest.raises(ValueError, match="no object"):
        decode_data(b"[1]")
    assert decode_data(b"") == {}
    assert decode_data(b'{"a":"x\\u0000y","b":' + b"9" * 30 + b"}") == {"a": "xy", "b": "9" * 30}
    assert len(decode_data(json.dumps({"a": "x" * 20_000}).encode())["a"]) == limits.STRING
