"""Which promise of the widget which browser test keeps: `python -m tests.browser.table` writes it.

The table in `docs/widget.md` is made from the names of the tests: `test_74_a_native_submit_…` keeps
promise 74, `test_82_83_…` two of them. A promise nobody tests must be named in `NOT_YET`.
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
#: Kept by a test that needs no browser.
ELSEWHERE = {
    141: ("the default configuration keeps its budget", "tests/web/test_widget_file.py"),
}
#: What has no test, and why.
NOT_YET = {
    58: "the server sets no cookie yet that would restore a lost visitor id",
    61: "links to other domains carry nothing yet",
    62: "links to other domains carry nothing yet",
    70: "the widget does not ask a consent manager by itself: the page calls it",
    72: "forms of our own are not built yet",
    100: "clicks on links are not recorded yet",
    101: "clicks on links are not recorded yet",
    102: "downloads are not recorded yet",
    103: "marked elements are not recorded yet",
    104: "clicks on links are not recorded yet",
    142: "a time in milliseconds says nothing on a machine shared with others",
    143: "web vitals differ more from run to run than the widget could change them",
}
TEST = re.compile(r"test_((?:\d+_)+)(\w+)")


class Kept(NamedTuple):
    """One test: the promises it keeps, in words, and where it stands."""

    numbers: tuple[int, ...]
    words: str
    file: str


def due() -> list[int]:
    return [number for parts in DUE.values() for part in parts for number in part]


def tests() -> Iterator[Kept]:
    """The numbered tests of this folder, in the order of their files."""
    for path in sorted(Path(__file__).parent.glob("test_*.py")):
        for node in ast.parse(path.read_text("utf-8")).body:
            found = TEST.fullmatch(node.name) if isinstance(node, ast.FunctionDef) else None
            if found:
                numbers = tuple(int(number) for number in found[1].split("_") if number)
                yield Kept(numbers, found[2].replace("_", " "), path.name)


def engine(number: int) -> str:
    return "Chromium **alone**" if number in TWO_ENGINES else "Chromium"


def lines() -> Iterator[str]:
    """The table, a section a subject."""
    kept = list(tests())
    for subject, parts in DUE.items():
        yield f"\n### {subject}\n\n| | kept by | engine |\n|---|---|---|\n"
        for number in (number for part in parts for number in part):
            ours = [one for one in kept if number in one.numbers]
            yield from (
                f"| {number} | {one.words} (`{one.file}`) | {engine(number)} |\n" for one in ours
            )
            if number in ELSEWHERE:
                words, file = ELSEWHERE[number]
                yield f"| {number} | {words} (`{file}`) | none needed |\n"
            elif not ours:
                yield f"| {number} | **no test**: {NOT_YET.get(number, 'to be written')} | |\n"


def made() -> str:
    """What stands between the two marks of the page."""
    numbers = due()
    untested = set(numbers) - {n for one in tests() for n in one.numbers} - set(ELSEWHERE)
    alone = sorted(TWO_ENGINES - untested)
    return (
        f"Of {len(numbers)} promises {len(numbers) - len(untested)} are kept by a test.\n"
        f"**No second engine has run them.** {len(alone)} of them should be seen in Firefox and\n"
        "WebKit too, where browsers differ; they ran in Chromium alone, for want of another one:\n"
        + ", ".join(map(str, alone))
        + ".\n"
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
