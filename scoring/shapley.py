"""Exact Shapley values of a game with few players."""

from collections.abc import Callable
from math import comb, fsum
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Coalitions: TypeAlias = NDArray[np.bool_]
# What coalitions, shape (m, players), are worth, shape (m,).
Game: TypeAlias = Callable[[Coalitions], NDArray[np.floating[Any]]]

EXACT_PLAYERS = 14


class TooManyPlayersError(ValueError):
    def __init__(self, players: int, limit: int) -> None:
        super().__init__(
            f"exact values of {players} players need 2**{players} evaluations, more than for {limit}; "
            "use kernel_shapley above that"
        )


def exact_shapley(game: Game, players: int) -> NDArray[np.float64]:
    """Shapley values, shape (players,), from one call with all `2**players` coalitions.

    Shapley, "A Value for n-Person Games" (1953): the mean of what a player adds over all orders of arrival. The sums
    are rounded once, so they do not depend on their order. Raises TooManyPlayersError above EXACT_PLAYERS.
    """
    if players > EXACT_PLAYERS:
        raise TooManyPlayersError(players, EXACT_PLAYERS)
    numbers = np.arange(2**players)
    members = (numbers[:, None] >> np.arange(players)) & 1 == 1
    worth = np.asarray(game(members), dtype=np.float64)
    sizes = members.sum(axis=1)
    share = np.array([1 / (players * comb(players - 1, size)) for size in range(players)])
    return np.array(
        [
            fsum(
                (share[sizes[~members[:, player]]] * (worth[members[:, player]] - worth[~members[:, player]])).tolist()
            )
            for player in range(players)
        ]
    )
