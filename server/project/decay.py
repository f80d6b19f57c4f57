"""How points fade with age. Integers only: the same answer on every machine and database.

Ages are whole UTC days, so a factor changes at 00:00 UTC and at no other moment. Factors are parts
per million in whole thousandths: a half-life therefore ends (below a thousandth, after ten
half-lives), and a quiet subject need not be rescored every night for years.
"""

import math
from functools import lru_cache
from typing import Annotated, Literal

import msgspec

from server.project.bounds import MOST_DAYS, number

#: A factor of one: the points in full, in parts per million.
FULL = 1_000_000
_STEP = 1_000
_BITS = 60
_DIGITS = 24


class Decay(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """`none`; `window`: gone after `days`; `half_life`: halved every `days`; `linear`: `percent`
    of the full points lost after every `days`."""

    kind: Literal["none", "window", "half_life", "linear"] = "none"
    days: Annotated[int, number(0, MOST_DAYS, "Whole days (UTC).")] = 0
    percent: Annotated[int, number(0, 100, "For `linear`: of the full points.")] = 0


class Curve(msgspec.Struct, frozen=True):
    """A decay as a table. `factors[age]` holds from 00:00 UTC of that age on, zero after the last;
    `changes[age]` is the first later age with another factor. No table means for ever in full."""

    factors: tuple[int, ...] = ()
    changes: tuple[int, ...] = ()

    @property
    def ends(self) -> int | None:
        """The age in days at which nothing is left, or None."""
        return len(self.factors) or None


@lru_cache(maxsize=1024)
def curve(decay: Decay) -> Curve:
    """The table of a decay, made once."""
    if decay.kind == "none":
        return Curve()
    days = min(max(decay.days, 1), MOST_DAYS)
    if decay.kind == "window":
        factors = [FULL] * days
    elif decay.kind == "half_life":
        factors = _half_life(days)
    else:
        lost = range(0, 100, min(max(decay.percent, 1), 100))
        factors = [FULL - percent * FULL // 100 for percent in lost for _ in range(days)]
    return Curve(tuple(factors), _changes(factors))


def _half_life(days: int) -> list[int]:
    """`2 ** (-age / days)`, cut to thousandths, until it is nothing."""
    fractions = [_power_of_half((age << _DIGITS) // days) for age in range(days)]
    factors: list[int] = []
    halvings = 0
    while True:
        for fraction in fractions:
            factor = ((fraction >> halvings) * (FULL // _STEP) >> _BITS) * _STEP
            if not factor:
                return factors
            factors.append(factor)
        halvings += 1


@lru_cache(maxsize=1)
def _roots() -> tuple[int, ...]:
    """The 2nd, 4th, 8th … root of one half, as integers with `_BITS` binary places."""
    roots = [math.isqrt(1 << (2 * _BITS - 1))]
    while len(roots) < _DIGITS:
        roots.append(math.isqrt(roots[-1] << _BITS))
    return tuple(roots)


def _power_of_half(exponent: int) -> int:
    """`0.5 ** (exponent / 2 ** _DIGITS)` for an exponent below one, with `_BITS` binary places."""
    power = 1 << _BITS
    for place, root in enumerate(_roots(), start=1):
        if exponent >> (_DIGITS - place) & 1:
            power = power * root >> _BITS
    return power


def _changes(factors: list[int]) -> tuple[int, ...]:
    changes = [len(factors)] * len(factors)
    for age in range(len(factors) - 2, -1, -1):
        same = factors[age] == factors[age + 1]
        changes[age] = changes[age + 1] if same else age + 1
    return tuple(changes)
