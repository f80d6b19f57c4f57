"""The Content-Security-Policy of the demo pages: strict, with room for the pasted tag only."""

from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser
from urllib.parse import urlsplit


class _TagReader(HTMLParser):
    """Collects where the pasted HTML loads scripts from and which scripts it has inline."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.sources: list[str] = []
        self.inline: list[str] = []
        self._inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag != "script":
            return
        source = dict(attrs).get("src")
        if source:
            self.sources.append(source)
        else:
            self._inside = True

    def handle_endtag(self, tag: str) -> None:
        if tag == "script":
            self._inside = False

    def handle_data(self, data: str) -> None:
        if self._inside and data:
            self.inline.append(data)


def tag_origins(tag: str) -> tuple[str, ...]:
    """The origins the tag's scripts come from, in order, as a policy names them."""
    reader = _TagReader()
    reader.feed(tag)
    found = []
    for source in reader.sources:
        parts = urlsplit(source)
        if parts.scheme in ("http", "https") and parts.netloc:
            found.append(f"{parts.scheme}://{parts.netloc}")
        elif not parts.scheme:
            found.append(parts.netloc or "'self'")
    return tuple(dict.fromkeys(found))


def content_security_policy(tag: str, script_origin: str = "") -> str:
    """Forbid everything but our own files, the tag's origin and its inline stub, by hash."""
    reader = _TagReader()
    reader.feed(tag)
    origins = (script_origin,) if script_origin else tag_origins(tag)
    hashes = [
        f"'sha256-{b64encode(sha256(code.encode()).digest()).decode()}'" for code in reader.inline
    ]
    there = " ".join(origins)
    rules = {
        "default-src": "'none'",
        "script-src": " ".join([*origins, *hashes]) or "'none'",
        "connect-src": there or "'none'",
        "img-src": f"'self' {there}".strip(),
        "style-src": "'self'",
        "font-src": "'self'",
        "form-action": "'self'",
        "base-uri": "'none'",
        "frame-ancestors": "'none'",
    }
    return "; ".join(f"{name} {value}" for name, value in rules.items())
