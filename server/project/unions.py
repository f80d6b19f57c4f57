"""Disjoint sets of integers, each named by its lowest member."""


class Unions:
    """Everything is a set of its own until it is joined."""

    def __init__(self) -> None:
        self._above: dict[int, int] = {}

    def find(self, one: int) -> int:
        """The lowest member of a set."""
        root = one
        while (above := self._above.get(root, root)) != root:
            root = above
        while one != root:
            self._above[one], one = root, self._above.get(one, root)
        return root

    def join(self, one: int, other: int) -> int:
        """Make one set of two; its name."""
        low, high = sorted((self.find(one), self.find(other)))
        self._above[high] = low
        return low
