"""The order of passages from several sources: relevance says which cover the query, reliability which to believe."""

from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from scoring.retrieval.errors import InvalidRelevanceError

# Standard deviations from the mean of earlier grounding passages up to which a passage may cover a query.
DEVIATIONS = 2.75
_FORGETTING = 0.998


@dataclass(frozen=True)
class Spread:
    """Decayed sums over `weight` numbers, for their mean and standard deviation."""

    weight: float
    total: float
    squares: float

    def after(self, number: float) -> "Spread":
        return Spread(
            _FORGETTING * self.weight + 1,
            _FORGETTING * self.total + number,
            _FORGETTING * self.squares + number * number,
        )

    @property
    def mean(self) -> float:
        return self.total / self.weight

    @property
    def deviation(self) -> float:
        return sqrt(max(0.0, self.squares / self.weight - self.mean * self.mean))


@dataclass(frozen=True)
class Grounding:
    """How relevant the passages were that answers proved to rest on, and how far behind the best of their query.

    It starts as two passages: of mean relevance 0.5 with standard deviation 0.2, and 0.1 behind with 0.1.
    """

    relevance: Spread = Spread(2.0, 1.0, 0.58)
    behind: Spread = Spread(2.0, 0.2, 0.04)

    def after(self, relevance: float, best: float) -> "Grounding":
        """After an answer that rests on a passage of this relevance. Raises InvalidRelevanceError."""
        for each in (relevance, best):
            if not 0 <= each <= 1:
                raise InvalidRelevanceError(each)
        return Grounding(self.relevance.after(relevance), self.behind.after(best - relevance))

    def least(self, best: float) -> float:
        """The relevance from which on a passage may cover a query whose most relevant passage has `best`."""
        fitting = self.relevance.mean - DEVIATIONS * self.relevance.deviation
        near = best - self.behind.mean - DEVIATIONS * self.behind.deviation
        return max(min(fitting, best), min(near, best))


def covering(relevances: NDArray[np.float64], grounding: Grounding) -> NDArray[np.bool_]:
    """Whether each passage, relevances (n,), covers the query: as relevant, and as near to the best, as is usual.

    The most relevant passage always does. Raises InvalidRelevanceError.
    """
    for relevance in relevances.tolist():
        if not 0 <= relevance <= 1:
            raise InvalidRelevanceError(relevance)
    return np.asarray(relevances >= grounding.least(float(relevances.max(initial=0.0))))


def rerank(relevances: NDArray[np.float64], standings: NDArray[np.float64], grounding: Grounding) -> NDArray[np.intp]:
    """Positions (n,) of the passages, best first: covering ones by standing, then the others by relevance.

    relevances, standings: (n,), of the passages and of their sources. Equals keep their order.
    Raises InvalidRelevanceError.
    """
    covers = covering(relevances, grounding)
    return np.lexsort((-relevances, np.where(covers, -standings, 0), ~covers))
