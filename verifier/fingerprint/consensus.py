"""What a committee's reveals say about a sampled leaf: the contract's rule, in Python.

`AuditCourt` decides by the same rule; `tests/vectors/fingerprint_consensus.json` holds cases that both must answer
alike. A node uses it to know the outcome before it is final, and `merit why` to explain it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from verifier.fingerprint.lattice import hamming


class Verdict(IntEnum):
    """What one verifier says about one leaf; the numbers are those of the contract."""

    CONSISTENT = 1
    INCONSISTENT = 2
    UNAVAILABLE = 3


class Outcome(IntEnum):
    """What the committee's reveals make of a leaf or a batch, from best to worst for the contributor."""

    PASS = 0
    GREY = 1
    UNAVAILABLE = 2
    NO_QUORUM = 3
    FRAUD = 4


@dataclass(frozen=True)
class Bands:
    """Hamming distances over all words of a leaf: between verifiers (tau), and of the contributor from the medoid."""

    tau: int
    soft: int
    hard: int

    def __post_init__(self) -> None:
        if not (self.tau >= 0 and 0 <= self.soft < self.hard):
            raise ValueError(f"bands need 0 <= tau and 0 <= soft < hard, not {self}")


@dataclass(frozen=True)
class LeafReveal:
    """One verifier's reveal for one leaf. `opened`: the disclosed digest opens the committed trace."""

    verdict: Verdict
    opened: bool
    payload: bytes
    digest: tuple[int, ...]

    @property
    def agreement_key(self) -> tuple[Verdict, bool, bytes]:
        return self.verdict, self.opened, self.payload


def medoid_seat(reveals: Sequence[LeafReveal | None], tau: int) -> tuple[int, frozenset[int]] | None:
    """Seat of the committee's medoid and the seats of its cluster; None when nobody revealed.

    reveals: by seat, None for a member that did not reveal. The cluster of a member holds those with the same agreement
    key and a digest within `tau` bits of its own. The largest cluster wins; ties go to the smallest sum of distances
    within the cluster, then to the lowest seat.
    """
    best: tuple[int, int, int] | None = None
    best_cluster: frozenset[int] = frozenset()
    for seat, own in enumerate(reveals):
        if own is None:
            continue
        distances = {
            other_seat: hamming(own.digest, other.digest)
            for other_seat, other in enumerate(reveals)
            if other is not None and other.agreement_key == own.agreement_key
        }
        cluster = frozenset(s for s, distance in distances.items() if distance <= tau)
        rank = (-len(cluster), sum(distances[s] for s in cluster), seat)
        if best is None or rank < best:
            best, best_cluster = rank, cluster
    return None if best is None else (best[2], best_cluster)


def leaf_outcome(reveals: Sequence[LeafReveal | None], disclosed: tuple[int, ...], bands: Bands) -> Outcome:
    """Outcome for one leaf; `reveals` has one entry for each seat, so that its length is the committee's size."""
    found = medoid_seat(reveals, bands.tau)
    if found is None or 3 * len(found[1]) < 2 * len(reveals):
        return Outcome.NO_QUORUM
    medoid = reveals[found[0]]
    assert medoid is not None
    if medoid.verdict is Verdict.UNAVAILABLE:
        return Outcome.UNAVAILABLE
    if medoid.verdict is Verdict.INCONSISTENT or not medoid.opened:
        return Outcome.FRAUD
    distance = hamming(disclosed, medoid.digest)
    if distance <= bands.soft:
        return Outcome.PASS
    return Outcome.GREY if distance <= bands.hard else Outcome.FRAUD


def batch_outcome(leaves: Sequence[Outcome]) -> Outcome:
    """The worst outcome of a batch's sampled leaves. Raises ValueError when there is none."""
    if not leaves:
        raise ValueError("a batch's outcome needs at least one sampled leaf")
    return max(leaves)
