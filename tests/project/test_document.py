"""The document of a ruleset: read exactly, written stably, refused with all of its problems."""

import copy
import json
import time
from typing import Any

import jsonschema_rs
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from server.project.checking import Problem
from server.project.document import (
    RulesetRefused,
    json_schema,
    read_document,
    write_document,
)
from server.project.ruleset import (
    DEFAULT,
    PRESETS,
    Axes,
    Bounds,
    EventCondition,
    PropertyCondition,
    Rule,
    Ruleset,
    check,
)

VALIDATOR = jsonschema_rs.validator_for(json_schema())
VIEW = {"type": "event", "kinds": ["page_view"]}


def refused(body: bytes | str) -> list[Problem]:
    with pytest.raises(RulesetRefused) as caught:
        read_document(body)
    found = list(caught.value.problems)
    assert found
    for one in found:
        assert one.sentence.endswith((".", "?"))
        assert len(one.sentence) < 1_000
        assert one.pointer == "" or one.pointer.startswith("/")
        msgspec.json.encode(one)  # whatever was sent, it can be told
    assert caught.value.detail.startswith(found[0].sentence)
    return found


def one(**changes: Any) -> dict[str, Any]:
    """A document of one rule, which is sound unless the change is not."""
    rule = {"key": "views", "label": "Views", "points": 1, "when": VIEW} | changes
    return {"name": "one", "rules": [rule]}


def text(document: object) -> str:
    return json.dumps(document)


# ------------------------------------------------------------ reading and writing


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_a_preset_is_written_and_read_as_the_same(name: str) -> None:
    preset = PRESETS[name]
    written = write_document(preset)
    assert read_document(written, preset.version) == preset
    assert write_document(read_document(written)) == written
    assert b'"version"' not in written
    assert check(preset) == []
    VALIDATOR.validate(json.loads(written))


def test_the_schema_is_one_of_2020_12() -> None:
    schema = json_schema()
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    jsonschema_rs.meta.validate(schema)
    assert schema["$defs"]["Rule"]["properties"]["points"] == {
        "description": "points, with at most three decimal places",
        "type": "number",
        "minimum": -1_000,
        "maximum": 1_000,
    }
    assert '"milli"' not in text(schema)
    assert schema["$defs"]["Decay"]["properties"]["days"]["maximum"] == 3_650


@pytest.mark.parametrize(
    ("written", "milli"),
    [
        ("10", 10_000),
        ("2.5", 2_500),
        ("-0.125", -125),
        ("0.001", 1),
        ("1.50", 1_500),
        ("1e1", 10_000),
        ("25e-1", 2_500),
        ("1000.000", 1_000_000),
    ],
)
def test_points_are_exact_decimals(written: str, milli: int) -> None:
    body = text(one()).replace('"points": 1', f'"points": {written}')
    ruleset = read_document(body)
    assert ruleset.rules[0].points == milli
    again = json.loads(write_document(ruleset))["rules"][0]["points"]
    assert round(again * 1_000) == milli


@given(st.integers(-1_000_000, 1_000_000).filter(bool), st.integers(1_000_000, 10_000_000))
def test_every_number_of_points_survives(points: int, cap: int) -> None:
    rule = Rule("r", "R", points, EventCondition(("page_view",)), cap=cap)
    ruleset = Ruleset(3, "x", (rule,), axes=Axes(Bounds(cap, -cap)))
    assert read_document(write_document(ruleset), 3) == ruleset


@given(
    st.lists(
        st.integers(-(2**53), 2**53)
        | st.floats(1e-9, 1e15)
        | st.floats(-1e15, -1e-9)
        | st.booleans()
        | st.text(st.characters(exclude_categories=["C"]), min_size=1).filter(str.strip),
        min_size=1,
        max_size=5,
    )
)
def test_every_value_survives(values: list[Any]) -> None:
    rule = Rule("r", "R", 1, PropertyCondition("plan", "in", tuple(values)))
    written = write_document(Ruleset(1, "x", (rule,)))
    (again,) = read_document(written).rules
    found = again.when
    assert isinstance(found, PropertyCondition)
    assert found.value == tuple(values)
    assert [isinstance(value, bool) for value in found.value] == [
        isinstance(value, bool) for value in values
    ]
    assert write_document(Ruleset(1, "x", (again,))) == written


