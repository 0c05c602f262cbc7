"""Evidence that is inconclusive in one audit, gathered over several: Wald's sequential probability ratio test.

A contributor whose digests keep falling between `soft` and the honest bulk, or whose distances are a little too large
every time, is never slashed by a single leaf. Over many leaves the likelihood ratio of "runs the cheaper model" against
"runs the registered one" decides, with both error rates stated (Wald, *Sequential Tests of Statistical Hypotheses*,
1945). The two laws of the distance are the histograms of the model's calibration.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray


class Decision(Enum):
    """What the audits so far say."""

    HONEST = "honest"
    CHEAT = "cheat"
    UNDECIDED = "undecided"


@dataclass(frozen=True)
class SequentialTest:
    """Wald's test between two laws of the Hamming distance, given as log-likelihood ratios by distance.

    false_alarm: largest probability to decide CHEAT of an honest contributor. miss: to decide HONEST of a cheat.
    """

    log_ratios: NDArray[np.float64]
    false_alarm: float
    miss: float

    def __post_init__(self) -> None:
        if not (0 < self.false_alarm < 0.5 and 0 < self.miss < 0.5):
            raise ValueError("both error rates of a sequential test are above 0 and below one half")

    @staticmethod
    def between(
        honest: NDArray[np.int64], cheat: NDArray[np.int64], false_alarm: float, miss: float
    ) -> "SequentialTest":
        """The test between two histograms of distances (counts by distance, of equal length).

        Each law is the binomial mixture that its histogram suggests: a leaf at distance d out of n bits flips a bit at
        the rate (d + 1/2) / (n + 1). That fills the gaps of a finite histogram and leaves no distance impossible.
        """
        if honest.shape != cheat.shape or honest.size < 2:
            raise ValueError("two histograms of distances need the same number of bits")
        return SequentialTest(_log_law(cheat) - _log_law(honest), false_alarm, miss)

    def decide(self, distances: Iterable[int]) -> Decision:
        """The first decision that the distances of a contributor's sampled leaves, in order, lead to."""
        accept, reject = math.log(self.miss / (1 - self.false_alarm)), math.log((1 - self.miss) / self.false_alarm)
        total = 0.0
        for distance in distances:
            total += float(self.log_ratios[distance])
            if total >= reject:
                return Decision.CHEAT
            if total <= accept:
                return Decision.HONEST
        return Decision.UNDECIDED


def _log_law(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Logarithm of the mixture's probabilities by distance, float64 of shape (bits + 1,)."""
    bits = counts.size - 1
    seen = np.flatnonzero(counts)
    weights = np.log(counts[seen] / counts.sum())
    rates = (seen + 0.5) / (bits + 1)
    distances = np.arange(bits + 1)
    log_factorials = np.array([math.lgamma(k + 1) for k in range(bits + 1)])
    choose = log_factorials[bits] - log_factorials - log_factorials[::-1]
    terms = weights[:, None] + np.log(rates)[:, None] * distances + np.log1p(-rates)[:, None] * (bits - distances)
    return np.asarray(choose + np.logaddexp.reduce(terms, axis=0), dtype=np.float64)
