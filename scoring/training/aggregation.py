"""Rules that make one update of many: each maps updates, shape (n, d) with n at least 1, to one, shape (d,)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from scoring.training.filters import clipped, lengths
from scoring.training.models import Floats, Rows, Values

Aggregation: TypeAlias = Callable[[Floats], Floats]

_CLIP_STEPS = 10


def mean(updates: Floats) -> Floats:
    """The plain mean, which one bad update can move anywhere (McMahan et al., FedAvg, with equal weights)."""
    return np.asarray(updates.mean(axis=0))


def coordinate_median(updates: Floats) -> Floats:
    """The median of each coordinate (Yin et al., 2018)."""
    return np.asarray(np.median(updates, axis=0))


@dataclass(frozen=True)
class TrimmedMean:
    """The mean of each coordinate without its `fraction` largest and as many smallest values (Yin et al., 2018)."""

    fraction: float = 0.3

    def __call__(self, updates: Floats) -> Floats:
        cut = min(int(self.fraction * len(updates)), (len(updates) - 1) // 2)
        return np.asarray(np.sort(updates, axis=0)[cut : len(updates) - cut].mean(axis=0))


@dataclass(frozen=True)
class Krum:
    """The update that is nearest to its nearest others (Blanchard et al., 2017): `n - fraction n - 2`, at least one."""

    fraction: float = 0.3

    def __call__(self, updates: Floats) -> Floats:
        near = max(1, len(updates) - int(np.ceil(self.fraction * len(updates))) - 2)
        square = (updates**2).sum(axis=1)
        distances = square[:, None] + square - 2 * updates @ updates.T
        np.fill_diagonal(distances, np.inf)
        return np.asarray(updates[np.sort(distances, axis=1)[:, :near].sum(axis=1).argmin()])


def centered_clip(updates: Floats) -> Floats:
    """CenteredClip (Karimireddy et al., 2021) from the median of each coordinate, on updates of bounded length.

    The centre moves by the mean of the differences to it, none longer than their median length.
    """
    updates = clipped(updates)
    centre = coordinate_median(updates)
    radius = np.median(lengths(updates - centre))
    for _ in range(_CLIP_STEPS):
        difference = updates - centre
        norms = lengths(difference)
        factor = np.minimum(1, radius / np.maximum(norms, np.finfo(updates.dtype).tiny))
        centre = centre + (difference * factor).mean(axis=0)
    return np.asarray(centre)


@dataclass(frozen=True)
class BristleGate:
    """Bristle's integrator: for each class, a mean weighted by how much better than ours an update recalls it.

    Verbraeken, de Vos, Pouwelse, "Bristle: Decentralized Federated Learning in Byzantine, Non-i.i.d. Environments"
    (arXiv 2110.11006). Only the columns of the output layer are taken from others; the rest of the model stays.

    recalls: from updates, shape (n, d), the recall of each class after each, shape (n, classes).
    class_of: for each parameter the class that it decides, -1 outside the output layer, shape (d,).
    """

    recalls: Callable[[Floats], Floats]
    class_of: Rows

    def __call__(self, updates: Floats) -> Floats:
        """Our own update is one of zeros, with weight 1."""
        own = self.recalls(np.zeros_like(updates[:1]))[0]
        theirs = self.recalls(updates)
        difference = 10 * np.abs(theirs - own)
        score = np.where(theirs >= own, difference ** (3 + own), -(difference ** (4 + own)))
        gate = np.maximum(0, 10 / (1 + np.exp(-np.clip(score, -100, 100) / 100)) - 4)
        certainty = np.maximum(0, theirs.mean(axis=1) - theirs.std(axis=1))
        weights = gate * certainty[:, None]
        weights = weights / (1 + weights.sum(axis=0))
        return np.asarray(np.where(self.class_of >= 0, (weights[:, self.class_of] * updates).sum(axis=0), 0))


def fools_gold(histories: Floats) -> Values:
    """FoolsGold's weights, shape (n,), of summed updates, shape (n, d): a sign of how diverse the trainers are.

    Fung, Yoon, Beschastnikh, "Mitigating Sybils in Federated Learning Poisoning" (2018). Not a score and not an
    aggregation: among trainers with alike data it gives the most weight to the worst.
    """
    norms = np.maximum(np.linalg.norm(histories, axis=1, keepdims=True), np.finfo(histories.dtype).tiny)
    directions = np.asarray(histories / norms, dtype=np.float64)
    cosine = directions @ directions.T - np.eye(len(histories))
    largest = cosine.max(axis=1)
    pardon = np.minimum(1, np.maximum(largest[:, None], 1e-5) / np.maximum(largest[None, :], 1e-5))
    weights = np.clip(1 - (cosine * pardon).max(axis=1), 0, 1)
    weights = weights / max(weights.max(), np.finfo(np.float64).tiny)
    weights = np.clip(weights, 1e-5, 1 - 1e-5)
    return np.asarray(np.clip(np.log(weights / (1 - weights)) + 0.5, 0, 1))
