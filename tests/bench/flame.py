"""A flame graph of the server under the load of `ingest`: which functions the time goes to.

The stacks come from py-spy where it is installed; else from perf, which can name Python's functions
from 3.12 on; else from a thread in the server itself. The picture is drawn here.
"""

import html
import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench.runs import Host, generate
from tests.bench.serving import MOST_A_SECOND, Plan, Sqlite
from tests.bench.table import say

SAMPLERS = ("auto", "py-spy", "perf", "own")
WIDTH, LINE, LEAST = 1_600, 17, 0.4  # pixels
#: Warm colours by layer: whose code it is.
COLOURS = {"server": "#f28e5c", "uvicorn": "#f6c36a", "starlette": "#f6c36a", "asyncio": "#e3d38a"}
OTHER = "#d8d2c4"


@dataclass
class Node:
    """A function as called from its parent: how many samples it is in."""

    name: str
    count: int = 0
    below: dict[str, "Node"] = field(default_factory=dict)


def sampler(asked: str) -> str:
    """Which of the samplers is used here."""
    if asked != "auto":
        return asked
    if shutil.which("py-spy"):
        return "py-spy"
    return "perf" if shutil.which("perf") and sys.version_info >= (3, 12) else "own"


# ---------------------------------------------------------------- stacks


def folded(text: str) -> Counter[str]:
    """Lines of `outer;inner count`, as py-spy and our own sampler write them."""
    found: Counter[str] = Counter()
    for line in text.splitlines():
        stack, _, count = line.rpartition(" ")
        if stack and count.isdigit():
            found[stack] += int(count)
    return found


def of_perf(text: str) -> Counter[str]:
    """What `perf script` prints: blocks of a head line and the frames, innermost first."""
    found: Counter[str] = Counter()
    for block in text.split("\n\n"):
        _, *lines = block.strip().splitlines() or [""]
        names = [line.strip().partition(" ")[2] for line in lines]
        frames = [name.replace(";", ":") for name in names if name]
        if frames:
            found[";".join(reversed(frames))] += 1
    return found


def tree(stacks: Mapping[str, int]) -> Node:
    root = Node("all")
    for stack, count in stacks.items():
        root.count += count
        node = root
        for name in stack.split(";"):
            node = node.below.setdefault(name, Node(name))
            node.count += count
    return root


# ---------------------------------------------------------------- picture


def _boxes(node: Node, left: float, depth: int, unit: float) -> Iterator[tuple[str, int]]:
    width = node.count * unit
    if width < LEAST:
        return
    name, y = html.escape(node.name), (depth + 2) * LINE
    fill = COLOURS.get(node.name.partition(".")[0], OTHER)
    shown = name if width > len(node.name) * 6.8 else ""
    if not shown and width > 40:
        shown = html.escape(node.name[-int(width / 6.8) :])
    share = node.count * unit / WIDTH
    yield (
        f'<g><title>{name}: {node.count:,} samples, {share:.1%}</title><rect x="{left:.1f}" y="{y}"'
        f' width="{width:.1f}" height="{LINE - 1}" fill="{fill}"/>'
        f'<text x="{left + 2:.1f}" y="{y + 12}">{shown}</text></g>',
        depth,
    )
    for child in sorted(node.below.values(), key=lambda child: child.name):
        yield from _boxes(child, left, depth + 1, unit)
        left += child.count * unit


def svg(stacks: Mapping[str, int], title: str) -> str:
    """The picture: the outermost function on top, each as wide as its share of the samples."""
    root = tree(stacks)
    boxes = list(_boxes(root, 0, 0, WIDTH / max(root.count, 1)))
    height = (max((depth for _, depth in boxes), default=0) + 4) * LINE
    body = "\n".join(box for box, _ in boxes)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}"'
        f' font-family="monospace" font-size="11">\n<rect width="{WIDTH}" height="{height}"'
        f' fill="#fffdf8"/>\n<text x="4" y="16">{html.escape(title)}</text>\n{body}\n</svg>\n'
    )


# ---------------------------------------------------------------- the run


def _watch(how: str, running: Host, into: Path) -> subprocess.Popen[bytes] | None:
    """Begin to look at the server; the process that does, where it is another."""
    pid = str(running.process.pid)
    if how == "py-spy":
        command = ["py-spy", "record", "--format", "raw", "--rate", "250", "--duration", "3600"]
        command += ["--pid", pid, "--output", str(into)]
    elif how == "perf":
        command = ["perf", "record", "-q", "-e", "cpu-clock", "-F", "499", "-g", "-p", pid]
        command += ["-o", str(into)]
    else:
        running.ask("sample")
        return None
    return subprocess.Popen(command, stdout=subprocess.DEVNULL)


def _read(how: str, file: Path) -> Counter[str]:
    if how != "perf":
        return folded(file.read_text())
    command = ["perf", "script", "-i", str(file), "-F", "comm,ip,sym"]
    return of_perf(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def flame(place: Sqlite, plan: Plan, scratch: Path, file: Path, asked: str = "auto") -> int:
    """One saturated run, one event a request; writes the picture and returns how many samples are
    in it. Raises `RuntimeError` where the sampler saw nothing."""
    how, seconds = sampler(asked), plan.seconds
    into = scratch / "stacks"
    arguments = ("--sample", str(into)) if how == "own" else ()
    os.environ["PYTHONPERFSUPPORT"] = "1" if how == "perf" else ""  # the server's, from 3.12 on
    with place.serve(*arguments) as running:
        watching = _watch(how, running, into)
        requests = int(MOST_A_SECOND * seconds)
        load = generate(running.port, seconds, requests=requests, seed=77)
        if watching is not None:
            watching.send_signal(signal.SIGINT)  # both write what they have then
            watching.wait(60)
    stacks = _read(how, into)
    count = stacks.total()
    if not count:
        raise RuntimeError(f"{how} saw nothing; try --flame-by own")
    title = f"server under ingest, {load['rate']:,.0f} events/s, {count:,} samples by {how}"
    file.write_text(svg(stacks, title))
    say(f"  flame graph: {file} ({title})")
    return count