def test_the_version_is_not_the_authors() -> None:
    assert read_document(text(one()), 7).version == 7
    (problem,) = refused(text(one() | {"version": 7}))
    assert problem.pointer == "/version"


# ------------------------------------------------------------ refusing

LONG = "9" * 5_000
REFUSED: list[tuple[Any, str, str]] = [
    # document, pointer, part of the sentence
    ([], "", "The ruleset must be an object, and is a list"),
    ({"rules": []}, "/name", "`name` is missing: add it"),
    (one() | {"caps": 3}, "/caps", "`caps` does not exist"),
    (one() | {"axes": {"fits": {}}}, "/axes/fits", "did you mean `fit`?"),
    (one(pionts=3), "/rules/0/pionts", "Rule “views”: `pionts` does not exist: did you mean"),
    (one(points="1"), "/rules/0/points", "Rule “views”: `points` must be a number, and is “1”"),
    (one(points=True), "/rules/0/points", "must be a number, and is true"),
    (one(points=None), "/rules/0/points", "must be a number, and is null"),
    (one(points=1.2345), "/rules/0/points", "at most three decimal places, and is 1.2345"),
    (one(points=float("nan")), "/rules/0/points", "Rule “views”: `points` must be a number"),
    (one(points=float("inf")), "/rules/0/points", "and is Infinity"),
    (one(points=1e300), "/rules/0/points", "of a sensible size"),
    (one(points=2**63), "/rules/0/points", "of a sensible size"),
    (one(points=2**53), "/rules/0/points", "Rule “views” gives more than 1,000"),
    (one(points=1_000.001), "/rules/0/points", "more than 1,000"),
    (one(points=0), "/rules/0/points", "gives no points"),
    (one(n=2**63), "/rules/0/n", "a whole number of a sensible size"),
    (one(n=1.5), "/rules/0/n", "must be a whole number, and is 1.5"),
    (one(cap=0.5), "/rules/0/cap", "raise the cap"),
    (one(label="x" * 201), "/rules/0/label", "is 201 characters long: at most 200"),
    (one(label="a\u0000b"), "/rules/0/label", "cannot be shown"),
    (one(label="\ud800"), "/rules/0/label", "cannot be shown"),
    (one(key="\ud800"), "/rules/0/key", "cannot be shown"),
    (one(counted="often"), "/rules/0/counted", "must be one of count, each, first_only"),
    (one(when={"kinds": ["click"]}), "/rules/0/when/type", "`when.type` is missing"),
    (one(when={"type": "evnt"}), "/rules/0/when/type", "must be one of event, sequence"),
    (one(when=VIEW | {"kinds": "click"}), "/rules/0/when/kinds", "must be a list, and is “click”"),
    (one(when=VIEW | {"kinds": [1]}), "/rules/0/when/kinds/0", "must be a text, and is 1"),
    (one(when=VIEW | {"kinds": []}), "/rules/0/when/kinds", "it needs at least 1"),
    (one(when=VIEW | {"page": "*" * 9}), "/rules/0/when/page", "more than 8 stars"),
    (one(when=VIEW | {"page": "*a" * 400}), "/rules/0/when/page", "800 characters long"),
    (one(group="g"), "/rules/0/group", "Rule “views” is in the group “g”, which is not defined"),
    (one(decay={"kind": "linear"}), "/rules/0/decay/days", "between 1 and 3650"),
    (
        one(when={"type": "property", "field": "a", "op": "in", "value": [[1]]}),
        "/rules/0/when/value/0",
        "must be a text, a number, true or false, and is a list",
    ),
    (
        one(when={"type": "sequence", "steps": [VIEW, VIEW | {"type": "session"}]}),
        "/rules/0/when/steps/1/type",
        "must be event, and is “session”",
    ),
    (one() | {"rules": [{}] * 501}, "/rules", "has 501 parts: at most 500"),
]


