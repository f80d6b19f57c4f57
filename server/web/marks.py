"""One visitor on two domains of one site: a link carries a mark, good once and for two minutes.

The mark is signed and holds nothing but a random number; whom it stands for is known to this
process alone. A restart forgets all marks: whoever arrives with one then is a new visitor, as with
a forged or an expired one. It is good only for who comes from the host that has asked for it: else
a stranger could send people about with a mark of their own, and take over who they become.

Who gave up a brand-new id for a known one, by a mark or by a cookie, is remembered for some
minutes: a page that was left before it heard of it goes on with the brand-new one.
"""

import re
import secrets

import msgspec
from itsdangerous import BadSignature, URLSafeSerializer

LIFE_MS = 120_000
FOLLOW_MS = 600_000
#: Of marks and of ids given up. The oldest give way: whoever asks for more than this loses only
#: what links carry, and what pages have not heard.
MOST = 20_000
MARKED = re.compile(r"[?&]_hr=([\w.-]{20,100})(?:[&#]|$)", re.A)


class _Mark(msgspec.Struct, gc=False):
    site_id: int
    visitor: str
    host: str
    until: int
    taken_by: str = ""


class _Known(msgspec.Struct, frozen=True, gc=False):
    visitor: str
    until: int


class Marks:
    """The marks that are out. Times are UTC ms."""

    def __init__(self, secret: str) -> None:
        self._signer = URLSafeSerializer(secret, salt="mark")
        self._out: dict[str, _Mark] = {}
        self._followed: dict[tuple[int, str], _Known] = {}

    def __len__(self) -> int:
        return len(self._out)

    def __bool__(self) -> bool:
        """Whether anybody could be known by this."""
        return bool(self._out or self._followed)

    def make(self, site_id: int, visitor: str, host: str, now: int) -> str:
        """A mark for this visitor, for links on the pages of this host."""
        self._forget(now)
        number = secrets.token_urlsafe(12)
        self._out[number] = _Mark(site_id, visitor, host, now + LIFE_MS)
        text: str = self._signer.dumps(number)
        return text

    def redeem(self, site_id: int, text: str, brand_new: str, host: str, now: int) -> str:
        """The visitor, or empty; `host` is where the page says that its visitor comes from.

        Who has taken a mark may ask again: an answer can get lost.
        """
        try:
            mark = self._out.get(str(self._signer.loads(text)))
        except BadSignature:
            return ""
        if mark is None or mark.site_id != site_id or mark.until <= now:
            return ""
        if mark.taken_by not in {"", brand_new} or not host or mark.host != host:
            return ""
        mark.taken_by = brand_new
        return mark.visitor

    def give_up(self, site_id: int, brand_new: str, visitor: str, now: int) -> None:
        """From now on the brand-new id stands for this visitor."""
        self._followed.pop((site_id, brand_new), None)
        self._followed[site_id, brand_new] = _Known(visitor, now + FOLLOW_MS)
        while self._followed:
            oldest = next(iter(self._followed))
            if self._followed[oldest].until > now and len(self._followed) <= MOST:
                return
            del self._followed[oldest]

    def follow(self, site_id: int, visitor: str, now: int) -> str:
        """Who this visitor has turned out to be in the last ten minutes, or empty."""
        known = self._followed.get((site_id, visitor))
        return known.visitor if known is not None and known.until > now else ""

    def _forget(self, now: int) -> None:
        """They are in the order of their times."""
        while self._out:
            number, oldest = next(iter(self._out.items()))
            if oldest.until > now and len(self._out) < MOST:
                return
            del self._out[number]
