"""One visitor on two domains of one site: a link carries a mark, good once and for two minutes.

The mark is signed and holds nothing but a random number; whom it stands for is known to this
process alone. A restart forgets all marks: whoever arrives with one then is a new visitor, as with
a forged or an expired one.
"""

import re
import secrets

import msgspec
from itsdangerous import BadSignature, URLSafeSerializer

LIFE_MS = 120_000
#: The oldest give way: whoever asks for more than this loses only what links carry.
MOST = 20_000
MARKED = re.compile(r"[?&]_hr=([\w.-]{20,100})(?:[&#]|$)", re.A)


class _Mark(msgspec.Struct, gc=False):
    site_id: int
    visitor: str
    until: int
    taken_by: str = ""


class Marks:
    """The marks that are out. Times are UTC ms."""

    def __init__(self, secret: str) -> None:
        self._signer = URLSafeSerializer(secret, salt="mark")
        self._out: dict[str, _Mark] = {}
        self._followed: dict[tuple[int, str], _Mark] = {}

    def __len__(self) -> int:
        return len(self._out)

    def make(self, site_id: int, visitor: str, now: int) -> str:
        """A mark for this visitor."""
        self._forget(now)
        number = secrets.token_urlsafe(12)
        self._out[number] = _Mark(site_id, visitor, now + LIFE_MS)
        text: str = self._signer.dumps(number)
        return text

    def redeem(self, site_id: int, text: str, brand_new: str, now: int) -> str:
        """The visitor, or empty. Who has taken a mark may ask again: an answer can get lost."""
        try:
            mark = self._out.get(str(self._signer.loads(text)))
        except BadSignature:
            return ""
        if mark is None or mark.site_id != site_id or mark.until <= now:
            return ""
        if mark.taken_by not in {"", brand_new}:
            return ""
        mark.taken_by = brand_new
        self._followed[site_id, brand_new] = mark
        return mark.visitor

    def follow(self, site_id: int, visitor: str, now: int) -> str:
        """Who this visitor has turned out to be in the last two minutes, or empty."""
        mark = self._followed.get((site_id, visitor))
        return mark.visitor if mark is not None and mark.until > now else ""

    def _forget(self, now: int) -> None:
        """They are in the order of their times."""
        while self._out:
            number, oldest = next(iter(self._out.items()))
            if oldest.until > now and len(self._out) < MOST:
                return
            del self._out[number]
            self._followed.pop((oldest.site_id, oldest.taken_by), None)
