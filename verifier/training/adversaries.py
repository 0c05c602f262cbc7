"""Attacks on a round of training, for the tests and the benchmark: what trainers send who do not just train.

Every attack knows all that a colluder could: the updates of the honest trainers in the same round, before they are
opened, which commitments keep from it in the protocol. What a commitment does prevent, the late copy, is named so.
"""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from scoring.training.models import Floats

# From the honest updates (n, d), the attackers' own honest work (k, d) and a generator, what they send: (k, d).
Attack: TypeAlias = Callable[[Floats, Floats, np.random.Generator], Floats]


def sign_flip(honest: Floats, own: Floats, random: np.random.Generator) -> Floats:
    """The opposite of honest work."""
    return -own


def scaled(honest: Floats, own: Floats, random: np.random.Generator) -> Floats:
    """The opposite of honest work, a hundred times as long."""
    return -100 * own


def noise(honest: Floats, own: Floats, random: np.random.Generator) -> Floats:
    """Random numbers of the length of an honest update."""
    drawn = random.standard_normal(own.shape)
    return np.asarray(drawn * np.linalg.norm(own, axis=1, keepdims=True) / np.linalg.norm(drawn, axis=1, keepdims=True))


def little_is_enough(honest: Floats, own: Floats, random: np.random.Generator) -> Floats:
    """ALIE (Baruch et al., 2019): all colluders send the mean less one and a half standard deviations."""
    return np.repeat(honest.mean(axis=0, keepdims=True) - 1.5 * honest.std(axis=0, keepdims=True), len(own), axis=0)


def colluding(honest: Floats, own: Floats, random: np.random.Generator) -> Floats:
    """After DMPA (arXiv 2502.04771): turned from honest work along the colluders' main direction, and averaged."""
    directions = np.linalg.svd(own - own.mean(axis=0), full_matrices=False)[2]
    main = directions[0]
    mean = own.mean(axis=0)
    away = -(mean @ main) * main - 0.5 * mean
    sent = away * np.linalg.norm(mean) / np.linalg.norm(away)
    return np.asarray(sent + 0.05 * np.linalg.norm(mean) / np.sqrt(mean.size) * random.standard_normal(own.shape))


def copy(honest: Floats, own: Floats, random: np.random.Generator) -> Floats:
    """The update of an honest trainer, committed to later."""
    return np.asarray(honest[np.arange(len(own)) % len(honest)])


def noisy_copy(honest: Floats, own: Floats, random: np.random.Generator) -> Floats:
    """A copy hidden under noise of its own length."""
    copied = copy(honest, own, random)
    return np.asarray(copied + noise(honest, copied, random))


def free_ride(honest: Floats, own: Floats, random: np.random.Generator) -> Floats:
    """Hardly anything: noise of a hundredth of an honest update's length."""
    return 0.01 * noise(honest, own, random)


ATTACKS: dict[str, Attack] = {
    "sign flip": sign_flip,
    "scaled": scaled,
    "noise": noise,
    "ALIE": little_is_enough,
    "DMPA-like": colluding,
    "copy": copy,
    "copy with noise": noisy_copy,
    "free rider": free_ride,
}
