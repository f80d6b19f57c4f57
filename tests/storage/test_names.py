"""What a site's writer knows by heart has an end, by number and by characters."""

import pytest

from server.storage import names
from server.storage.names import Names


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "CACHE_SIZE", 6)
    monkeypatch.setattr(names, "CACHE_LENGTH", 60)


def known(*lengths: int) -> Names:
    """After a turn that learned texts of so many characters each, and another that began."""
    found = Names()
    found.begin(0)
    for number, length in enumerate(lengths):
        found._learn_string(f"{number}".ljust(length, "."), number)
    found.commit()
    found.begin(0)
    return found


@pytest.mark.parametrize(
    ("lengths", "left"),
    [
        ((10,) * 5, 5),
        ((10,) * 6, 4),  # with the empty one, seven: the oldest third goes
        ((30, 30), 2),
        ((30, 31), 1),
        ((30, 31, 5), 2),
    ],
)
def test_the_oldest_are_forgotten(lengths: tuple[int, ...], left: int) -> None:
    found = known(*lengths)
    assert [len(text) for text in found.strings] == [0, *lengths[len(lengths) - left :]]
    assert found.strings[""] is None


def test_what_was_forgotten_has_room_again() -> None:
    found = known(30, 31)
    found._learn_string("x" * 29, 9)
    found.commit()
    found.begin(0)
    assert [len(text) for text in found.strings] == [0, 31, 29]


def test_another_epoch_begins_with_nothing() -> None:
    found = known(30, 30)
    found.begin(1)
    assert found.strings == {"": None}
    found._learn_string("x" * 60, 1)
    found.begin(1)
    assert len(found.strings) == 2


def test_visitors_are_counted_alone() -> None:
    found = known(30, 30)
    for number in range(6):
        found._learn_visitor(bytes([number]) * 16, number)
    found.commit()
    found.begin(0)
    assert list(found.visitors.values()) == [None, 2, 3, 4, 5]
    assert len(found.strings) == 3
