"""The examples of docs/scoring.md are run: what the page says is what a receipt says."""

import json
import re
from pathlib import Path
from typing import Any, get_args

import pytest

from server.model import EVENT_KINDS
from server.project.decay import FULL, Decay, curve
from server.project.document import RulesetRefused, json_schema, read_document
from server.project.rules import OPS, Counted
from server.project.ruleset import PRESETS
from tests.project.histories import lines_on

PAGE = (Path(__file__).parents[2] / "docs" / "scoring.md").read_text("utf-8")
BLOCKS: list[dict[str, Any]] = [
    json.loads(block)
    for block in re.findall(r"^```json\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
]
EXAMPLES = [block for block in BLOCKS if "receipt" in block]


def keys(example: dict[str, Any]) -> str:
    rules = example.get("rules") or [example["rule"]]
    return "-".join(rule["key"] for rule in rules)


@pytest.mark.parametrize("example", EXAMPLES, ids=keys)
def test_an_example_gives_its_receipt(example: dict[str, Any]) -> None:
    document = {
        "name": "example",
        "rules": example.get("rules") or [example["rule"]],
        "groups": example.get("groups", []),
        "axes": example.get("axes", {}),
    }
    ruleset = read_document(json.dumps(document))
    for day, lines in example["receipt"].items():
        found = lines_on(ruleset, example.get("visits", []), example.get("traits", {}), day)
        assert found == lines, day


def test_the_document_can_be_used() -> None:
    (whole,) = [block for block in BLOCKS if "receipt" not in block]
    assert read_document(json.dumps(whole)).name == "ours"


def test_the_page_has_every_type_and_word() -> None:
    types = {
        rule["when"]["type"] for one in EXAMPLES for rule in one.get("rules", [one.get("rule")])
    }
    kinds = json_schema()["$defs"]["Rule"]["properties"]["when"]["discriminator"]["mapping"]
    assert types == set(kinds)
    fields = json_schema()["$defs"]["EventCondition"]["properties"]
    for word in (*get_args(Counted), *OPS, *EVENT_KINDS, *PRESETS, *fields):
        assert f"`{word}`" in PAGE or f'"{word}"' in PAGE, word


def test_the_figures_of_decay() -> None:
    rows = re.findall(r"^\| `(\{[^|]*\})`[^|]*\| ([\d., ]+) \|$", PAGE, re.MULTILINE)
    assert len(rows) == 4
    for document, figures in rows:
        fades = curve(Decay(**json.loads(document)))
        told = [float(figure) for figure in figures.split(",")]
        for age, points in zip((0, 15, 30, 45, 60), told, strict=True):
            ends = FULL if fades.ends is None else 0
            factor = fades.at(age)[0] if age < (fades.ends or 0) else ends
            assert 10 * factor / FULL == points, (document, age)


def test_the_sentence_at_the_end_is_what_is_said() -> None:
    (said,) = re.findall(r"^> (.*)$", PAGE, re.MULTILINE)
    broken = json.dumps(BLOCKS[0]).replace('"points": 10', '"points": 10, "pionts": 10')
    with pytest.raises(RulesetRefused) as caught:
        read_document(broken)
    assert caught.value.problems[0].sentence == said
