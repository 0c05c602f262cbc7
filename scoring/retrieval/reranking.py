"""The order of passages from several sources: relevance says which cover the query, reliability which to believe."""

from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from scoring.retrieval.errors import InvalidRelevanceError

# Standard deviations under the mean relevance of grounding passages down to which a passage may cover a query.
DEVIATIONS = 2.75
# A passage that is less relevant than the best one by more does not cover the query, however reliable its source.
GAP = 0.4
_FORGETTING = 0.998


@dataclass(frozen=True)
class Grounding:
    """How relevant the passages were that answers proved to rest on, decayed: sums over `weight` passages.

    It starts as two passages of mean relevance 0.5 and standard deviation 0.2.
    """

    weight: float = 2.0
    total: float = 1.0
    squares: float = 0.58

    def after(self, relevance: float) -> "Grounding":
        """After an answer that rests on a passage of this relevance. Raises InvalidRelevanceError."""
        if not 0 <= relevance <= 1:
            raise InvalidRelevanceError(relevance)
        return Grounding(
            _FORGETTING * self.weight + 1,
            _FORGETTING * self.total + relevance,
            _FORGETTING * self.squares + relevance * relevance,
        )

    @property
    def threshold(self) -> float:
        """The relevance from which on a passage may cover a query."""
        mean = self.total / self.weight
        return mean - DEVIATIONS * sqrt(max(0.0, self.squares / self.weight - mean * mean))


def covering(relevances: NDArray[np.float64], threshold: float) -> NDArray[np.bool_]:
    """Whether each passage, relevances (n,), covers the query: above the threshold and not far behind the best.

    The most relevant passage always does. Raises InvalidRelevanceError.
    """
    for relevance in relevances.tolist():
        if not 0 <= relevance <= 1:
            raise InvalidRelevanceError(relevance)
    best = relevances.max(initial=0.0)
    return np.asarray(relevances >= max(min(threshold, best), best - GAP))


def rerank(relevances: NDArray[np.float64], standings: NDArray[np.float64], threshold: float) -> NDArray[np.intp]:
    """Positions (n,) of the passages, best first: covering ones by standing, then the others by relevance.

    relevances, standings: (n,), of the passages and of their sources. Equals keep their order.
    Raises InvalidRelevanceError.
    """
    covers = covering(relevances, threshold)
    return np.lexsort((-relevances, np.where(covers, -standings, 0), ~covers))
