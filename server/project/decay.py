"""How points fade with age. Integers only: the same answer on every machine and database.

Ages are whole UTC days, so a factor changes at 00:00 UTC and at no other moment. Factors are parts
per million in whole thousandths: a half-life therefore ends (below a thousandth, after ten
half-lives), and a quiet subject need not be rescored every night for years.
"""

import math
from bisect import bisect_left
from collections.abc import Callable
from functools import lru_cache
from typing import Annotated, Literal

import msgspec

from server.project.bounds import MOST_DAYS, number

#: A factor of one: the points in full, in parts per million.
FULL = 1_000_000
_STEP = 1_000
_BITS = 60
_DIGITS = 24
MOST_KNOWN = 4_096  # ages remembered of one decay


class Decay(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """`none`; `window`: gone after `days`; `half_life`: halved every `days`; `linear`: `percent`
    of the full points lost after every `days`."""

    kind: Literal["none", "window", "half_life", "linear"] = "none"
    days: Annotated[int, number(0, MOST_DAYS, "Whole days (UTC).")] = 0
    percent: Annotated[int, number(0, 100, "For `linear`: of the full points.")] = 0


class Curve:
    """A decay asked by age. Only what was asked is worked out: a table of a half-life of ten years
    would have 36,000 rows, and a ruleset may have 500 of them."""

    __slots__ = ("_factor", "_known", "ends")

    def __init__(self, factor: Callable[[int], int], ends: int | None) -> None:
        self.ends = ends  # the age in days at which nothing is left, or None
        self._factor = factor
        self._known: dict[int, tuple[int, int]] = {}

    def at(self, age: int) -> tuple[int, int]:
        """The factor from 00:00 UTC of an age on that is below `ends`, and the first later age with
        another one."""
        found = self._known.get(age)
        if found is None:
            if len(self._known) >= MOST_KNOWN:
                self._known.clear()
            factor = self._factor(age)
            found = self._known[age] = (factor, self._change(age, factor))
        return found

    def _change(self, age: int, factor: int) -> int:
        """By leaps, then by halves: factors never rise."""
        end, step = self.ends or 0, 1
        while age + step < end and self._factor(age + step) == factor:
            step *= 2
        later = range(age + step // 2 + 1, min(age + step, end) + 1)
        other = lambda one: one >= end or self._factor(one) < factor  # noqa: E731
        return later[bisect_left(later, True, key=other)]


@lru_cache(maxsize=1024)
def curve(decay: Decay) -> Curve:
    """What a decay is at each age."""
    if decay.kind == "none":
        return Curve(lambda _: FULL, None)
    days = min(max(decay.days, 1), MOST_DAYS)
    if decay.kind == "window":
        return Curve(lambda _: FULL, days)
    if decay.kind == "half_life":
        ages = range(days * 11)
        end = bisect_left(ages, True, key=lambda age: not _half_life(days, age))
        return Curve(lambda age: _half_life(days, age), end)
    percent = min(max(decay.percent, 1), 100)
    steps = len(range(0, 100, percent))
    return Curve(lambda age: FULL - age // days * percent * FULL // 100, steps * days)


def _half_life(days: int, age: int) -> int:
    """`2 ** (-age / days)`, cut to thousandths."""
    halvings, rest = divmod(age, days)
    fraction = _power_of_half((rest << _DIGITS) // days) >> halvings
    return (fraction * (FULL // _STEP) >> _BITS) * _STEP


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
