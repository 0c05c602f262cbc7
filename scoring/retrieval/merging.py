"""One list of passages from the answers of several sources, and one ranking from several."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Cormack, Clarke, Buettcher, "Reciprocal Rank Fusion outperforms Condorcet and individual Rank Learning" (2009).
_RANK_OFFSET = 60
# Scores are compared to so many decimals: what two machines compute differs by less.
DECIMALS = 6


@dataclass(frozen=True)
class Passage:
    """digest: of the passage's text, by which equal passages are known. relevance: from 0 to 1."""

    source: str
    digest: bytes
    relevance: float


def normalised(scores: NDArray[np.float64], bound: float) -> NDArray[np.float64]:
    """Scores (n,) as relevances from 0 to 1, given the largest score that the query allows in this source.

    Dividing by the bound and not by the best score keeps sources comparable: one that has nothing on the query does not
    get a passage of relevance 1.
    """
    return np.clip(scores / bound, 0, 1) if bound > 0 else np.zeros_like(scores)


def merged(answers: Mapping[str, Sequence[Passage]]) -> list[Passage]:
    """The passages of all sources, most relevant first; of equal ones of a source only the most relevant.

    Equal passages of different sources stay: each source answers for its own. Ties are ordered by source and digest.
    """
    ordered = sorted(
        (passage for passages in answers.values() for passage in passages),
        key=lambda passage: (-passage.relevance, passage.source, passage.digest),
    )
    first = {(passage.source, passage.digest): passage for passage in reversed(ordered)}
    return [passage for passage in ordered if first[passage.source, passage.digest] is passage]


def fused(scores: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Reciprocal rank fusion of several scores, (n,) each, of the same items: (n,), higher is better.

    Scores count to DECIMALS. Equal ones rank by position, so that the outcome does not depend on how a machine sorts.
    """
    total = np.zeros(len(scores[0]))
    for each in scores:
        ranks = np.empty(len(each), np.int64)
        ranks[_descending(each)] = np.arange(1, len(each) + 1)
        total += 1 / (_RANK_OFFSET + ranks)
    return total


def first(scores: NDArray[np.float64], count: int) -> NDArray[np.intp]:
    """Positions of the `count` highest of some scores (n,), best first, equal ones by position; all if there are fewer.

    Without sorting the others.
    """
    if 0 < count < len(scores):
        least = np.partition(scores, len(scores) - count)[len(scores) - count]
        kept = np.flatnonzero(scores >= least)
    else:
        kept = np.arange(len(scores))
    return kept[np.argsort(-scores[kept], kind="stable")][:count]


def _descending(scores: NDArray[np.float64]) -> NDArray[np.intp]:
    """Positions by score, highest first, equal ones by position.

    Made distinct by their positions, as whole numbers, scores need no stable sort, which takes six times as long.
    """
    places = np.arange(len(scores))
    return np.argsort(places - np.rint(scores * 10**DECIMALS).astype(np.int64) * len(scores))
