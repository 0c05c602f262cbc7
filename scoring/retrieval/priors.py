"""What is believed of a source before it has answered anything: a little, by the reputation of its owner."""

from math import isfinite

from scoring.retrieval.errors import InvalidRankError

# Of a stranger's source, and of one whose owner stands as well as any: that of a source nothing is known about.
LEAST = 0.1
MOST = 0.5


def prior_reliability(rank: float, reference: float) -> float:
    """The prior of a new source, from LEAST to MOST, linear in the MeritRank of its owner up to `reference`.

    reference: a rank that a proven owner has, such as the median over the owners of all sources. Splitting a rank over
    several owners gives none of them a higher prior. Raises InvalidRankError.
    """
    if not (isfinite(rank) and isfinite(reference)) or rank < 0 or reference <= 0:
        raise InvalidRankError(rank, reference)
    return LEAST + (MOST - LEAST) * min(1.0, rank / reference)
