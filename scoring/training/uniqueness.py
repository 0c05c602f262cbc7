"""Whether an update shows that its trainer trained on the data that was assigned to it."""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from scoring.training.loss_scores import loss_deltas
from scoring.training.models import Floats, Mapper, Model, Rows, Values

# How many others each trainer's data is tried with: the cost stays linear in the trainers.
PEERS = 16
# A trainer whose standing is lower is not paid. Measured on digits, honest scores have their median at 2.5, and those
# of updates that owe nothing to the assigned data (copies under noise, noise, free riders) lie around 0, 98 % of them
# under 1.4.
PAID_STANDING = 0.75
# What the latest round counts in the moving average, and the most that one round can say.
_LATEST, _MOST = 0.5, 3.0


def uniqueness(
    judged_on: Callable[[Rows], Model],
    base: Floats,
    updates: Floats,
    assigned: Sequence[Rows],
    mapper: Mapper = map,
) -> Values:
    """How much better each update is on its own data than others are, in standard deviations, shape (n,).

    Gauntlet (arXiv 2505.21684) compares a trainer's improvement on assigned data with that on random data. Some data is
    easier than other data, and some updates are better than others; both are taken out here: the score is
    `(D[i, i] - mean of D[i, j]) - (mean of D[k, i] - mean of D[k, j])` over at most PEERS other trainers j and k, where
    `D[i, j]` is what update i improves on the data of j, over the standard deviation of such differences between
    trainers and data that do not belong together. The trainers k are those whose updates do good, so that poisoners
    cannot blur the comparison. Zeros where fewer than three trainers can be compared.

    judged_on: the model on some of the rows. assigned: rows for each trainer. base: (d,). updates: (n, d).
    """
    count = len(updates)
    peers = min(PEERS, count - 1)
    if peers < 2:
        return np.zeros(count)
    scores, spread = np.empty(count), np.empty(count)
    gains = np.full((count, count), np.nan)
    # On each trainer's data, nobody farther off is compared.
    near = [np.unique((j + np.arange(-peers, peers + 1)) % count) for j in range(count)]
    found = mapper(partial(_gains, judged_on, base, updates), zip(assigned, near, strict=True))
    for j, column in enumerate(found):
        gains[near[j], j] = column
    helpful = np.nanmean(gains, axis=1) > 0
    for i in range(count):
        others = (i + 1 + np.arange(peers)) % count
        judges = others[helpful[others]] if helpful[others].sum() > 1 else others
        level = gains[np.ix_(judges, others)]
        level[judges[:, None] == others] = np.nan
        of_judge, of_data = np.nanmean(level, axis=1), np.nanmean(level, axis=0)
        scores[i] = (gains[i, i] - gains[i, others].mean()) - (gains[judges, i] - of_judge).mean()
        residual = level - of_judge[:, None] - of_data + np.nanmean(level)
        spread[i] = np.sqrt(np.nanmean(residual**2))
    return np.asarray(scores / np.maximum(spread, np.finfo(np.float64).tiny))


def _gains(judged_on: Callable[[Rows], Model], base: Floats, updates: Floats, task: tuple[Rows, Rows]) -> Values:
    """What some of the updates improve on some rows, shape (trainers,). task: the rows, and whose updates."""
    rows, trainers = task
    return np.asarray(loss_deltas(judged_on(rows), base, updates[trainers]).mean(axis=1))


def moving_average(before: float, score: float) -> float:
    """A trainer's standing after a round with this uniqueness score; a newcomer's standing is 0."""
    return (1 - _LATEST) * before + _LATEST * max(-_MOST, min(_MOST, score))
