"""The conditions of filters, in SQL that both databases read alike.

`s` is the row of `subjects`, `p` that of `persons`; whatever lies in other tables is a set of ids,
so that it is read once and not once for everybody.
"""

from collections.abc import Sequence
from typing import Any

from server.model import STAGE_RANK
from server.reports.filter_values import Ago, Bound, Fact, lowered
from server.reports.paging import Where

#: The first two arguments of every statement are the site and the generation.
_SCOPE = "{0}.site_id = $1 AND {0}.gen = $2"
_STRONGER = (
    "FROM traits o WHERE o.site_id = $1 AND o.gen = $2 AND o.person_id = t.person_id"
    " AND o.name = t.name AND (o.level > t.level OR (o.level = t.level AND (o.at > t.at"
    " OR (o.at = t.at AND o.seq > t.seq))))"
)


class Ask:
    """Where a condition puts its arguments, and the column that is the subject's id there.

    `few`: it is asked of a few rows, each of `s` and `p` together, and not of everybody.
    """

    def __init__(self, where: Where, subject_id: str = "s.subject_id", *, few: bool = True) -> None:
        self.where = where
        self.id = subject_id
        self.few = few

    def arg(self, value: Any) -> str:
        return self.where.arg(value)

    def any_of(self, column: str, values: Sequence[Any]) -> str:
        return f"{column} IN ({', '.join(self.arg(one) for one in values)})"


def _holds(ask: Ask, text: str, separator: str, values: Sequence[str]) -> str:
    """All values stand in a text with separators between: taking one out must change it."""
    ends = ask.arg(separator)
    whole = f"{ends} || {text} || {ends}"
    marks = [ask.arg(f"{separator}{one}{separator}") for one in values]
    return " AND ".join(f"replace({whole}, {mark}, '') <> {whole}" for mark in marks)


def stage(ask: Ask, ranks: Sequence[int]) -> str:
    return ask.any_of("s.stage", ranks)


def signals(ask: Ask, keys: Sequence[str]) -> str:
    return _holds(ask, "s.signals", " ", keys)


def least(ask: Ask, milli: int) -> str:
    return f"s.score >= {ask.arg(milli)}"


def most(ask: Ask, milli: int) -> str:
    return f"s.score <= {ask.arg(milli)}"


def grade(ask: Ask, grades: Sequence[str]) -> str:
    return ask.any_of("s.grade", grades)


def source(ask: Ask, sources: Sequence[str]) -> str:
    return ask.any_of("s.source", sources)


def channel(ask: Ask, channels: Sequence[str]) -> str:
    return ask.any_of("s.channel", channels)


def company(ask: Ask, text: str) -> str:
    """By the name, in any case, or the domain; or by the company whose address they came from."""
    exact, low = ask.arg(text), ask.arg(lowered(text))
    of_person = f"(p.company = {exact} OR lower(p.company) = {low} OR p.company_domain = {low})"
    if ask.few:
        return f"({of_person} OR s.company = {exact})"
    return (
        f"{ask.id} IN (SELECT p.person_id FROM persons p WHERE {_SCOPE.format('p')} AND {of_person}"
        f" UNION ALL SELECT s.subject_id FROM subjects s WHERE {_SCOPE.format('s')} AND s.kind = 1"
        f" AND s.company = {exact})"
    )


def company_of_visitor(ask: Ask, text: str) -> str:
    exact, low = ask.arg(text), ask.arg(lowered(text))
    return f"(s.company = {exact} OR lower(s.company) = {low})"


def domain(ask: Ask, domains: Sequence[str]) -> str:
    return ask.any_of("p.company_domain", domains)


def search(ask: Ask, words: Sequence[str]) -> str:
    """Everybody with words that begin so."""
    return " AND ".join(_word(ask, word) for word in words)


def _word(ask: Ask, word: str) -> str:
    low, high = ask.arg(word), ask.arg(word + "\U0010ffff")
    return (
        f"{ask.id} IN (SELECT w.person_id FROM person_words w WHERE {_SCOPE.format('w')}"
        f" AND w.word >= {low} AND w.word < {high})"
    )


def tags(ask: Ask, names: Sequence[str]) -> str:
    return _holds(ask, "p.tags", "\n", names)


def owner(ask: Ask, owners: Sequence[str]) -> str:
    return ask.any_of("p.owner", owners)


def email(ask: Ask, address: str) -> str:
    return (
        f"{ask.id} IN (SELECT i.person_id FROM identifiers i WHERE {_SCOPE.format('i')}"
        f" AND i.type = 'email' AND i.value = {ask.arg(address)})"
    )


def seen_since(ask: Ask, at: int) -> str:
    return f"s.last_seen >= {ask.arg(at)}"


def seen_within(ask: Ask, ago: Ago) -> str:
    return f"s.last_seen >= {ask.arg(ago.at)}"


def not_seen_for(ask: Ask, ago: Ago) -> str:
    return f"s.last_seen < {ask.arg(ago.at)}"


def lead_from(ask: Ask, bound: Bound) -> str:
    return _lead(ask, ">=", bound)


def lead_to(ask: Ask, bound: Bound) -> str:
    return _lead(ask, "<", bound)


def _lead(ask: Ask, sign: str, bound: Bound) -> str:
    """By the day on which the figures count somebody as a lead: the first one. The plus keeps
    SQLite to the order of persons, in which nothing must be sorted."""
    return (
        f"{ask.id} IN (SELECT m.person_id FROM stages m WHERE {_SCOPE.format('m')}"
        f" AND +m.stage_to = {STAGE_RANK['lead']} GROUP BY m.person_id"
        f" HAVING min(m.at) {sign} {ask.arg(bound.at)})"
    )


def do_not_contact(ask: Ask, on: bool) -> str:
    return f"p.do_not_contact = {ask.arg(int(on))}"


def traits(ask: Ask, facts: Sequence[Fact]) -> str:
    return " AND ".join(_trait(ask, fact) for fact in facts)


def _trait(ask: Ask, fact: Fact) -> str:
    """Whose value of the strongest evidence it is, as the person's page shows it."""
    named, stored = ask.arg(fact.name), ask.any_of("lower(t.value)", fact.texts)
    given = f"FROM traits t WHERE {_SCOPE.format('t')} AND t.name = {named} AND {stored}"
    if ask.few:  # a number and no join: PostgreSQL would join the table with itself
        alone = f"0 = (SELECT count(*) {_STRONGER})"
        return f"EXISTS (SELECT 1 {given} AND t.person_id = {ask.id} AND {alone})"
    # Materialised: PostgreSQL would compare each trait anew for each person.
    strong = f"SELECT t.person_id {given} AND NOT EXISTS (SELECT 1 {_STRONGER})"
    return f"{ask.id} IN (WITH x AS MATERIALIZED ({strong}) SELECT x.person_id FROM x)"


def conflict(ask: Ask, there: bool) -> str:
    sides = " UNION ALL ".join(
        f"SELECT c.{side} FROM conflicts c WHERE {_SCOPE.format('c')} AND c.state = 0"
        for side in ("person_id", "other_id")
    )
    return f"{ask.id} {'IN' if there else 'NOT IN'} ({sides})"
