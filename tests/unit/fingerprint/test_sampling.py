"""The registered sampling rule draws from the softmax, and its margins see tokens that it did not draw."""

import math

import numpy as np
import pytest

from verifier.fingerprint.sampling import MarginLimits, SamplingRule

LOGITS = np.array([2.0, 1.0, 0.0, -1.0], dtype=np.float32)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_choose__many_steps__frequencies_of_the_softmax(temperature: float) -> None:
    rule = SamplingRule(temperature)
    steps = 20_000
    tokens = rule.choose(np.tile(LOGITS, (steps, 1)), rule.noise(7, range(steps), 4))
    expected = np.exp(LOGITS / temperature) / np.exp(LOGITS / temperature).sum()
    counts = np.bincount(tokens, minlength=4)
    # Chi-square with three degrees of freedom: 21 is exceeded once in 10,000 seeds.
    assert np.sum((counts - steps * expected) ** 2 / (steps * expected)) < 21


def test_choose__zero_temperature__greedy() -> None:
    rule = SamplingRule(0.0)
    tokens = rule.choose(np.tile(LOGITS, (50, 1)), rule.noise(3, range(50), 4))
    assert set(tokens.tolist()) == {0}


def test_noise__same_seed_and_step__same_whatever_the_range() -> None:
    rule = SamplingRule(1.0)
    assert np.array_equal(rule.noise(9, range(2, 4), 300), rule.noise(9, range(6), 300)[2:4])
    assert not np.array_equal(rule.noise(9, range(1), 300), rule.noise(10, range(1), 300))


def test_margins__tokens_of_the_rule__zero_and_others_positive() -> None:
    rule = SamplingRule(0.8)
    logits, noise = np.tile(LOGITS, (100, 1)), rule.noise(1, range(100), 4)
    chosen = rule.choose(logits, noise)
    assert rule.margins(logits, noise, chosen).tolist() == [0.0] * 100
    assert rule.margins(logits, noise, (chosen + 1) % 4).min() > 0


def test_margins__another_seed_or_temperature__seen() -> None:
    rule = SamplingRule(0.8)
    logits = np.random.default_rng(0).standard_normal((64, 256)).astype(np.float32)
    noise = rule.noise(1, range(64), 256)
    limits = MarginLimits(mean=0.01, peak=0.05)
    assert limits.consistent(rule.margins(logits, noise, rule.choose(logits, noise)))
    for cheat, seed in ((rule, 2), (SamplingRule(1.2), 1), (SamplingRule(0.0), 1)):
        tokens = cheat.choose(logits, cheat.noise(seed, range(64), 256))
        assert not limits.consistent(rule.margins(logits, noise, tokens))


def test_limits__one_planted_token__refused_by_the_peak_alone() -> None:
    margins = np.zeros(1000)
    limits = MarginLimits(mean=0.02, peak=0.05)
    assert limits.consistent(margins)
    margins[17] = 4.0
    assert margins.mean() < limits.mean
    assert not limits.consistent(margins)


def test_limits__every_token_a_little_off__refused_by_the_mean_alone() -> None:
    margins = np.full(1000, 0.04)
    limits = MarginLimits(mean=0.02, peak=0.05)
    assert margins.max() < limits.peak
    assert not limits.consistent(margins)


@pytest.mark.parametrize("temperature", [-0.1, math.nan, math.inf])
def test_rule__impossible_temperature__refused(temperature: float) -> None:
    with pytest.raises(ValueError, match="temperature"):
        SamplingRule(temperature)


@pytest.mark.parametrize(("mean", "peak"), [(-1.0, 1.0), (2.0, 1.0), (0.0, math.inf), (math.nan, 1.0)])
def test_limits__impossible__refused(mean: float, peak: float) -> None:
    with pytest.raises(ValueError, match="margin limits"):
        MarginLimits(mean, peak)
