"""Part of `make check`: the committed widget is within its budget and is what its source builds.

The size is always checked. The build is compared where Node is installed; elsewhere this says so.
"""

import shutil
import subprocess
import sys
from pathlib import Path

import brotli

from server.web.widget import widget_file

ROOT = Path(__file__).parent.parent
BUDGET, TARGET = 3_390, 2_560  # it grows for what decision 7 names, and for nothing else
BUILT = ROOT / "server" / "static" / "widget"


def build() -> str:
    """Rebuild in place and say what changed."""
    npm = shutil.which("npm")
    if npm is None:
        print("widget: no Node here, so the committed build was not compared with its source")
        return ""
    before = {path.name: path.read_bytes() for path in BUILT.iterdir()}
    steps = (
        ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"],
        ["run", "--silent", "check"],
        ["run", "--silent", "build"],
    )
    for step in steps:
        done = subprocess.run(
            [npm, "--prefix", str(ROOT / "widget"), *step],
            check=False,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            return f"widget: npm {' '.join(step)} failed\n{done.stdout}{done.stderr}"
    after = {path.name: path.read_bytes() for path in BUILT.iterdir()}
    changed = sorted(n for n in before.keys() | after.keys() if before.get(n) != after.get(n))
    return f"widget: the committed build is not that of its source: {changed}" if changed else ""


def main() -> int:
    file = widget_file({"key": "k0123456789abcdef"}, "br")
    assert len(brotli.decompress(file.body)) > len(file.body)
    size = len(file.body)
    print(f"widget: h.js is {size} B brotli as served, at most {BUDGET} B, target {TARGET} B")
    problem = build()
    if len(file.body) > BUDGET:
        problem += f"\nwidget: over its budget by {len(file.body) - BUDGET} B"
    if problem:
        print(problem, file=sys.stderr)
    return 1 if problem else 0


if __name__ == "__main__":
    sys.exit(main())
