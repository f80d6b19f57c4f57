"""Which promise of the widget which browser test keeps: `python -m tests.browser.table` writes it.

The table in `docs/widget.md` is made from the names of the tests: `test_74_a_native_submit_…` keeps
promise 74, `test_82_83_…` two of them. A test that asks for `either` runs in every engine.
A promise nobody tests must be named in `NOT_YET`.
"""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent.parent
PAGE = ROOT / "docs" / "widget.md"
BEGIN, END = "<!-- made by python -m tests.browser.table -->\n", "<!-- end of what is made -->\n"

#: The promises that are due, by what they are about.
DUE: dict[str, tuple[range, ...]] = {
    "Loading and isolation": (range(1, 16),),
    "Page views": (range(16, 35),),
    "Engagement": (range(35, 41),),
    "Delivery": (range(41, 57),),
    "Identity": (range(57, 65),),
    "Consent": (range(65, 74),),
    "Form capture": (range(74, 97),),
    "Clicks": (range(100, 105),),
    "Security headers": (range(130, 138), range(140, 141)),
    "Speed": (range(141, 144), range(145, 147)),
}
#: Those that a second engine should see too.
TWO_ENGINES = frozenset({1, 9, 17, 20, 26, 28, 35, 41, 42, 74, 75, 82, 93, 130, 134})
#: Kept by what is no test of this folder: in words, where, in which engine.
ELSEWHERE = {
    141: (
        "the default configuration keeps its budget",
        "tests/web/test_widget_file.py",
        "none needed",
    ),
    142: ("measured by `make bench`", "tests/bench/widget_speed.py", "Chromium"),
    143: ("measured by `make bench`", "tests/bench/widget_speed.py", "Chromium"),
    146: ("and the heap, by `make bench`", "tests/bench/widget_speed.py", "Chromium"),
}
#: What has no test, and why.
NOT_YET: dict[int, str] = {}
TEST = re.compile(r"test_((?:\d+_)+)(\w+)")


class Kept(NamedTuple):
    """One test: the promises it keeps, in words, where it stands and what runs it."""

    numbers: tuple[int, ...]
    words: str
    file: str
    engines: str


def due() -> list[int]:
    return [number for parts in DUE.values() for part in parts for number in part]


def tests() -> Iterator[Kept]:
    """The numbered tests of this folder, in the order of their files."""
    for path in sorted(Path(__file__).parent.glob("test_*.py")):
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.FunctionDef) and (found := TEST.fullmatch(node.name)):
                numbers = tuple(int(number) for number in found[1].split("_") if number)
                yield Kept(numbers, found[2].replace("_", " "), path.name, engines(node))


def engines(test: ast.FunctionDef) -> str:
    """By what the test asks for: `either` is each engine, or those its decorator names."""
    if not any(one.arg == "either" for one in test.args.args):
        return "Chromium"
    named = {
        one.value
        for decorator in test.decorator_list
        for one in ast.walk(decorator)
        if isinstance(one, ast.Constant)
    }
    return "Firefox" if "firefox" in named else "Chromium, Firefox"


def lines() -> Iterator[str]:
    """The table, a section a subject."""
    kept = list(tests())
    for subject, parts in DUE.items():
        yield f"\n### {subject}\n\n| | kept by | engines |\n|---|---|---|\n"
        for number in (number for part in parts for number in part):
            ours = [one for one in kept if number in one.numbers]
            yield from (
                f"| {number} | {one.words} (`{one.file}`) | {one.engines} |\n" for one in ours
            )
            if number in ELSEWHERE:
                words, file, where = ELSEWHERE[number]
                yield f"| {number} | {words} (`{file}`) | {where} |\n"
            elif not ours:
                yield f"| {number} | **no test**: {NOT_YET.get(number, 'to be written')} | |\n"


def made() -> str:
    """What stands between the two marks of the page."""
    numbers = due()
    untested = set(numbers) - {n for one in tests() for n in one.numbers} - set(ELSEWHERE)
    twice = {n for one in tests() for n in one.numbers if "Firefox" in one.engines}
    alone = sorted(TWO_ENGINES - twice)
    return (
        f"Of {len(numbers)} promises {len(numbers) - len(untested)} have a test or a measurement.\n"
        f"{len(TWO_ENGINES)} of them should be seen in a second engine, since browsers differ in"
        f" them:\n{len(TWO_ENGINES) - len(alone)} run in Firefox too, over WebDriver BiDi, "
        + (f"not yet {', '.join(map(str, alone))}.\n" if alone else "none is left out.\n")
        + "WebKit has run none of them.\n"
        + "".join(lines())
    )


def page() -> str:
    """The page as it should be."""
    text = PAGE.read_text("utf-8")
    before, rest = text.split(BEGIN)
    return f"{before}{BEGIN}\n{made()}\n{END}{rest.split(END)[1]}"


if __name__ == "__main__":
    if "--check" in sys.argv:
        sys.exit(PAGE.read_text("utf-8") != page())
    PAGE.write_text(page(), "utf-8")
