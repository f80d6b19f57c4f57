"""T30: ways out of a folder, on every route that answers with a file or takes a name."""

from collections.abc import Iterator
from itertools import product
from pathlib import Path

from tests.faults.row import Fault, Outcome
from tests.faults.wire import exchange, serving

WAIT_S = 3
ROOT = Path(__file__).parent.parent.parent
#: Where names and files are asked for; `@` is what is tried.
PLACES = (
    "/static/@",
    "/static/widget/@",
    "/static/app.css/@",
    "/h/@",
    "/h/@.js",
    "/p/@.gif",
    "/f/k1/@",
    "/open/@",
    "/problems/@",
    "/@",
)
UP = (
    "../",
    "..%2f",
    "%2e%2e/",
    "%2e%2e%2f",
    "..%252f",
    "..\\",
    "..%5c",
    "....//",
    "..;/",
    ".%00./",
)
UP_ODD = ("%c0%ae%c0%ae/", "%uff0e%uff0e/", "..%c0%af", "..//", "./../", "%2e%2e%5c", "..%ef%bc%8f")
ASIDE = ("/etc/passwd", "//etc/passwd", "file:///etc/passwd", "%2fetc%2fpasswd", "~root", "\\etc")
ASIDE_ODD = ("C:%5cwindows%5cwin.ini", "con", "app.css%00.js", "app.css::$DATA", ".", "..")
#: Words of the files that lie above: the program's own, the system's, this project's.
FOUND = (b"root:x:", b"def create_app", b"[project]", b"handraise_appended", b"[boot loader]")


def spellings() -> Iterator[str]:
    """To a module of the program, to the project's file, and to the system's."""
    for up in (*UP, *UP_ODD):
        yield f"{up}app.py"
        yield f"{up}{up}pyproject.toml"
        yield up * 12 + "etc/passwd"
        yield (up * 12 + "etc/passwd").replace("/", "%2f")
    yield from (*ASIDE, *ASIDE_ODD)
    yield str(ROOT / "pyproject.toml").replace("/", "%2f")


def run(module: str, data: Path) -> Outcome:
    """No answer holds a word of a file above, and none is a 5xx."""
    wrong: list[str] = []
    tried = fives = 0
    with serving(module, data) as server:
        secret = (data / "secret").read_bytes()[:16]
        for place, spelling in product(PLACES, spellings()):
            path = place.replace("@", spelling)
            said = f"GET {path} HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n".encode()
            answer = exchange(server.port, said, WAIT_S)
            tried += 1
            fives += answer.status >= 500
            leaked = [word for word in (*FOUND, secret) if word and word in answer.text]
            if leaked or answer.status >= 500 or not answer.status:
                wrong.append(f"{path}: {answer.status} {leaked[:1] or ''}")
    note = f"wrong: {', '.join(wrong[:3])}" if wrong else ""
    return Outcome(tried, tried - len(wrong), note=note, inputs=tried, fives=fives)


FAULTS = (
    Fault(
        "T30",
        "ways out of a folder in paths",
        1,
        lambda data, _: run("server", data),
        lambda data: run("tests.faults.wandering", data),
    ),
)
