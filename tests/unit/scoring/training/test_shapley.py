"""Exact values against closed forms and axioms; estimates against exact values."""

from itertools import permutations
from math import factorial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from scoring.shapley import Coalitions, Game, TooManyPlayersError, exact_shapley
from scoring.training.errors import TooFewPairsError
from scoring.training.models import StackedModel, Values
from scoring.training.shapley import kernel_shapley, reconstruction_game

PLAYERS = 5
WORTHS = arrays(np.float64, 2**PLAYERS, elements=st.floats(-100, 100))


def table_game(worth: Values) -> Game:
    def game(members: Coalitions) -> Values:
        return worth[members @ (1 << np.arange(members.shape[1]))]

    return game


def gloves(members: Coalitions) -> Values:
    """The first two players have a left glove each, the others a right one; a pair is worth 1."""
    return np.minimum(members[:, :2].sum(axis=1), members[:, 2:].sum(axis=1)).astype(np.float64)


def test_exact_shapley__glove_market_of_three__closed_form() -> None:
    values = exact_shapley(lambda members: np.minimum(members[:, 0], members[:, 1:].any(axis=1)).astype(float), 3)
    assert values == pytest.approx([2 / 3, 1 / 6, 1 / 6], abs=1e-9)


@pytest.mark.parametrize("players", [1, 2, 7, 14])
def test_exact_shapley__airport__closed_form(players: int) -> None:
    """Littlechild and Owen (1973): each stretch of the runway is shared by those who need it."""
    costs = np.arange(1, players + 1, dtype=np.float64)
    values = exact_shapley(lambda members: (members * costs).max(axis=1), players)
    stretches = np.diff(costs, prepend=0) / np.arange(players, 0, -1)
    assert values == pytest.approx(np.cumsum(stretches), abs=1e-9)


def test_exact_shapley__weighted_majority__closed_form() -> None:
    """One player with 3 votes and four with 1, quota 4: the large one is pivotal unless it comes first or last."""
    votes = np.array([3, 1, 1, 1, 1])
    values = exact_shapley(lambda members: (members @ votes >= 4).astype(np.float64), 5)
    assert values == pytest.approx([3 / 5] + [1 / 10] * 4, abs=1e-9)


def test_exact_shapley__unanimity__equal_parts() -> None:
    assert exact_shapley(lambda members: members.all(axis=1).astype(float), 9) == pytest.approx([1 / 9] * 9, abs=1e-9)


@given(WORTHS)
def test_exact_shapley__any_game__is_efficient(worth: Values) -> None:
    assert exact_shapley(table_game(worth), PLAYERS).sum() == pytest.approx(worth[-1] - worth[0], abs=1e-9)


@given(WORTHS, st.permutations(range(PLAYERS)))
def test_exact_shapley__players_renamed__values_follow(worth: Values, order: list[int]) -> None:
    game = table_game(worth)
    renamed = exact_shapley(lambda members: game(members[:, np.argsort(order)]), PLAYERS)
    assert renamed == pytest.approx(exact_shapley(game, PLAYERS)[order], abs=1e-9)


@given(WORTHS)
def test_exact_shapley__player_that_adds_nothing__is_worth_nothing(worth: Values) -> None:
    game = table_game(worth)
    values = exact_shapley(lambda members: game(members & (np.arange(PLAYERS) != 2)), PLAYERS)
    assert values[2] == pytest.approx(0, abs=1e-9)


@given(WORTHS, WORTHS)
def test_exact_shapley__sum_of_games__sum_of_values(first: Values, second: Values) -> None:
    both = exact_shapley(table_game(first + second), PLAYERS)
    assert both == pytest.approx(
        exact_shapley(table_game(first), PLAYERS) + exact_shapley(table_game(second), PLAYERS), abs=1e-9
    )


def test_exact_shapley__small_game__mean_over_all_orders() -> None:
    worth = np.random.default_rng(0).standard_normal(16)
    expected = np.zeros(4)
    for order in permutations(range(4)):
        present = 0
        for player in order:
            expected[player] += worth[present | 1 << player] - worth[present]
            present |= 1 << player
    assert exact_shapley(table_game(worth), 4) == pytest.approx(expected / factorial(4), abs=1e-9)


def test_exact_shapley__fifteen_players__says_what_to_use() -> None:
    with pytest.raises(TooManyPlayersError, match="kernel_shapley"):
        exact_shapley(gloves, 15)


@given(arrays(np.float64, 20, elements=st.floats(-10, 10)))
def test_kernel_shapley__additive_game__exact(worth: Values) -> None:
    found = kernel_shapley(lambda members: members @ worth, 20, pairs=60, seed=0)
    assert found.values == pytest.approx(worth, abs=1e-8)
    assert found.standard_errors == pytest.approx(0, abs=1e-8)


@pytest.mark.parametrize("players", [2, 3, 6, 7])
def test_kernel_shapley__enough_for_all_coalitions__exact(players: int) -> None:
    game = table_game(np.random.default_rng(players).standard_normal(2**players))
    found = kernel_shapley(game, players, pairs=2 ** (players - 1) + 2 * players, seed=0)
    assert found.values == pytest.approx(exact_shapley(game, players), abs=1e-9)
    assert found.standard_errors == pytest.approx(0)


def test_kernel_shapley__one_player__takes_all() -> None:
    assert kernel_shapley(lambda members: 3 * members[:, 0] + 1.0, 1, pairs=1, seed=0).values == pytest.approx([3])


def test_kernel_shapley__any_seed__is_efficient_and_repeats() -> None:
    first, second = (kernel_shapley(gloves, 12, pairs=60, seed=5) for _ in range(2))
    assert first.values.sum() == pytest.approx(2, abs=1e-9)
    assert first.values.tobytes() == second.values.tobytes()


def test_kernel_shapley__standard_error__is_what_estimates_vary_by() -> None:
    game = table_game(np.random.default_rng(1).standard_normal(2**8).cumsum())
    exact = exact_shapley(game, 8)
    found = [kernel_shapley(game, 8, pairs=40, seed=seed) for seed in range(200)]
    error = np.sqrt(np.mean([(estimate.values - exact) ** 2 for estimate in found]))
    told = np.sqrt(np.mean([estimate.standard_errors**2 for estimate in found]))
    assert 0.6 < told / error < 1.8


def test_kernel_shapley__too_few_pairs__says_how_many() -> None:
    with pytest.raises(TooFewPairsError, match="40"):
        kernel_shapley(gloves, 20, pairs=39, seed=0)


def test_reconstruction_game__quadratic_loss__worth_of_the_weighted_mean() -> None:
    """The loss `(parameter - 1)**2` from 0: a coalition is worth what its weighted mean removes."""
    model = StackedModel(lambda stack: (stack - 1) ** 2)
    game = reconstruction_game(model, np.zeros(1), np.array([[1.0], [0.0]]), np.array([3.0, 1.0]))
    members = np.array([[False, False], [True, False], [False, True], [True, True]])
    assert game(members) == pytest.approx([0, 1, 0, 1 - (3 / 4 - 1) ** 2])
