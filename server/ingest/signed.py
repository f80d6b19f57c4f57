"""Signed identify tokens: the site's own server says who is signed in to this browser.

A token is one of itsdangerous' timed ones, under the site's secret and a salt of its own, over
`{"site": …, "user_id": …, "email": …, "exp": …}`. It is read when its event comes in and never
again, so a rotated secret changes nothing that was stored. How to make one: `docs/identify.md`.
"""

from typing import Any

from itsdangerous import BadData, URLSafeTimedSerializer

from server.ingest import limits
from server.model import Site

SALT = "identify"
MAX_TOKEN = 4_000  # characters
#: What a token can prove. A phone is shared, so nobody is proven by one.
TYPES = ("user_id", "email")


def read_token(token: object, site: Site, now: int) -> dict[str, Any] | None:
    """The identifiers a token names, by type and as they were written; None for a bad token.

    Bad is whatever the site's own server would not have sent: another secret, salt or site, a
    change on the way, past `exp` (seconds), an `exp` beyond any clock (milliseconds by mistake),
    or nobody named. `now` is UTC ms.
    """
    if not isinstance(token, str) or len(token) > MAX_TOKEN or not token.isascii():
        return None
    said = _verified(token, site.secrets)
    if said is None or not _is_of(said.get("site"), site) or not _is_fresh(said.get("exp"), now):
        return None
    named = {name: said[name] for name in TYPES if said.get(name) not in (None, "")}
    return named or None


def _verified(token: str, secrets: tuple[str, ...]) -> dict[str, Any] | None:
    if not secrets:
        return None
    try:
        # itsdangerous wants the newest key last, and tries that one first.
        said = URLSafeTimedSerializer(list(reversed(secrets)), salt=SALT).loads(token)
    except BadData:
        return None
    return said if isinstance(said, dict) else None


def _is_of(name: object, site: Site) -> bool:
    """Whether a token names this site, by id or by public key."""
    if isinstance(name, bool) or not isinstance(name, str | int):
        return False
    return str(name) == str(site.site_id) or name in site.keys


def _is_fresh(exp: object, now: int) -> bool:
    if isinstance(exp, bool) or not isinstance(exp, int | float):
        return False
    return now < exp * 1000 < limits.LATEST_MS
