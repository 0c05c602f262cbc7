"""A round of training, valued: from the opened updates to everyone's value and the next parameters."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from scoring.shapley import EXACT_PLAYERS, exact_shapley
from scoring.training.aggregation import Aggregation, centered_clip
from scoring.training.filters import Refusal, clipped, duplicate_clusters, finite, sync_score
from scoring.training.loss_scores import loss_deltas
from scoring.training.models import Floats, Model, Rows
from scoring.training.shapley import kernel_shapley, reconstruction_game
from scoring.training.uniqueness import PAID_STANDING, moving_average, uniqueness

# Pairs of coalitions for each player above EXACT_PLAYERS.
_PAIRS = 20


@dataclass(frozen=True)
class Update:
    """What one trainer sends: the difference of its parameters to the round's, shape (d,).

    committed: order of the commitments, lower is earlier. assigned: rows of the job's data. rounds_behind: how many
    rounds ago the parameters were current that it started from.
    """

    trainer: str
    delta: Floats
    committed: int
    assigned: Rows
    rounds_behind: int = 0


@dataclass(frozen=True)
class Valuation:
    """What a round was worth.

    values: of every trainer that took part. refused: why the others did not. standing: the moving average of everyone's
    uniqueness, for the next round. loss_deltas: per sample, shape (samples,), of every trainer that took part.
    """

    values: dict[str, float]
    refused: dict[str, Refusal]
    standing: dict[str, float]
    loss_deltas: dict[str, Floats]
    parameters: Floats


def value_round(
    judged_on: Callable[[Rows], Model],
    samples: Rows,
    base: Floats,
    updates: Sequence[Update],
    standing: Mapping[str, float],
    *,
    seed: int,
    aggregation: Aggregation = centered_clip,
) -> Valuation:
    """Filter, compare, value, gate and aggregate the updates of one round.

    A function of its arguments alone; the order of `updates` does not matter. A trainer is paid for what its update
    adds to the others' on `samples`, unless it does harm by itself or its standing says that it does not train on the
    data assigned to it. Only updates that do good, alone and with others, are aggregated; where there are none, the
    parameters stay.

    judged_on: the model on some of the rows. samples: rows that decide what an update is worth. base: (d,).
    standing: as of the round before; a trainer that is not in it is new. seed: from 0 to 2**32 - 1.
    """
    updates = sorted(updates, key=lambda update: update.trainer)
    refused = _refused(updates)
    kept = [update for update in updates if update.trainer not in refused]
    if not kept:
        return Valuation({}, refused, dict(standing), {}, base)
    deltas = np.array([update.delta for update in kept])
    first = duplicate_clusters(deltas, [update.committed for update in kept])
    refused |= {update.trainer: Refusal.DUPLICATE for i, update in enumerate(kept) if first[i] != i}
    alone = np.flatnonzero(first == np.arange(len(kept)))
    kept = [kept[i] for i in alone]
    deltas = clipped(deltas[alone]) * np.array([[sync_score(update.rounds_behind)] for update in kept])

    names = [update.trainer for update in kept]
    scores = uniqueness(judged_on, base, deltas, [update.assigned for update in kept])
    after = dict(standing) | {
        name: moving_average(standing.get(name, 0.0), score) for name, score in zip(names, scores.tolist(), strict=True)
    }
    model = judged_on(samples)
    game = reconstruction_game(model, base, deltas, np.ones(len(kept)))
    if len(kept) <= EXACT_PLAYERS:
        worth = exact_shapley(game, len(kept))
    else:
        worth = kernel_shapley(game, len(kept), pairs=_PAIRS * len(kept), seed=seed).values
    deltas_of_loss = loss_deltas(model, base, deltas)
    useful = (worth > 0) & (deltas_of_loss.mean(axis=1) > 0)
    paid = useful & np.array([after[name] >= PAID_STANDING for name in names])
    return Valuation(
        values=dict(zip(names, np.where(paid, worth, np.minimum(worth, 0)).tolist(), strict=True)),
        refused=refused,
        standing=after,
        loss_deltas=dict(zip(names, deltas_of_loss, strict=True)),
        parameters=base + aggregation(deltas[useful]) if useful.any() else base,
    )


def _refused(updates: Sequence[Update]) -> dict[str, Refusal]:
    refused = {update.trainer: Refusal.NOT_FINITE for update in updates if not finite(update.delta[None])[0]}
    stale = {update.trainer: Refusal.STALE for update in updates if sync_score(update.rounds_behind) == 0}
    return stale | refused