@pytest.mark.parametrize(("document", "place", "sentence"), REFUSED)
def test_what_is_wrong_is_told_with_its_place(document: Any, place: str, sentence: str) -> None:
    found = refused(text(document))
    assert [problem.pointer for problem in found if sentence in problem.sentence] == [place]
    assert all(problem.rule in {"views", "�", ""} for problem in found)


BROKEN: list[tuple[bytes, str]] = [
    (b"", "Expecting value at line 1, column 1"),
    (b'{"name": "x",\n "rules": [}', "Expecting value at line 2, column 12"),
    (b"\xff\xfe", "it is not UTF-8"),
    (b"[" * 60_000, "nested too deeply"),
    (b'{"a":' * 5_000 + b"1" + b"}" * 5_000, "nested too deeply"),
    (b" " * 256_001, "at most 256,000 bytes"),
]


@pytest.mark.parametrize(("body", "sentence"), BROKEN)
def test_what_is_no_json_is_refused(body: bytes, sentence: str) -> None:
    (problem,) = refused(body)
    assert sentence in problem.sentence


@pytest.mark.parametrize("number", [LONG, f"-{LONG}", f"1e{LONG}", f"1.{LONG}", "1e999999999"])
def test_absurd_numbers_are_refused_and_not_worked_out(number: str) -> None:
    for field in ("points", "n", "cap"):
        document = text(one(**{field: 77})).replace("77", number)
        assert any(problem.rule == "views" for problem in refused(document))
    value = {"type": "property", "field": "a", "op": "equals", "value": 77}
    (problem,) = refused(text(one(when=value)).replace("77", number))
    assert problem.pointer == "/rules/0/when/value"


def test_what_is_given_twice_is_told() -> None:
    body = text(one()).replace('"points": 1', '"points": 1, "points": 2')
    (problem,) = refused(body)
    assert problem.sentence == "Rule “views”: `points` is given twice: keep one."
    assert problem.pointer == "/rules/0/points"


def test_all_problems_are_told_at_once() -> None:
    document = {
        "name": "many",
        "rules": [
            {"key": "a", "label": "A", "points": "ten", "when": {"type": "event"}},
            {"label": "B", "points": 1, "when": VIEW},
            {"key": "c", "label": "C", "points": 0, "when": VIEW},
            {"key": "c", "label": "D", "points": 1, "when": VIEW, "group": "g"},
        ],
        "thresholds": [
            {"key": "mql", "stage": "mql", "points": 50},
            {"key": "sql", "stage": "sql", "points": 40},
        ],
        "axes": {"fit": {"cap": -1}},
    }
    found = {(problem.pointer, problem.rule) for problem in refused(text(document))}
    assert found == {
        ("/rules/0/points", "a"),
        ("/rules/0/when/kinds", "a"),
        ("/rules/1/key", ""),
        ("/rules/2/points", "c"),
        ("/rules/3/key", "c"),
        ("/rules/3/group", "c"),
        ("/thresholds/1/points", ""),
        ("/axes/fit/cap", ""),
    }


def test_a_pointer_escapes_what_it_names() -> None:
    (problem,) = refused(text(one(**{"a/b~c": 1})))
    assert problem.pointer == "/rules/0/a~1b~0c"


def test_a_ruleset_is_as_long_as_it_may_be_without_spaces() -> None:
    def many(count: int, label: str) -> bytes:
        rule = Rule("r", label, 1_000, EventCondition(("page_view",)))
        rules = tuple(replace(rule, key=f"r{number}") for number in range(count))
        return write_document(Ruleset(1, "many", rules))

    assert len(many(500, "")) > 64_000  # of which half are spaces
    assert len(read_document(many(500, "")).rules) == 500
    (problem,) = refused(many(400, "x" * 160))
    assert "at most 64,000 bytes long, this one is" in problem.sentence


