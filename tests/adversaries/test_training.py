"""Rounds of training with three attackers among ten: the chosen rules keep the model, and pay the honest."""

from functools import cache

import numpy as np
import pytest

from scoring.training import rounds
from scoring.training.aggregation import mean
from scoring.training.models import Floats, Rows
from verifier.training.simulation import (
    ALL_ATTACKS,
    LABEL_FLIP,
    LAZY,
    Dataset,
    Outcome,
    digits_dataset,
    dirichlet_split,
    even_split,
    simulate,
)

TRAINERS, ATTACKERS, ROUNDS = 10, 3, 8
SPLITS = ["even", "uneven"]
# A lazy trainer does work, and is paid for what it adds. A copier under noise is caught by its standing in most rounds.
UNPAID = [attack for attack in ALL_ATTACKS if attack not in (LAZY, "copy with noise")]


@cache
def parts(split: str) -> tuple[Dataset, tuple[Rows, ...]]:
    data = digits_dataset()
    dealt = even_split(data, TRAINERS, 0) if split == "even" else dirichlet_split(data, TRAINERS, 0.1, 0)
    return data, tuple(dealt)


@cache
def play(split: str, *attacks: str) -> Outcome:
    """The honest trainers first, then the attackers."""
    data, dealt = parts(split)
    honest = TRAINERS - ATTACKERS
    return simulate(data, dealt[: honest + len(attacks)], [None] * honest + list(attacks), rounds=ROUNDS)


def attackers_pay(outcome: Outcome) -> float:
    return sum(outcome.paid[TRAINERS - ATTACKERS :]) / ROUNDS


@pytest.mark.parametrize("attack", ALL_ATTACKS)
@pytest.mark.parametrize("split", SPLITS)
def test_training__thirty_percent_attack__accuracy_within_two_points(split: str, attack: str) -> None:
    assert play(split, *[attack] * ATTACKERS).accuracy >= play(split).accuracy - 0.02


@pytest.mark.parametrize("attack", UNPAID)
@pytest.mark.parametrize("split", SPLITS)
def test_training__thirty_percent_attack__is_not_paid(split: str, attack: str) -> None:
    outcome = play(split, *[attack] * ATTACKERS)
    assert attackers_pay(outcome) < 0.005
    assert min(outcome.paid[: TRAINERS - ATTACKERS]) > 0


@pytest.mark.parametrize("split", SPLITS)
def test_training__copies_under_noise__earn_a_fraction_of_honest_work(split: str) -> None:
    assert attackers_pay(play(split, *["copy with noise"] * ATTACKERS)) < 0.05


@pytest.mark.parametrize(
    "attacks",
    [("sign flip", LABEL_FLIP, "copy"), ("ALIE", "scaled", "free rider"), ("DMPA-like", "DMPA-like", "noise")],
)
@pytest.mark.parametrize("split", SPLITS)
def test_training__mixtures__neither_harm_nor_pay(split: str, attacks: tuple[str, ...]) -> None:
    outcome = play(split, *attacks)
    assert outcome.accuracy >= play(split).accuracy - 0.02
    assert attackers_pay(outcome) < 0.01


def test_training__without_commitment_order__a_copy_takes_the_pay(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the order of commitments is for: here all count as committed to at once, and the copies are named first."""
    data, dealt = parts("even")
    attacks = ["copy"] * ATTACKERS + [None] * (TRAINERS - ATTACKERS)

    def no_order(updates: Floats, committed: list[int]) -> Rows:
        return original(updates, [0] * len(committed))

    original = rounds.duplicate_clusters
    with_order = simulate(data, dealt, attacks, rounds=2)
    monkeypatch.setattr(rounds, "duplicate_clusters", no_order)
    without = simulate(data, dealt, attacks, rounds=2)
    victims = slice(ATTACKERS, 2 * ATTACKERS)
    assert sum(with_order.paid[:ATTACKERS]) == 0 < sum(with_order.paid[victims])
    assert sum(without.paid[victims]) == 0


def test_training__without_assigned_data__copies_under_noise_are_paid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "PAID_STANDING", -np.inf)
    data, dealt = parts("even")
    attacks = [None] * (TRAINERS - ATTACKERS) + ["copy with noise"] * ATTACKERS
    assert attackers_pay(simulate(data, dealt, attacks, rounds=ROUNDS)) > 0.08


def test_training__plain_mean_of_everything__is_led_astray(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without clipping, without values: the mean of what came in."""
    data, dealt = parts("even")
    attacks = [None] * (TRAINERS - ATTACKERS) + ["scaled"] * ATTACKERS
    monkeypatch.setattr(rounds, "clipped", lambda updates: updates)
    monkeypatch.setattr(rounds, "exact_shapley", lambda game, players: np.ones(players))
    monkeypatch.setattr(rounds, "loss_deltas", lambda model, base, updates, mapper: np.ones((len(updates), 1)))
    assert simulate(data, dealt, attacks, rounds=4, aggregation=mean).accuracy < 0.5
