"""A whole round: who takes part, who is paid, and that nothing but the arguments matters."""

import pickle
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.training import loss_scores, perceptron, rounds, shapley
from scoring.training.filters import Refusal
from scoring.training.models import Floats, Rows
from scoring.training.payout import payout
from scoring.training.perceptron import Perceptron
from scoring.training.rounds import Update, Valuation, value_round
from verifier.training.local_update import descend, initial_parameters

# Trainers that have shown that they train on what is assigned to them.
KNOWN = 10.0


@dataclass(frozen=True)
class Classroom:
    """A model on 240 samples of three classes, and the honest updates of five trainers."""

    model: Perceptron
    base: Floats
    updates: list[Update]
    samples: Rows


@pytest.fixture(scope="module")
def classroom() -> Classroom:
    random = np.random.default_rng(3)
    labels = random.integers(0, 3, 240)
    features = random.standard_normal((240, 6)) + 3 * np.eye(3, 6)[labels]
    model = Perceptron((6, 8, 3), features, labels)
    base = initial_parameters(model, 0)
    updates = []
    for i in range(5):
        assigned = np.arange(20 * i, 20 * (i + 1))
        updates.append(Update(f"trainer {i}", descend(model, base, assigned, random), i, assigned))
    return Classroom(model, base, updates, np.arange(120, 240))


def valued(classroom: Classroom, updates: list[Update], **changes: object) -> Valuation:
    standing = {update.trainer: KNOWN for update in updates}
    return value_round(classroom.model.on, classroom.samples, classroom.base, updates, standing, seed=1, **changes)


def test_value_round__honest_trainers__all_paid_and_the_model_is_better(classroom: Classroom) -> None:
    valuation = valued(classroom, classroom.updates)
    assert set(payout(valuation.values, 1000)) == {update.trainer for update in classroom.updates}
    model, nothing = classroom.model.on(classroom.samples), np.zeros((1, 1))
    before, after = (
        model.losses(parameters, np.zeros((1, model.size)), nothing).mean()
        for parameters in (classroom.base, valuation.parameters)
    )
    assert after < before - 0.1


@given(st.permutations(range(5)))
@settings(max_examples=10)
def test_value_round__another_order__same_bytes(classroom: Classroom, order: list[int]) -> None:
    first, second = (
        valued(classroom, updates) for updates in (classroom.updates, [classroom.updates[i] for i in order])
    )
    assert first.parameters.tobytes() == second.parameters.tobytes()
    assert first.values == second.values


