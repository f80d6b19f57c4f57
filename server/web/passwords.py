"""Passwords: argon2id by the measure of RFC 9106, computed in threads and few at once."""

import asyncio
import secrets
from collections.abc import Callable
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from server.errors import BadRequest, Overloaded

LEAST, MOST = 10, 256  # characters
#: A hash takes 64 MiB and a tenth of a second; more than this many at once wait, then are refused.
AT_ONCE, MOST_WAITING = 2, 16
T = TypeVar("T")
_TOO_PLAIN = frozenset({"password", "passwort", "handraise", "1234567890", "qwertyuiop"})


class Lane:
    """Some hashes at once, some waiting, then no more."""

    def __init__(self) -> None:
        self.slots = asyncio.Semaphore(AT_ONCE)
        self.waiting = 0


class Passwords:
    """Hash and check. The hash of nobody makes an unknown e-mail take as long as a known one.

    Browsers that signed in before have a lane of their own: a flood of strangers keeps out nobody
    who was here.
    """

    def __init__(self) -> None:
        self._hasher = PasswordHasher()
        self._lanes = {False: Lane(), True: Lane()}
        self._nobody = ""
        self._once = asyncio.Lock()

    async def hashed(self, password: str) -> str:
        return await self._run(lambda: self._hasher.hash(password), known=True)

    async def fits(self, hashed: str | None, password: str, *, known: bool) -> bool:
        """Whether a password is the one of a hash; never for None, in the same time. `known` is
        whether the browser has signed in as this user before."""
        async with self._once:  # the first strangers do not all make one
            if not self._nobody:
                self._nobody = await self.hashed(secrets.token_urlsafe(16))
        looked_at = hashed or self._nobody
        good = await self._run(lambda: self._verify(looked_at, password), known=known)
        return good and hashed is not None

    def is_old(self, hashed: str) -> bool:
        """Whether a hash was made by a weaker measure than today's."""
        return self._hasher.check_needs_rehash(hashed)

    def _verify(self, hashed: str, password: str) -> bool:
        try:
            return self._hasher.verify(hashed, password)
        except (Argon2Error, InvalidHashError):
            return False

    async def _run(self, work: Callable[[], T], *, known: bool) -> T:
        lane = self._lanes[known]
        if lane.waiting >= MOST_WAITING:
            raise Overloaded("too many people sign in at once; try again in a few seconds")
        lane.waiting += 1
        try:
            async with lane.slots:
                return await asyncio.to_thread(work)
        finally:
            lane.waiting -= 1


def check(password: str, email: str) -> None:
    """Raises `BadRequest` for a password that others would guess, with what would do."""
    if len(password) < LEAST:
        raise BadRequest(f"choose a password of at least {LEAST} characters", code="weak_password")
    if len(password) > MOST:
        raise BadRequest(f"choose a password of at most {MOST} characters", code="weak_password")
    plain = password.lower().strip()
    told = {email, email.partition("@")[0]} | _TOO_PLAIN
    if plain in told or len(set(plain)) < 4:
        raise BadRequest(
            "this password is guessed first: take three or four unrelated words",
            code="weak_password",
        )
