"""The list of what the widget promises is that of its browser tests; no browser is needed here."""

from tests.browser import table


def test_the_table_in_the_docs_is_that_of_the_tests() -> None:
    assert table.PAGE.read_text("utf-8") == table.page(), "run python -m tests.browser.table"


def test_every_promise_is_tested_or_said_not_to_be() -> None:
    kept = {number for one in table.tests() for number in one.numbers} | set(table.ELSEWHERE)
    due = set(table.due())
    assert due - kept == set(table.NOT_YET)
    assert kept.isdisjoint(table.NOT_YET)