HOSTILE = {
    "fields": {f"field{number}": 1 for number in range(12_000)},
    "rules": {"name": "x", "rules": [{f"f{n}": n for n in range(40)} for _ in range(500)]},
    "kinds": one(when=VIEW | {"kinds": ["x" * 100] * 100}),
    "lists": one(when=VIEW | {"kinds": [[[1]] * 50] * 100}),
    "thresholds": one() | {"thresholds": [{}] * 50_000},
    "numbers": [1] * 80_000,
    "same": {
        "name": "x",
        "rules": [
            {"key": "k", "label": "", "points": 0, "when": VIEW, "group": "g", "n": 9}
            for _ in range(500)
        ],
    },
}


@pytest.mark.parametrize("name", sorted(HOSTILE))
def test_a_hostile_document_is_refused_at_once(name: str) -> None:
    body = text(HOSTILE[name])
    assert len(body) < 256_000
    began = time.process_time()
    found = refused(body)
    assert time.process_time() - began < 1.0  # 50 ms, on a machine that does nothing else
    assert len(found) <= 100


@pytest.mark.parametrize("number", ["1e9999999999999999999", "1e-9999999999999999999", "1e400"])
def test_a_number_beyond_all_numbers_is_refused(number: str) -> None:
    (problem,) = refused(text(one(points=7)).replace(": 7", f": {number}"))
    assert problem.pointer == "/rules/0/points"
    assert "a sensible size" in problem.sentence


# ------------------------------------------------------------ whatever comes


def survives(body: bytes | str) -> None:
    """The document is refused with sentences, or is a ruleset that can be written again."""
    try:
        ruleset = read_document(body)
    except RulesetRefused as refusal:
        told = refusal.problems
    else:
        told = ()
        assert check(ruleset) == []
        assert read_document(write_document(ruleset)) == ruleset
        VALIDATOR.validate(json.loads(write_document(ruleset)))
    assert msgspec.json.decode(msgspec.json.encode(told), type=tuple[Problem, ...]) == told


@given(st.binary(max_size=200) | st.text(max_size=200))
def test_any_bytes_are_read_or_refused(body: bytes | str) -> None:
    survives(body)


@given(st.integers(0, 20_000), st.binary(max_size=3), st.integers(0, 3))
@settings(deadline=None)
def test_a_damaged_preset_is_read_or_refused(place: int, put: bytes, taken: int) -> None:
    whole = write_document(DEFAULT)
    place %= len(whole)
    survives(whole[:place] + put + whole[place + taken :])


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["page_view", "property", "event", "in", "between", "each", "*"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner),
    max_leaves=4,
)


def places(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = node.items() if isinstance(node, dict) else enumerate(node)
    found = []
    for name, one in inner:
        found.append((*path, name))
        if isinstance(one, dict | list):
            found += places(one, (*path, name))
    return found


WHOLE = [json.loads(write_document(preset)) for _, preset in sorted(PRESETS.items())]
PLACES = [places(document) for document in WHOLE]


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_a_changed_preset_is_read_or_refused(data: st.DataObject) -> None:
    number = data.draw(st.integers(0, len(WHOLE) - 1))
    document = copy.deepcopy(WHOLE[number])
    for path in data.draw(st.lists(st.sampled_from(PLACES[number]), min_size=1, max_size=3)):
        node = document
        try:
            for name in path[:-1]:
                node = node[name]
            if data.draw(st.booleans()):
                node[path[-1]] = data.draw(VALUES)
            else:
                del node[path[-1]]
        except (KeyError, IndexError, TypeError):
            continue  # what was changed before is not there any more
    survives(json.dumps(document))
