"""Rules of the house that a machine can check: imports, sizes, words, what docs name."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SERVER = ROOT / "server"
MODULES = sorted(SERVER.rglob("*.py"))

#: Lower tiers never import upper ones. A module's tier is that of its longest prefix here.
TIERS = {
    "server": 0,
    "server.model": 0,
    "server.errors": 0,
    "server.settings": 1,
    "server.metrics": 1,
    "server.rounds": 1,
    "server.ingest": 2,
    "server.project": 2,
    "server.storage.kept": 2,
    "server.storage.database": 3,
    "server.storage": 4,
    "server.storage.sqlite": 4,
    "server.storage.postgres": 4,
    "server.reports": 5,
    "server.reports.backtest": 6,
    "server.reports.backtest_shapes": 6,
    "server.reports.packing": 6,
    "server.storage.writer": 6,
    "server.project.lookup": 4,
    "server.project.registry": 4,
    "server.project.people": 4,
    "server.project.subjects": 4,
    "server.project.judging": 6,
    "server.project.rescoring": 6,
    "server.project.taking": 6,
    "server.project.histories": 6,
    "server.project.replay": 6,
    "server.project.rows": 4,
    "server.project.nearby": 4,
    "server.project.fold": 6,
    "server.project.batch": 4,
    "server.project.loading": 6,
    "server.project.projector": 6,
    "server.project.copying": 6,
    "server.project.thinning": 6,
    "server.project.site_projector": 6,
    "server.tell": 6,
    "server.web": 7,
    "server.demo": 7,
    "server.app": 8,
    "server.cli": 9,
    "server.__main__": 10,
}
#: Packages of one tier that must not know each other.
APART = (("server.ingest", "server.project"), ("server.reports", "server.web"))
SKIPPED = {".git", ".venv", "node_modules", "data", ".ruff_cache", ".mypy_cache", ".hypothesis"}
FORBIDDEN = re.compile(r"(^|_)(utils?|helpers?|managers?|services?|common)(_|$)")


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def tier_of(module: str) -> int:
    while module not in TIERS:
        module = module.rpartition(".")[0]
    return TIERS[module]


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("server"):
            base = node.module
            yield from (
                f"{base}.{alias.name}"
                if (SERVER.parent / base.replace(".", "/") / f"{alias.name}.py").exists()
                else base
                for alias in node.names
            )
        elif isinstance(node, ast.Import):
            yield from (a.name for a in node.names if a.name.split(".")[0] == "server")


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_run_one_way(path: Path) -> None:
    """Nobody imports from a tier above; pure packages of one tier do not know each other."""
    module = name_of(path)
    for imported in imports(path):
        assert tier_of(imported) <= tier_of(module), f"{module} imports {imported}"
        if tier_of(module) == tier_of(imported):
            for pair in APART:
                ours = [p for p in pair if module.startswith(p)]
                theirs = [p for p in pair if imported.startswith(p)]
                assert not ours or not theirs or ours == theirs, f"{module} imports {imported}"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_units_are_small(path: Path) -> None:
    """Modules at most 400 lines, functions at most 60."""
    text = path.read_text("utf-8")
    assert len(text.splitlines()) <= 400
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or 0) - node.lineno + 1
            assert length <= 60, f"{path}: {node.name} has {length} lines"


def test_no_grab_bags() -> None:
    """No module is named for holding whatever had no place."""
    assert [p for p in MODULES if FORBIDDEN.search(p.stem)] == []


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_every_module_says_what_it_is(path: Path) -> None:
    """A docstring at the top."""
    assert ast.get_docstring(ast.parse(path.read_text("utf-8")))


DOCS = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]


@pytest.mark.parametrize("path", DOCS, ids=lambda p: str(p.relative_to(ROOT)))
def test_docs_name_real_things(path: Path) -> None:
    """Every file a page names in backticks, and every image or page it links to, exists."""
    text = path.read_text("utf-8")
    named = re.findall(r"`((?:server|widget|tests|docs)/[\w./-]*)`", text)
    linked = [
        link
        for link in re.findall(r"\]\(([^)#]+)\)", text)
        if not link.startswith(("http", "mailto"))
    ]
    missing = [name for name in named if not (ROOT / name).exists()]
    missing += [link for link in linked if not (path.parent / link).exists()]
    assert missing == []


def test_nothing_names_the_workplace() -> None:
    """No path of a machine, no registry's host."""
    words = [
        "/" + "work/",
        "../" + "shared",
        "pypi" + ".org",
        "files.python" + "hosted",
        "registry." + "npmjs",
    ]
    for path in ROOT.rglob("*"):
        if not path.is_file() or SKIPPED & set(path.parts):
            continue
        if path.suffix in {".png", ".pdf", ".pyc", ".gz", ".br", ".db"}:
            continue
        text = path.read_text("utf-8", "replace")
        found = [word for word in words if word in text]
        assert not found, f"{path.relative_to(ROOT)} names {found}"
