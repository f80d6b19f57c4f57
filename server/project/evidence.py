"""What is proven, refused and released, on which visitor: rules 3, 4 and 10."""

from collections.abc import Iterator, Sequence

from server.model import Identifier, Kind, Level
from server.project.claims import Claim, Given
from server.project.rulings import Decision, Release
from server.project.seen import Key

BURST_MS = 5_000
BURST = 3  # links of one reader within that time: a scanner


class Evidence:
    """What is proven, refused and released, on which visitor: known before the first step, since
    proof on a visitor also holds for what was claimed there before (rule 4)."""

    def __init__(self, claims: Sequence[Claim], decisions: Sequence[Decision]) -> None:
        self.weak = _weak_clicks(claims)
        self.proofs: dict[Identifier, dict[int, Key]] = {}
        #: By claim and by identifier and visitor: the last decision's number, and what it says.
        self.decided: dict[int | tuple[Identifier, int], tuple[int, bool]] = {}
        by_seq = {claim.seq: claim for claim in claims}
        for decision in decisions:
            if isinstance(decision, Release):
                said = (decision.seq, decision.accept)
                self.decided[decision.claim] = said
                named = by_seq.get(decision.claim)
                if named is not None and _has_visitor(named):
                    self.decided.update(((g.identifier, named.visitor_id), said) for g in named.ids)
        for claim in claims:
            if (
                claim.visitor_id
                and claim.seq not in self.weak
                and self.decision(claim) is not False
            ):
                for given in claim.ids:
                    if given.level >= Level.PROVEN:
                        found = self.proofs.setdefault(given.identifier, {})
                        found.setdefault(claim.visitor_id, claim.key)

    def decision(self, claim: Claim) -> bool | None:
        """Whether the claim was accepted or refused by somebody. What proves nothing shares the
        last decision about its identifiers on its visitor."""
        found = [self.decided.get(claim.seq)]
        if _has_visitor(claim) and claim.level < Level.PROVEN:
            found += [self.decided.get((given.identifier, claim.visitor_id)) for given in claim.ids]
        return max((said for said in found if said is not None), default=(0, None))[1]

    def doubts(self, claim: Claim, given: Given) -> bool:
        """Rule 3: claimed without a proof, while another visitor had proven it before. What was
        refused on this visitor stays doubtful there."""
        if given.level is not Level.CLAIMED:
            return False
        here = claim.visitor_id if _has_visitor(claim) else 0
        said = [self.decided.get(claim.seq), self.decided.get((given.identifier, here))]
        if any(said):
            return not max(one for one in said if one is not None)[1]
        proofs = self.proofs.get(given.identifier, {})
        return here not in proofs and any(key < claim.key for key in proofs.values())

    def doubted(self, claim: Claim) -> bool:
        """Whether the claim waits for proof. A token beside a doubtful address is no stranger's:
        only the address is left out."""
        return claim.level < Level.PROVEN and any(self.doubts(claim, one) for one in claim.ids)


def _has_visitor(claim: Claim) -> bool:
    """Rule 11: what is said at a kiosk says nothing about the next one there."""
    return bool(claim.visitor_id) and not claim.kiosk


def _weak_clicks(claims: Sequence[Claim]) -> set[int]:
    """Rule 10: opened mail links that prove nothing, by seq."""
    clicks = [claim for claim in claims if claim.kind is Kind.EMAIL_CLICK]
    weak = {claim.seq for claim in clicks if not claim.by_hand}
    readers: dict[Identifier, list[Claim]] = {}
    for claim in clicks:
        readers.setdefault(claim.ids[0].identifier, []).append(claim)
    for found in readers.values():
        weak.update(_bursts(found))
        first: dict[str, int] = {}
        for claim in found:
            if claim.seq in weak:
                continue
            if first.setdefault(claim.message, claim.visitor_id) != claim.visitor_id:
                weak.add(claim.seq)
    return weak


def _bursts(clicks: Sequence[Claim]) -> Iterator[int]:
    """Clicks on several links within a few seconds, by seq; `clicks` are in order of time."""
    start = 0
    for end, claim in enumerate(clicks):
        while claim.at - clicks[start].at > BURST_MS:
            start += 1
        together = clicks[start : end + 1]
        if len(together) >= BURST and len({one.link for one in together}) >= BURST:
            yield from (one.seq for one in together)
