"""How good a ranking is. Grades above zero are relevant; what is not graded is not relevant.

The measures are those of trec_eval: Järvelin and Kekäläinen, "Cumulated Gain-based Evaluation of IR Techniques" (2002),
with linear gains and a discount of `log2(rank + 1)`; Voorhees, "The TREC-8 Question Answering Track Report" (1999).
"""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from itertools import islice
from math import log2
from typing import TypeVar

Item = TypeVar("Item", bound=Hashable)


def ndcg(ranking: Sequence[Item], grades: Mapping[Item, int], depth: int) -> float:
    """Discounted gain of the first `depth` of a ranking without repetitions, over the largest possible: 0 to 1.

    0 where nothing is relevant.
    """
    ideal = _discounted_gain(sorted((max(0, grade) for grade in grades.values()), reverse=True), depth)
    found = _discounted_gain((max(0, grades.get(item, 0)) for item in ranking), depth)
    return found / ideal if ideal > 0 else 0.0


def reciprocal_rank(ranking: Sequence[Item], grades: Mapping[Item, int]) -> float:
    """One over the rank of the first relevant item; 0 where there is none. Its mean over queries is the MRR."""
    return next((1 / rank for rank, item in enumerate(ranking, 1) if grades.get(item, 0) > 0), 0.0)


def recall(ranking: Sequence[Item], grades: Mapping[Item, int], depth: int) -> float:
    """Part of the relevant items that is among the first `depth` of a ranking without repetitions; 0 without any."""
    relevant = {item for item, grade in grades.items() if grade > 0}
    return len(relevant.intersection(ranking[:depth])) / len(relevant) if relevant else 0.0


def _discounted_gain(gains: Iterable[int], depth: int) -> float:
    return sum(gain / log2(rank + 1) for rank, gain in enumerate(islice(gains, depth), 1))
