"""Which sources a query goes to: the most useful ones, and now and then another."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

# The part of queries in which the last place goes to a source that would not have been asked.
EXPLORATION = 0.05
# What one query leaves of what was seen before: about 500 are remembered.
FORGETTING = 0.998
_PRIOR_WEIGHT = 2.0


@dataclass(frozen=True)
class Usefulness:
    """How often a source that was asked helped an answer, decayed by query.

    prior: usefulness of a source that was never asked. helped, asked: decayed counts of queries.
    """

    prior: float = 0.5
    helped: float = 0.0
    asked: float = 0.0

    @property
    def value(self) -> float:
        """The expected part of queries in which the source helps."""
        return (_PRIOR_WEIGHT * self.prior + self.helped) / (_PRIOR_WEIGHT + self.asked)

    def after(self, helped: bool) -> "Usefulness":
        """After one more query that it was asked. Without a reference, `helped` is whether the answer rests on it."""
        return Usefulness(self.prior, FORGETTING * self.helped + helped, FORGETTING * self.asked + 1)


def choose(usefulness: Mapping[str, float], count: int, random: np.random.Generator) -> list[str]:
    """The `count` most useful sources, best first, equal ones in random order; all where there are no more.

    In EXPLORATION of the queries the last place goes to one of the others, each equally likely: a source that became
    better is found again, and one that became useless costs no more than its place.
    """
    shuffled = random.permutation(sorted(usefulness)).tolist()
    ordered = sorted(shuffled, key=lambda source: -usefulness[source])
    chosen, others = ordered[:count], ordered[count:]
    if chosen and others and random.random() < EXPLORATION:
        chosen[-1] = others[random.integers(len(others))]
    return chosen
