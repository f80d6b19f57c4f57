"""From the sources to the files that a site serves: packages fetched, the tag's address put in."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.guides.applications import SOURCES, App

ADDRESS = "https://YOUR-SERVER/h/SITE-KEY.js"
ROUTES = ("/", "/pricing", "/contact", "/thanks")
TYPES = {
    ".css": "text/css",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".txt": "text/plain; charset=utf-8",
}
QUIET = {"NEXT_TELEMETRY_DISABLED": "1", "NO_COLOR": "1", "CI": "1"}
FETCH = ("ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
BUILD_S = 600


class CannotFetch(Exception):
    """The packages cannot be had here; the message says why."""


class DoesNotBuild(Exception):
    """The application's own build ends in an error; the message is its end."""


@dataclass(frozen=True)
class File:
    """What one path answers."""

    text: str
    kind: str


Files = dict[str, File]


def fetch(folder: Path) -> None:
    """The pinned packages into a folder, unless it has them."""
    npm = shutil.which("npm")
    if npm is None:
        raise CannotFetch("npm is not here: install Node")
    lock = (SOURCES / "package-lock.json").read_bytes()
    done = folder / "node_modules" / ".fetched"
    if done.exists() and done.read_bytes() == lock:
        return
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json", ".npmrc"):
        shutil.copy(SOURCES / name, folder / name)
    try:
        _run((npm, *FETCH), folder)
    except DoesNotBuild as error:
        raise CannotFetch(f"npm ci: {error}") from error
    done.write_bytes(lock)


def build(app: App, folder: Path, address: str) -> Files:
    """The files of an application whose tag has this address."""
    place = folder / app.name
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(SOURCES / app.name, place)
    _address(place, address)
    if not app.build:
        return _rendered(place, folder / "node_modules")
    program = folder / "node_modules" / ".bin" / app.build[0]
    _run((str(program), *app.build[1:], app.name), folder)
    return dict(_served(place / app.out))


def _address(place: Path, address: str) -> None:
    """The tag stands in one file, once: that of the guide."""
    tagged = [path for path in place.rglob("*.*") if ADDRESS in path.read_text("utf-8")]
    if [path.read_text("utf-8").count(ADDRESS) for path in tagged] != [1]:
        raise DoesNotBuild(f"{place.name} must have the tag in one place: {tagged}")
    text = tagged[0].read_text("utf-8").replace(ADDRESS, address)
    tagged[0].write_text(text, "utf-8")


def _served(out: Path) -> Iterator[tuple[str, File]]:
    """As a host of static files serves them: pages without their ending, one page for all."""
    found = {path.relative_to(out).as_posix(): path for path in out.rglob("*") if path.is_file()}
    for name, path in found.items():
        file = File(path.read_text("utf-8"), TYPES[path.suffix])
        yield "/" + name, file
        if name.endswith(".html"):
            yield "/" + name.removesuffix(".html").removesuffix("index"), file
    if "pricing.html" not in found:
        one = File(found["index.html"].read_text("utf-8"), TYPES[".html"])
        yield from ((path, one) for path in ROUTES)


def _rendered(place: Path, packages: Path) -> Files:
    """Pages as a server renders them into its one layout, with a script of theirs and Turbo."""
    layout = (place / "layout.html").read_text("utf-8")
    files: Files = {}
    for route in ROUTES:
        name = route[1:] or "home"
        part = place / f"{name}.html"
        main = part.read_text("utf-8") if part.exists() else ""
        page = layout.replace("TITLE", name.capitalize()).replace("MAIN", main)
        files[route] = File(page, TYPES[".html"])
    turbo = packages / "@hotwired" / "turbo" / "dist" / "turbo.es2017-umd.js"
    for path, script in (("/turbo.js", turbo), ("/app.js", place / "app.js")):
        files[path] = File(script.read_text("utf-8"), TYPES[".js"])
    stream = (place / "stream.html").read_text("utf-8")
    files["/api/demo"] = File(stream, "text/vnd.turbo-stream.html")
    return files


def _run(command: tuple[str, ...], folder: Path) -> None:
    """Raises `DoesNotBuild` with what the command says of errors, else with its last lines."""
    try:
        ended = subprocess.run(
            command,
            cwd=folder,
            env=os.environ | QUIET,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=BUILD_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise DoesNotBuild(str(error)) from error
    if ended.returncode:
        said = [line.strip() for line in ended.stdout.splitlines() if line.strip()]
        told = [line for line in said if "error" in line.lower()][:3] or said[-3:]
        raise DoesNotBuild(" | ".join(told) or f"ended with {ended.returncode}")
