"""The applications, one a guide: how each is built and under which policy it runs.

Their sources are in `tests/guides/apps`, written as docs/install.md tells, with the address that
stands there: the build puts the running server's in its place.
"""

import json
from dataclasses import dataclass
from pathlib import Path

SOURCES = Path(__file__).parent / "apps"
#: What a site asks for that hosts everything itself; `{here}` is the tracker.
STRICT = (
    "default-src 'none'; script-src 'self' {here}; connect-src 'self' {here}; img-src 'self';"
    " base-uri 'none'; form-action 'none'; report-uri {reports}"
)
#: Next puts inline scripts into its pages, and an export has no request to make a nonce for.
NEXT = STRICT.replace("'self'", "'self' 'unsafe-inline'", 1)
#: Turbo puts a style into the page, with the nonce that the page names.
NONCE = (
    "default-src 'none'; script-src 'nonce-n1' 'strict-dynamic'; connect-src 'self' {here};"
    " style-src 'nonce-n1'; img-src 'self'; base-uri 'none'; form-action 'self';"
    " report-uri {reports}"
)


@dataclass(frozen=True)
class App:
    """One application: its folder's name, what it is made of, what it does with a form sent.

    `sent` is a script, true once the application says that the form was sent; `thanks`, whether
    that is a route of its own; `demo`, whether the pricing page has a second form, in whose place
    the answer puts something else.
    """

    name: str
    packages: tuple[str, ...]
    build: tuple[str, ...]
    out: str
    sent: str
    thanks: bool = False
    demo: bool = False
    policy: str = STRICT

    def made_of(self) -> str:
        """The packages with their pinned versions."""
        pinned = json.loads((SOURCES / "package.json").read_text("utf-8"))["dependencies"]
        return ", ".join(f"{name} {pinned[name]}" for name in self.packages)


VITE = ("vite", "build")
EXPORT = ("next", "build")
THANKS = "() => location.pathname == '/thanks'"
APPS = (
    App(
        "react",
        ("react", "react-router", "vite"),
        VITE,
        "dist",
        "() => !!document.querySelector('#sent')",
    ),
    App("vue", ("vue", "vue-router", "vite"), VITE, "dist", THANKS, thanks=True),
    App(
        "svelte",
        ("svelte", "vite"),
        VITE,
        "dist",
        "() => !document.querySelector('[name=message]').value",
    ),
    App("next", ("next", "react"), EXPORT, "out", THANKS, thanks=True, policy=NEXT),
    App("next-pages", ("next", "react"), EXPORT, "out", THANKS, thanks=True, policy=NEXT),
    App("turbo", ("@hotwired/turbo",), (), "", THANKS, thanks=True, demo=True, policy=NONCE),
)
