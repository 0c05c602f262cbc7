"""The sequential test keeps the error rates that it states, and decides where single leaves cannot."""

import math

import numpy as np
import pytest

from verifier.fingerprint.sequential import Decision, SequentialTest, _log_law

BITS = 512


def histogram(rate: float, leaves: int, seed: int) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    drawn = np.random.default_rng(seed).binomial(BITS, rate, size=leaves)
    return np.bincount(drawn, minlength=BITS + 1)


# Two laws that overlap widely: one leaf tells them apart in four of five cases.
TEST = SequentialTest.between(histogram(0.10, 2000, 1), histogram(0.125, 2000, 2), false_alarm=1e-3, miss=1e-2)


def decisions(rate: float, runs: int, leaves: int, seed: int) -> list[Decision]:
    drawn = np.random.default_rng(seed).binomial(BITS, rate, size=(runs, leaves))
    return [TEST.decide(run.tolist()) for run in drawn]


def test_decide__honest_contributors__false_alarms_within_the_stated_rate() -> None:
    found = decisions(0.10, 4000, 60, seed=3)
    # Expected at most 4; more than 14 would be five standard deviations.
    assert found.count(Decision.CHEAT) <= 14
    assert found.count(Decision.HONEST) > 3900


def test_decide__slightly_cheaper_model__caught_over_several_leaves() -> None:
    found = decisions(0.125, 2000, 60, seed=4)
    # Expected at most 20 misses.
    assert found.count(Decision.HONEST) <= 20 + 5 * 5
    assert found.count(Decision.CHEAT) > 1900


def test_decide__one_leaf__undecided_between_the_laws() -> None:
    assert TEST.decide([]) is Decision.UNDECIDED
    assert TEST.decide([57]) is Decision.UNDECIDED


def test_decide__one_leaf_far_beyond__cheat() -> None:
    assert TEST.decide([120]) is Decision.CHEAT


def test_law__any_histogram__is_a_probability_law_without_gaps() -> None:
    law = _log_law(histogram(0.1, 50, seed=5))
    assert np.isfinite(law).all()
    assert np.exp(law).sum() == pytest.approx(1)


@pytest.mark.parametrize("rates", [(0.0, 0.1), (0.1, 0.0), (0.5, 0.1), (0.1, math.nan)])
def test_rates__impossible__refused(rates: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="error rates"):
        SequentialTest(np.zeros(3), *rates)


def test_between__histograms_of_different_digests__refused() -> None:
    with pytest.raises(ValueError, match="same number of bits"):
        SequentialTest.between(np.ones(257, dtype=np.int64), np.ones(513, dtype=np.int64), 0.01, 0.01)
