"""What is kept of immutable rows has a bound; what nobody asks for goes first."""

from server.storage.kept import Kept


def test_the_one_used_longest_ago_goes_first() -> None:
    kept = Kept(most_bytes=100)
    for key in "abc":
        kept.put(key, key.upper(), 30)
    assert kept.get("a") == "A"
    kept.put("d", "D", 30)
    assert [kept.get(key) for key in "abcd"] == ["A", None, "C", "D"]
    assert kept.bytes == 90


def test_a_value_takes_the_place_of_the_one_before() -> None:
    kept = Kept(most_bytes=100)
    for size in (10, 60, 20):
        kept.put("a", size, size)
    assert (kept.get("a"), kept.bytes) == (20, 20)


def test_what_is_too_large_is_not_kept() -> None:
    kept = Kept(most_bytes=100)
    kept.put("a", "A", 50)
    kept.put("b", "B", 101)
    assert (kept.get("a"), kept.get("b"), kept.bytes) == (None, None, 0)
