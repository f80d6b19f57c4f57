"""How much of a projection is written in one turn of the writer. Pure.

More at one time is cheaper each: reading costs the same for many, and a visitor who comes twice
among them is written once. But whoever stores an event waits meanwhile, so the sizes follow from
how long writing may take, and from what it took before.
"""

#: Seconds that writing a result may take: where many events wait to be stored, and else.
PRESSED_S, CALM_S = 0.002, 0.02
#: What was written before counts so much less with each result.
FADES = 0.75


class Portion:
    """How many to write at one time, between `least` and `most`."""

    def __init__(self, least: int, most: int) -> None:
        self.least, self.most = least, most
        self._count, self._seconds = float(least), PRESSED_S

    def size(self, *, pressed: bool) -> int:
        """So many are written in the time there is."""
        fits = may_take_s(pressed=pressed) * self._count / max(self._seconds, 1e-9)
        return int(max(self.least, min(self.most, fits)))

    def learn(self, count: int, seconds: float) -> None:
        """Writing so many took so long."""
        if not count:
            return
        self._count = self._count * FADES + count
        self._seconds = self._seconds * FADES + seconds


def may_take_s(*, pressed: bool) -> float:
    """Seconds that writing a result may take; `pressed` is whether many events wait."""
    return PRESSED_S if pressed else CALM_S
