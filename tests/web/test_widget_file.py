"""The widget's file as it is served, and its size."""

import gzip
import json
from collections.abc import Mapping
from pathlib import Path

import brotli
import pytest

from server.web.widget import optional_file, widget_body, widget_file

#: Bytes with brotli 11: a site with the default configuration, one with every option, and the part
#: that only some sites' widgets fetch.
BUDGET, BUDGET_FULL, BUDGET_OPTIONAL = 3_390, 4_343, 1_518
KEY: dict[str, object] = {"key": "k0123456789abcdef"}
FULL: dict[str, object] = KEY | {
    "consent": "ask",
    "gpc": False,
    "search": True,
    "exclude": ["/admin*"],
    "forms": {"contact": {"deny": ["phone"]}, "sign-in": {"ignore": 1}},
}


def settings(config: Mapping[str, object]) -> dict[str, object]:
    """What is written into the file; into the small build it is the key alone."""
    text = widget_body(config).decode()
    read = json.loads(text[text.rindex("})(") + 3 : text.rindex(")")])
    return read if isinstance(read, dict) else {"key": read}


def test_the_default_configuration_keeps_its_budget() -> None:
    assert len(widget_file(KEY, "br").body) <= BUDGET
    assert len(widget_file(FULL, "br").body) <= BUDGET_FULL
    assert len(optional_file("br").body) <= BUDGET_OPTIONAL


def test_the_same_text_in_each_encoding() -> None:
    plain = widget_file(KEY, "")
    packed = widget_file(KEY, "gzip, deflate, br;q=0.9")
    zipped = widget_file(KEY, "gzip;q=1.0, br;q=0")
    assert (plain.encoding, packed.encoding, zipped.encoding) == ("", "br", "gzip")
    assert brotli.decompress(packed.body) == gzip.decompress(zipped.body) == plain.body
    assert len({plain.etag, packed.etag, zipped.etag}) == 3
    assert widget_file(dict(KEY), "br") is packed, "packed once"


def test_defaults_are_left_out_and_choose_the_small_build() -> None:
    plain = KEY | {"consent": "on", "gpc": True, "manual": False, "forms": {}}
    assert widget_body(plain) == widget_body(KEY)
    assert settings(KEY) == KEY
    assert len(widget_body(KEY)) < len(widget_body(KEY | {"consent": "ask"}))


def test_the_plain_file_has_no_settings() -> None:
    assert settings({}) == {}
    assert widget_body({}).decode().endswith("({});\n")


@pytest.mark.parametrize(
    ("given", "written"),
    [
        (["/admin*", "/a.b"], r"^(?:/admin.*|/a\.b)$"),
        ("/cart, /x(y)", r"^(?:/cart|/x\(y\))$"),
        ([], None),
    ],
)
def test_excluded_paths_become_a_pattern(given: object, written: str | None) -> None:
    assert settings(KEY | {"exclude": given}).get("exclude") == written


def test_form_rules_become_selectors() -> None:
    private = settings(FULL)["private"]
    assert isinstance(private, str)
    assert private.startswith(',[form="contact"]')
    assert 'form[id="contact"] :is([name="phone"],[id="phone"])' in private
    assert 'form[name="sign-in"]' in private


def test_form_rules_reach_what_is_taken_for_a_form() -> None:
    rules = {"contact": {"ignore": 1}, "form": {"deny": ["phone"]}}
    private = settings(KEY | {"containers": True, "forms": rules})["private"]
    assert isinstance(private, str)
    assert ':is(form,[data-hr-form])[data-hr-form="contact"]' in private
    assert ':is(form,[data-hr-form])[id="contact"]' in private
    unnamed = ":is(form,[data-hr-form]):not([id],[name],[data-hr-form]:not([data-hr-form='']))"
    assert f'{unnamed} :is([name="phone"],[id="phone"])' in private
    assert "data-hr-form" not in str(settings(KEY | {"links": True, "forms": rules}))


def test_a_hostile_form_key_stays_in_its_string() -> None:
    written = settings(KEY | {"forms": {'a"],*,[b="\n': {"ignore": 1}}})["private"]
    assert isinstance(written, str)
    assert '"a\\22 \\5d \\2c \\2a \\2c \\5b b\\3d \\22 \\a "' in written


def test_no_source_map_and_no_machine_path_in_the_built_files() -> None:
    for name in ("h.js", "default.js", "c.js"):
        text = (Path("server/static/widget") / name).read_text("utf-8")
        assert "sourceMapping" not in text
        assert str(Path.cwd()) not in text
        assert text.count("\n") == 1
