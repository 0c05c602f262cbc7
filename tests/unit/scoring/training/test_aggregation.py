"""Every rule against what it promises, and the mean against what it does not."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.training.aggregation import (
    Aggregation,
    BristleGate,
    Krum,
    TrimmedMean,
    centered_clip,
    coordinate_median,
    fools_gold,
    mean,
)

ROBUST: list[Aggregation] = [coordinate_median, TrimmedMean(), Krum(), centered_clip]
EVERY = [mean, *ROBUST]


def updates(honest: int, bad: int, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """Honest updates around ones, and others in the opposite direction; the honest mean."""
    random = np.random.default_rng(0)
    good = 1 + 0.1 * random.standard_normal((honest, 40))
    return np.concatenate([good, -scale * good[:bad]]), good.mean(axis=0)


@pytest.mark.parametrize("rule", ROBUST)
@pytest.mark.parametrize("scale", [1.0, 10.0, 1e6])
def test_robust_rules__thirty_percent_reversed__stay_with_the_honest(rule: Aggregation, scale: float) -> None:
    sent, honest = updates(7, 3, scale)
    assert np.linalg.norm(rule(sent) - honest) < 0.35 * np.linalg.norm(honest)


def test_mean__one_large_update__goes_anywhere() -> None:
    sent, honest = updates(9, 1, 1e6)
    assert np.linalg.norm(mean(sent) - honest) > 1000 * np.linalg.norm(honest)


@pytest.mark.parametrize("rule", EVERY)
def test_rules__all_agree__what_they_agree_on(rule: Aggregation) -> None:
    assert rule(np.tile(np.arange(4.0), (6, 1))) == pytest.approx(np.arange(4.0))


@pytest.mark.parametrize("rule", EVERY)
@given(order=st.permutations(range(10)))
def test_rules__another_order__same_result(rule: Aggregation, order: list[int]) -> None:
    sent, _ = updates(7, 3, 2.0)
    assert rule(sent[order]) == pytest.approx(rule(sent), abs=1e-12)


def test_krum__is_one_of_the_updates() -> None:
    sent, _ = updates(7, 3, 10.0)
    assert any((Krum()(sent) == update).all() for update in sent[:7])


@pytest.mark.parametrize("rule", EVERY)
@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_rules__few_updates__still_one(rule: Aggregation, count: int) -> None:
    """How many are left depends on strangers: a round must not fail over it."""
    sent = np.arange(3.0 * count).reshape(count, 3)
    found = rule(sent)
    assert ((sent.min(axis=0) <= found) & (found <= sent.max(axis=0))).all()


def test_bristle_gate__harmful_class__is_kept_out_of_its_column_only() -> None:
    """Update 0 recalls class 0 better and class 1 far worse; what is no output column stays."""

    def recalls(sent: np.ndarray) -> np.ndarray:
        return np.array([[0.5, 0.9] if not update.any() else [0.9, 0.1] for update in sent])

    found = BristleGate(recalls, np.array([0, 1, -1]))(np.array([[1.0, 1.0, 1.0]]))
    assert found[0] > 0.1
    assert found[1] < 0.1 * found[0]
    assert found[2] == 0


def test_fools_gold__sybils_push_one_way__weigh_less_than_the_diverse() -> None:
    random = np.random.default_rng(0)
    sybils = np.ones(30) + 0.01 * random.standard_normal((4, 30))
    weights = fools_gold(np.concatenate([random.standard_normal((4, 30)), sybils]))
    assert weights[:4].min() > weights[4:].max()
