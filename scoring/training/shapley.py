"""Shapley values for many players, estimated with a standard error; and the game of a round of training."""

from dataclasses import dataclass
from functools import partial
from itertools import combinations
from math import comb

import numpy as np

from scoring.shapley import Coalitions, Game
from scoring.training.errors import TooFewPairsError
from scoring.training.models import CHUNK, Floats, Mapper, Model, Rows, Values

# Parts of the sample that are left out in turn to see how much the estimate varies.
_PARTS = 10
# So many coalitions are evaluated at once.
_AT_ONCE = 16 * CHUNK


@dataclass(frozen=True)
class Estimate:
    """Values and how far off each is likely to be, shape (players,) each."""

    values: Values
    standard_errors: Values


def kernel_shapley(game: Game, players: int, *, pairs: int, seed: int) -> Estimate:
    """Shapley values from at most `2 * pairs + 2` coalitions, with the standard error of each.

    Lundberg and Lee, "A Unified Approach to Interpreting Model Predictions" (2017), theorem 2: the values are the
    weighted least squares fit of an additive game, held to the worth of all players. Coalitions come with their
    complements (Covert and Lee, "Improving KernelSHAP", 2021); sizes are spread evenly over their weights, and a size
    that is not listed whole is filled by cutting up orders of the players, so that everyone is drawn equally often. The
    standard error is that of a jackknife over tenths of the drawn pairs; 0 where all coalitions are listed.

    seed: from 0 to 2**32 - 1. Raises TooFewPairsError where the fit could be undetermined.
    """
    if players == 1:
        ends = np.asarray(game(np.array([[False], [True]])), dtype=np.float64)
        return Estimate(ends[1:] - ends[:1], np.zeros(1))
    if pairs < 2 * players:
        raise TooFewPairsError(pairs, 2 * players)
    half, weights, drawn = _pairs(players, pairs, seed)
    members = np.concatenate([half, ~half, np.zeros((1, players), np.bool_), np.ones((1, players), np.bool_)])
    worth = np.asarray(game(members), dtype=np.float64)
    nothing, total = worth[-2], worth[-1] - worth[-2]
    design, gains = members[:-2].astype(np.float64), worth[:-2] - nothing
    fitted = _fit(design, gains, total, weights)
    parts = min(_PARTS, drawn)
    if parts < 2:
        return Estimate(fitted, np.zeros(players))
    part = np.concatenate([np.full(len(half) - drawn, -1), np.arange(drawn) % parts])
    without = np.array([_fit(design, gains, total, weights * (part != k)) for k in range(parts)])
    spread = (parts - 1) / parts * ((without - without.mean(axis=0)) ** 2).sum(axis=0)
    return Estimate(fitted, np.sqrt(spread))


def reconstruction_game(model: Model, base: Floats, updates: Floats, weights: Floats, mapper: Mapper = map) -> Game:
    """The game in which a coalition is worth the mean loss that the weighted mean of its updates removes.

    Song, Tong, Wei, "Profit Allocation for Federated Learning" (2019): the coalition's model is put together from the
    updates of the round instead of trained again. weights: (n,), above zero. Nobody is worth nothing.
    """

    def worth(members: Coalitions) -> Floats:
        mixtures = members * weights
        mixtures /= np.maximum(mixtures.sum(axis=1, keepdims=True), np.finfo(mixtures.dtype).tiny)
        mixtures = mixtures.astype(updates.dtype, copy=False)
        parts = [mixtures[first : first + _AT_ONCE] for first in range(0, len(mixtures), _AT_ONCE)]
        losses = np.concatenate(list(mapper(partial(_mean_losses, model, base, updates), parts)))
        return np.asarray(_mean_losses(model, base, updates[:1], np.zeros((1, 1), updates.dtype)) - losses)

    return worth


def _mean_losses(model: Model, base: Floats, updates: Floats, mixtures: Floats) -> Values:
    return np.asarray(model.losses(base, updates, mixtures).mean(axis=1, dtype=np.float64))


def _pairs(players: int, pairs: int, seed: int) -> tuple[Coalitions, Values, int]:
    """One coalition of each pair (pairs, players), the weight of each pair (pairs,), and how many were drawn.

    Small sizes, which weigh most, are listed whole as long as a fair part of the budget suffices for that; the drawn
    pairs come last. There are fewer than `pairs` where all are listed.
    """
    sizes = np.arange(1, players // 2 + 1)
    mass = (1 + (2 * sizes != players)) / (sizes * (players - sizes))
    listed: list[Coalitions] = []
    weights: list[Values] = []
    budget = pairs
    for size in sizes.tolist():
        chosen = list(combinations(range(players), size)) if comb(players, size) <= 2 * budget else []
        if 2 * size == players:
            chosen = chosen[: len(chosen) // 2]  # the others are their complements
        if not chosen or budget * mass[size - 1] / mass[size - 1 :].sum() < len(chosen):
            break
        members = np.zeros((len(chosen), players), np.bool_)
        members[np.arange(len(chosen))[:, None], chosen] = True
        listed.append(members)
        weights.append(np.full(len(chosen), mass[size - 1] / len(chosen)))
        budget -= len(chosen)
    else:
        return np.concatenate(listed), np.concatenate(weights), 0
    left = mass[size - 1 :]
    listed.append(_drawn(players, sizes[size - 1 :], left / left.sum(), budget, seed))
    weights.append(np.full(budget, left.sum() / budget))
    return np.concatenate(listed), np.concatenate(weights), budget


def _drawn(players: int, sizes: Rows, shares: Values, pairs: int, seed: int) -> Coalitions:
    """One coalition of each pair (pairs, players): sizes by their shares, spread evenly."""
    random = np.random.RandomState(seed)  # the one generator of numpy whose stream is frozen
    place = np.searchsorted(np.cumsum(shares), (np.arange(pairs) + random.uniform()) / pairs)
    chosen = sizes[np.minimum(place, len(sizes) - 1)]
    members = np.zeros((pairs, players), np.bool_)
    for size in np.unique(chosen):
        rows = np.flatnonzero(chosen == size)
        each = players // size
        orders = [random.permutation(players)[: each * size].reshape(each, size) for _ in range(-(-len(rows) // each))]
        members[rows[:, None], np.concatenate(orders)[: len(rows)]] = True
    return members


def _fit(design: Values, gains: Values, total: np.float64, weights: Values) -> Values:
    """Least squares for `design @ values = gains` with `values.sum() = total`: the last player takes the rest.

    design: coalitions and then their complements. weights: of each pair.
    """
    root = np.sqrt(np.tile(weights, 2))
    reduced = (design[:, :-1] - design[:, -1:]) * root[:, None]
    values = np.linalg.lstsq(reduced, (gains - design[:, -1] * total) * root)[0]
    return np.append(values, total - values.sum())
