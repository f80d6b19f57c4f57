"""What one batch of entries does to the visitors and persons in memory, step by step."""

from collections.abc import Iterable, Iterator

from server.model import Kind
from server.project.batch import Batch
from server.project.fold import Fold
from server.project.loading import Loaded
from server.project.registry import IDENTITY, Settled
from server.project.rulings import State
from server.project.stages import Cause
from server.project.standing import Told
from server.project.visitor import Visitor, grants
from server.storage import derived


def take(fold: Fold, loaded: Loaded, visitors: dict[int, Visitor]) -> Iterator[None]:
    """Everything a batch brings, in small steps: who is who, what was said of them, events.

    `visitors` are those in memory; persons are in the fold's population.
    """
    people = fold.people
    batch, settled = loaded.batch, loaded.settled
    if settled is not None:
        for person_id in sorted((settled.before - settled.after) & people.persons.keys()):
            fold.forget(people.persons[person_id])
        people.settle(settled)
    for one in batch.said:
        _hear(fold, settled, one)
    yield from _take_events(fold, loaded, visitors)
    _know(fold, batch.said)


def _take_events(fold: Fold, loaded: Loaded, visitors: dict[int, Visitor]) -> Iterator[None]:
    batch, cause = loaded.batch, _decided(loaded.batch)
    for visitor_id, events in batch.groups.items():
        if visitor_id and visitor_id in loaded.again:
            continue
        visitor = visitors.get(visitor_id)
        if visitor is None:
            visitor = Visitor(visitor_id, granted=grants(events))
        for seen in events:  # one visitor may send many
            fold.take(visitor, [seen])
            yield
        if visitor_id:
            visitors[visitor_id] = visitor
    for visitor_id, history in loaded.again.items():
        if history.nearby:
            fold.refold_nearby(visitor_id, history)
            visitors.pop(visitor_id, None)  # it knows only these sessions
            yield
            continue
        fresh = {seen.seq for seen in batch.groups.get(visitor_id, ())}
        visitor = fold.refold(visitor_id, history, fresh if visitor_id else (), cause)
        if visitor_id:
            visitors[visitor_id] = visitor
        yield


def _hear(fold: Fold, settled: Settled | None, one: Told) -> None:
    """A decision or consequence about somebody whose claims stay as they are."""
    if settled is not None and one.claim in settled.identity.rulings:
        return  # heard with everything else that was said of them
    ruling = fold.people.rulings.get(one.claim)
    person_id = ruling.person_id if ruling is not None else 0
    row = (one.claim, one.seq, int(one.kind), one.at, person_id)
    fold.changes.put(derived.PERSON_ENTRIES, row)
    person = fold.people.persons.get(person_id)
    if person is not None:
        person.hear(one)
        fold.people.dirty.add(person_id)


def _know(fold: Fold, said: Iterable[Told]) -> None:
    """What somebody knows of a person may lift them over a threshold."""
    for one in said:
        ruling = fold.people.rulings.get(one.claim) if one.kind is Kind.TRAIT else None
        person = fold.people.persons.get(ruling.person_id) if ruling is not None else None
        if person is not None:
            fold.judge.judge(person, Cause(seq=one.seq, at=one.at, reason="trait"))


def doubt(fold: Fold, loaded: Loaded) -> None:
    """What was told of these persons may never have been so: every moment of their past is asked
    whether it was, which takes a second for thousands of events."""
    settled = loaded.settled
    if settled is None or loaded.batch.doubts is None:
        return
    rulings = settled.identity.rulings
    said: dict[int, list[Told]] = {}
    for one in settled.said:
        ruling = rulings.get(one.claim)
        said.setdefault(ruling.person_id if ruling else 0, []).append(one)
    for person_id, told in said.items():
        forms = [
            claim.purpose
            for seq, claim in settled.claims.items()
            if rulings[seq].person_id == person_id
            and rulings[seq].state is State.ACTIVE
            and claim.kind is Kind.FORM_SUBMIT
        ]
        person = fold.people.persons.get(person_id)
        fold.judge.retract(person, told, forms, settled.identity.bases)


def _decided(batch: Batch) -> Cause | None:
    """The decision that is the cause of what is found out by folding visitors anew."""
    found = [one for one in batch.said if one.kind in IDENTITY]
    if not found:
        return None
    last = max(found, key=lambda one: one.seq)
    reason = "released" if last.kind is Kind.RELEASE else last.kind.word
    return Cause(seq=last.seq, at=last.at, reason=reason)