def test_value_round__another_batch_size__same_shares(classroom: Classroom, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = payout(valued(classroom, classroom.updates).values, 10**18)
    monkeypatch.setattr(perceptron, "CHUNK", 3)
    assert payout(valued(classroom, classroom.updates).values, 10**18) == expected


def shipped(function: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
    """A mapper whose function and items go to another machine and back, the last first."""
    sent = [pickle.dumps((function, item)) for item in items]
    return [work(item) for work, item in map(pickle.loads, reversed(sent))][::-1]


@pytest.mark.parametrize("exact", [14, 2])
def test_value_round__on_other_machines__same_bits(
    classroom: Classroom, exact: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rounds, "EXACT_PLAYERS", exact)
    monkeypatch.setattr(shapley, "_AT_ONCE", 4)
    monkeypatch.setattr(loss_scores, "CHUNK", 2)
    here, there = (valued(classroom, classroom.updates, mapper=mapper) for mapper in (map, shipped))
    assert there.values == here.values
    assert there.parameters.tobytes() == here.parameters.tobytes()
    assert {name: deltas.tobytes() for name, deltas in there.loss_deltas.items()} == {
        name: deltas.tobytes() for name, deltas in here.loss_deltas.items()
    }


def test_value_round__coalitions_in_any_parts__same_shares(
    classroom: Classroom, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = payout(valued(classroom, classroom.updates).values, 10**18)
    monkeypatch.setattr(shapley, "_AT_ONCE", 5)
    assert payout(valued(classroom, classroom.updates).values, 10**18) == expected


@pytest.mark.parametrize("names", [["7", "", "é", "0x0", "7 "], ["1", "3", "4", "7", "9"]])
def test_value_round__any_names__same_values(classroom: Classroom, names: list[str]) -> None:
    renamed = [replace(update, trainer=name) for update, name in zip(classroom.updates, names, strict=True)]
    expected, found = valued(classroom, classroom.updates).values, valued(classroom, renamed).values
    assert [found[name] for name in names] == pytest.approx(
        [expected[update.trainer] for update in classroom.updates], abs=1e-12
    )


def test_value_round__one_trainer__its_whole_gain(classroom: Classroom) -> None:
    valuation = valued(classroom, classroom.updates[:1])
    assert payout(valuation.values, 77) == {"trainer 0": 77}
    assert valuation.parameters == pytest.approx(classroom.base + classroom.updates[0].delta)


def test_value_round__nobody__nothing_changes(classroom: Classroom) -> None:
    valuation = valued(classroom, [])
    assert (valuation.values, payout(valuation.values, 5)) == ({}, {})
    assert valuation.parameters.tobytes() == classroom.base.tobytes()


def test_value_round__no_gain__nobody_is_paid(classroom: Classroom) -> None:
    nothing = [replace(update, delta=np.zeros_like(update.delta)) for update in classroom.updates]
    valuation = valued(classroom, nothing)
    assert payout(valuation.values, 5) == {}
    assert valuation.parameters.tobytes() == classroom.base.tobytes()


def test_value_round__all_harm__nobody_is_paid_and_the_model_stays(classroom: Classroom) -> None:
    valuation = valued(classroom, [replace(update, delta=-update.delta) for update in classroom.updates])
    assert max(valuation.values.values()) <= 0
    assert payout(valuation.values, 5) == {}
    assert valuation.parameters.tobytes() == classroom.base.tobytes()


def test_value_round__not_finite_or_too_old__refused_with_the_reason(classroom: Classroom) -> None:
    broken = replace(classroom.updates[0], delta=np.full_like(classroom.updates[0].delta, np.nan))
    old = replace(classroom.updates[1], rounds_behind=5)
    valuation = valued(classroom, [broken, old, *classroom.updates[2:]])
    assert valuation.refused == {"trainer 0": Refusal.NOT_FINITE, "trainer 1": Refusal.STALE}
    assert np.isfinite(valuation.parameters).all()


def test_value_round__late_update__is_discounted(classroom: Classroom) -> None:
    late = [replace(classroom.updates[0], rounds_behind=2), *classroom.updates[1:]]
    assert valued(classroom, late).values["trainer 0"] < valued(classroom, classroom.updates).values["trainer 0"]


def test_value_round__same_update_under_many_names__earns_what_one_does(classroom: Classroom) -> None:
    mine = classroom.updates[0]
    names = [replace(mine, trainer=f"sybil {i}", committed=10 + i, delta=(1 + i) * mine.delta) for i in range(4)]
    alone, split = valued(classroom, classroom.updates), valued(classroom, [*classroom.updates, *names])
    assert split.values == alone.values
    assert split.parameters.tobytes() == alone.parameters.tobytes()
    assert split.refused == {update.trainer: Refusal.DUPLICATE for update in names}


def test_value_round__copy_committed_later__the_original_is_paid(classroom: Classroom) -> None:
    """Even one whose name comes first."""
    thief = replace(classroom.updates[0], trainer="a thief", committed=99)
    valuation = valued(classroom, [thief, *classroom.updates])
    assert valuation.refused == {"a thief": Refusal.DUPLICATE}
    assert valuation.values["trainer 0"] > 0


def test_value_round__harmful_updates__are_not_aggregated(classroom: Classroom) -> None:
    poisoned = replace(classroom.updates[0], delta=-classroom.updates[0].delta)
    with_poison = valued(classroom, [poisoned, *classroom.updates[1:]])
    without = valued(classroom, classroom.updates[1:])
    assert with_poison.values["trainer 0"] < 0
    assert with_poison.parameters == pytest.approx(without.parameters, abs=0.05)


def test_value_round__trained_on_other_data__is_not_paid(classroom: Classroom) -> None:
    """Good updates whose trainers did not train on what was assigned: they help the model and are paid nothing."""
    swapped = [
        replace(update, assigned=np.arange(100 + 4 * i, 104 + 4 * i)) for i, update in enumerate(classroom.updates)
    ]
    arguments = (classroom.model.on, classroom.samples, classroom.base)
    newcomers = value_round(*arguments, swapped, {}, seed=1)
    honest = value_round(*arguments, classroom.updates, {}, seed=1)
    assert len(payout(honest.values, 1000)) >= 4
    assert len(payout(newcomers.values, 1000)) <= 2


def test_value_round__long_update__counts_no_more_than_one_of_median_length(classroom: Classroom) -> None:
    long, longer = (
        valued(
            classroom, [replace(classroom.updates[0], delta=scale * classroom.updates[0].delta), *classroom.updates[1:]]
        )
        for scale in (100, 10_000)
    )
    assert list(long.values.values()) == pytest.approx(list(longer.values.values()), abs=1e-9)
    assert np.linalg.norm(long.parameters - classroom.base) < 2 * np.linalg.norm(classroom.updates[1].delta)


def test_value_round__too_many_for_exact_values__close_to_them(
    classroom: Classroom, monkeypatch: pytest.MonkeyPatch
) -> None:
    exact = valued(classroom, classroom.updates).values
    monkeypatch.setattr(rounds, "EXACT_PLAYERS", 4)
    monkeypatch.setattr(rounds, "_PAIRS", 2)
    assert valued(classroom, classroom.updates).values == pytest.approx(exact, abs=0.05)
    assert valued(classroom, classroom.updates).values != exact


def test_value_round__large_round__what_harms_to_first_order_is_not_tried(
    classroom: Classroom, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three of five turned round: the two others are all that is left of the game, whose values are exact then."""
    sent = [replace(update, delta=-update.delta) for update in classroom.updates[:3]] + classroom.updates[3:]
    expected = valued(classroom, classroom.updates[3:]).values
    monkeypatch.setattr(rounds, "EXACT_PLAYERS", 4)
    valuation = valued(classroom, sent)
    assert {name: valuation.values[name] for name in expected} == pytest.approx(expected, rel=0.1)
    assert max(valuation.values[update.trainer] for update in sent[:3]) < 0
    monkeypatch.setattr(rounds, "kernel_shapley", None)
    assert valued(classroom, sent).values == valuation.values


@pytest.mark.parametrize("coalitions", [22, 31, 32])
def test_value_round__coalitions_are_bounded__no_more_are_evaluated(classroom: Classroom, coalitions: int) -> None:
    """Not even where exact values would need more."""
    evaluated: list[int] = []

    def counting(function: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
        items = list(items)
        if isinstance(function, partial) and function.func is shapley._mean_losses:
            evaluated.extend(map(len, items))
        return [function(item) for item in items]

    exact = valued(classroom, classroom.updates)
    valuation = valued(classroom, classroom.updates, coalitions=coalitions, mapper=counting)
    assert 0 < sum(evaluated) <= coalitions
    assert valuation.values == pytest.approx(exact.values, abs=0.05)
    assert (valuation.values == exact.values) == (coalitions == 32)


def test_value_round__large_round_of_harm_alone__nobody_is_paid(
    classroom: Classroom, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rounds, "EXACT_PLAYERS", 4)
    valuation = valued(classroom, [replace(update, delta=-update.delta) for update in classroom.updates])
    assert payout(valuation.values, 5) == {}
    assert valuation.parameters.tobytes() == classroom.base.tobytes()
