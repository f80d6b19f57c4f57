"""The templates of pages: filters, the addresses of static files, and the answer itself."""

import hashlib
from collections.abc import Iterable
from decimal import ROUND_HALF_UP, Decimal
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from starlette.responses import HTMLResponse, Response

from server.starting import command
from server.web.visits import span
from server.words import field, stage_word

STATIC = Path(__file__).parent.parent.parent / "static"


class Templates:
    """Jinja with everything escaped and nothing undefined passing silently."""

    def __init__(self) -> None:
        self._hashes: dict[str, str] = {}
        self.environment = Environment(
            loader=PackageLoader("server", "templates"),
            autoescape=True,
            auto_reload=False,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self.environment.filters |= {
            "stage": stage_word,
            "whole": whole,
            "signed": signed,
            "tenths": tenths,
            "rounded": rounded,
            "number": number,
            "percent": percent,
            "plural": plural,
            "bare": bare,
            "field": field,
        }
        self.environment.globals |= {
            "span": span,
            "asset": self.asset,
            "icon": icon,
            "command": partial(command, to_all=True),
        }

    def answer(self, template: str, status: int = 200, /, **values: Any) -> Response:
        """A rendered page; no cache keeps what is about people."""
        html = self.environment.get_template(template).render(**values)
        return HTMLResponse(html, status, headers={"Cache-Control": "no-store"})

    @staticmethod
    def address(path: str, parameters: Iterable[tuple[str, str]]) -> str:
        """A path with its query."""
        asked = urlencode(list(parameters))
        return f"{path}?{asked}" if asked else path

    def asset(self, name: str) -> str:
        """The address of a static file; it changes with the file."""
        if name not in self._hashes:
            digest = hashlib.sha256((STATIC / name).read_bytes()).hexdigest()
            self._hashes[name] = digest[:10]
        return f"/static/{name}?v={self._hashes[name]}"


def whole(score: float) -> str:
    """A total as pages show it: rounded once, halves up."""
    return str(Decimal(str(score)).quantize(Decimal(1), ROUND_HALF_UP)).replace("-", "−")


def signed(score: float) -> str:
    """Points of one line, exact, with their sign; a typographic minus."""
    return f"{Decimal(str(score)):+f}".replace("-", "−")


def tenths(score: float) -> str:
    """Points of one line with their sign, in tenths at most; the exact ones stand in its title."""
    found = Decimal(str(score)).quantize(Decimal("0.1"), ROUND_HALF_UP)
    if not found:
        return "0"
    return f"{found:+f}".removesuffix(".0").replace("-", "−")


def rounded(score: float) -> str:
    """Points with their sign, rounded once, where there is no room for the exact ones."""
    return ("+" if score > 0 else "") + whole(score)


def number(value: float) -> str:
    """A count with thousands apart."""
    return f"{value:,}".replace("-", "−")


def percent(share: float | None, places: int = 1) -> str:
    """A share of one as per cent; a dash where there is none."""
    return "–" if share is None else f"{share * 100:.{places}f} %"


def plural(count: int, one: str, many: str = "") -> str:
    """A count with its word: 1 visit, 2 visits."""
    return f"{number(count)} {one if count == 1 else many or one + 's'}"


def bare(url: str) -> str:
    """A web address as people read it: host and path, nothing behind them."""
    text = url.partition("://")[2] or url
    return text.partition("?")[0].partition("#")[0].removesuffix("/") or url


#: Paths of 24 × 24 outlines drawn for these pages.
ICONS = {
    "today": "M4 19V5M4 19h16M8 15l4-5 3 3 5-7",
    "people": "M9 11a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7ZM2.5 20a6.5 6.5 0 0 1 13 0"
    "M16 4.3a3.5 3.5 0 0 1 0 6.4M18 14.2a6.5 6.5 0 0 1 3.5 5.8",
    "live": "M12 14a2 2 0 1 0 0-4 2 2 0 0 0 0 4ZM7.8 16.2a6 6 0 0 1 0-8.4M16.2 7.8a6 6 0 0 1 0 8.4"
    "M4.9 19.1a10 10 0 0 1 0-14.2M19.1 4.9a10 10 0 0 1 0 14.2",
    "inbox": "M4 13l2.5-8h11L20 13v6H4v-6ZM4 13h4.5l1.5 2.5h4l1.5-2.5H20",
    "traffic": "M12 3l8 3v6c0 4.5-3.3 7.7-8 9-4.7-1.3-8-4.5-8-9V6l8-3ZM9 12l2 2 4-4.5",
    "rules": "M4 6h9M17 6h3M4 12h3M11 12h9M4 18h11M19 18h1M15 4v4M9 10v4M17 16v4",
    "send": "M21 3L10 14M21 3l-6.5 18-4.5-7-7-4.5L21 3Z",
    "settings": "M12 15a3 3 0 1 0 0-6 3 3 0 0 0 0 6ZM12 3v3M12 18v3M3 12h3M18 12h3"
    "M5.6 5.6l2.1 2.1M16.3 16.3l2.1 2.1M18.4 5.6l-2.1 2.1M7.7 16.3l-2.1 2.1",
    "install": "M8 8l-4 4 4 4M16 8l4 4-4 4M13.5 5l-3 14",
    "visitors": "M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8ZM4.5 20.5a7.5 7.5 0 0 1 15 0",
    "menu": "M4 7h16M4 12h16M4 17h16",
    "check": "M4.5 12.5l5 5 10-11",
    "copy": "M9 9h11v11H9zM5 15H4V4h11v1",
    "search": "M10.5 17a6.5 6.5 0 1 0 0-13 6.5 6.5 0 0 0 0 13ZM15.5 15.5L21 21",
}


def icon(name: str) -> Markup:
    """An outline that says nothing to a screen reader: the word stands beside it."""
    return Markup(  # noqa: S704 - drawn above, nothing tracked is in it
        '<svg class="icon" viewBox="0 0 24 24" width="20" height="20" fill="none"'
        ' stroke="currentColor" stroke-width="1.75" stroke-linecap="round" stroke-linejoin="round"'
        f' aria-hidden="true"><path d="{ICONS[name]}"/></svg>'
    )
