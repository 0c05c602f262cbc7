"""How good each trainer has been over the rounds: for choosing whom to ask, never for pay."""

from collections.abc import Mapping
from typing import Any

from openskill.models import PlackettLuce


class Ratings:
    """Ratings by rank, for rounds that share a noise which says nothing of the trainers: a hard or an easy sample.

    OpenSkill's Plackett-Luce model with the parameters of Gauntlet (arXiv 2505.21684): `beta = 7`, `tau = 0.1`.
    """

    def __init__(self) -> None:
        self._model = PlackettLuce(beta=7.0, tau=0.1)
        self._ratings: dict[str, Any] = {}

    def observe(self, scores: Mapping[str, float]) -> None:
        """Take in one round: the more, the better. A round of one says nothing."""
        if len(scores) < 2:
            return
        names = sorted(scores)
        teams = [[self._ratings.get(name) or self._model.rating(name=name)] for name in names]
        rated = self._model.rate(teams, scores=[scores[name] for name in names])
        self._ratings.update((name, team[0]) for name, team in zip(names, rated, strict=True))

    def ordinal(self, name: str) -> float:
        """`mu - 3 sigma`: 99.7 % sure to be exceeded. That of a newcomer for a name never seen."""
        return float((self._ratings.get(name) or self._model.rating()).ordinal())


class RunningMeans:
    """The mean of each trainer's scores: better than ranks where rounds do not share a noise."""

    def __init__(self) -> None:
        self._sums: dict[str, tuple[float, int]] = {}

    def observe(self, scores: Mapping[str, float]) -> None:
        """Take in one round."""
        for name, score in scores.items():
            total, count = self._sums.get(name, (0.0, 0))
            self._sums[name] = (total + score, count + 1)

    def mean(self, name: str) -> float:
        """0 for a name never seen."""
        total, count = self._sums.get(name, (0.0, 1))
        return total / count
