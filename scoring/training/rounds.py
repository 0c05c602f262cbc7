"""A round of training, valued: from the opened updates to everyone's value and the next parameters."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from scoring.shapley import EXACT_PLAYERS, exact_shapley
from scoring.training.aggregation import Aggregation, centered_clip
from scoring.training.filters import Refusal, clipped, duplicate_clusters, finite, sync_score
from scoring.training.loss_scores import first_order_influence, loss_deltas
from scoring.training.models import DifferentiableModel, Floats, Mapper, Rows, Values
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
    judged_on: Callable[[Rows], DifferentiableModel],
    samples: Rows,
    base: Floats,
    updates: Sequence[Update],
    standing: Mapping[str, float],
    *,
    seed: int,
    aggregation: Aggregation = centered_clip,
    coalitions: int = 2**30,
    mapper: Mapper = map,
) -> Valuation:
    """Filter, compare, value, gate and aggregate the updates of one round.

    A function of its arguments alone; the order of `updates` does not matter. A trainer is paid for what its update
    adds to the others' on `samples`, unless it does harm by itself or its standing says that it does not train on the
    data assigned to it. Only updates that do good, alone and with others, are aggregated; where there are none, the
    parameters stay.

    judged_on: the model on some of the rows. samples: rows that decide what an update is worth. base: (d,).
    standing: as of the round before; a trainer that is not in it is new. seed: from 0 to 2**32 - 1. coalitions: so
    many may be evaluated, at least four for each update and two. mapper: over the workers that evaluate models.
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
    scores = uniqueness(judged_on, base, deltas, [update.assigned for update in kept], mapper)
    after = dict(standing) | {
        name: moving_average(standing.get(name, 0.0), score) for name, score in zip(names, scores.tolist(), strict=True)
    }
    model = judged_on(samples)
    worth = _worth(model, base, deltas, seed, coalitions, mapper)
    deltas_of_loss = loss_deltas(model, base, deltas, mapper)
    useful = (worth > 0) & (deltas_of_loss.mean(axis=1) > 0)
    paid = useful & np.array([after[name] >= PAID_STANDING for name in names])
    return Valuation(
        values=dict(zip(names, np.where(paid, worth, np.minimum(worth, 0)).tolist(), strict=True)),
        refused=refused,
        standing=after,
        loss_deltas=dict(zip(names, deltas_of_loss, strict=True)),
        parameters=base + aggregation(deltas[useful]) if useful.any() else base,
    )


def _worth(
    model: DifferentiableModel, base: Floats, deltas: Floats, seed: int, coalitions: int, mapper: Mapper
) -> Values:
    """Shapley values of the updates, shape (n,).

    Where there are too many for exact ones, those that raise the loss to first order are left out of the game, and
    worth what they do to it.
    """

    def is_exact(count: int) -> bool:
        return count <= EXACT_PLAYERS and 2**count <= coalitions

    worth = np.zeros(len(deltas))
    players = np.arange(len(deltas))
    if not is_exact(len(players)):
        worth = first_order_influence(model.gradient(base), deltas)
        players = np.flatnonzero(worth > 0)
    if not players.size:
        return worth
    game = reconstruction_game(model, base, deltas[players], np.ones(len(players)), mapper)
    if is_exact(len(players)):
        worth[players] = exact_shapley(game, len(players))
    else:
        pairs = min(_PAIRS * len(players), coalitions // 2 - 1)
        worth[players] = kernel_shapley(game, len(players), pairs=pairs, seed=seed).values
    return worth


def _refused(updates: Sequence[Update]) -> dict[str, Refusal]:
    refused = {update.trainer: Refusal.NOT_FINITE for update in updates if not finite(update.delta[None])[0]}
    stale = {update.trainer: Refusal.STALE for update in updates if sync_score(update.rounds_behind) == 0}
    return stale | refused
