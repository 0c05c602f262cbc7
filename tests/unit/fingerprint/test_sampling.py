"""The registered sampling rule draws from the softmax, and its margins see tokens that it did not draw."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

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


@pytest.mark.parametrize(
    ("temperature", "top_p", "nucleus"), [(1.0, 0.6, 1), (1.0, 0.8, 2), (1.0, 0.95, 3), (2.0, 0.6, 2)]
)
def test_choose__top_p__frequencies_of_the_softmax_over_the_nucleus(
    temperature: float, top_p: float, nucleus: int
) -> None:
    rule = SamplingRule(temperature, top_p)
    steps = 20_000
    tokens = rule.choose(np.tile(LOGITS, (steps, 1)), rule.noise(7, range(steps), 4))
    expected = np.exp(LOGITS[:nucleus] / temperature) / np.exp(LOGITS[:nucleus] / temperature).sum()
    counts = np.bincount(tokens)
    assert counts.size == nucleus
    # Chi-square with at most two degrees of freedom: 19 is exceeded once in 10,000 seeds.
    assert np.sum((counts - steps * expected) ** 2 / (steps * expected)) < 19


def test_choose__small_top_p_or_greedy__most_probable_token() -> None:
    for rule in (SamplingRule(1.0, 1e-9), SamplingRule(0.0, 0.9)):
        assert set(rule.choose(np.tile(LOGITS, (50, 1)), rule.noise(3, range(50), 4)).tolist()) == {0}


def test_choose__equal_logits_at_the_edge_of_the_nucleus__all_in_it() -> None:
    rule = SamplingRule(1.0, 0.6)
    logits = np.array([0.0, 1.0, 0.0, -9.0], dtype=np.float32)
    assert set(rule.choose(np.tile(logits, (200, 1)), rule.noise(3, range(200), 4)).tolist()) == {0, 1, 2}


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


def near_ties(seed: int) -> NDArray[np.float32]:
    """Logits of 40 steps on a coarse grid, so that many a token is level with another or just at the nucleus' edge."""
    random = np.random.default_rng(seed)
    logits: NDArray[np.float64] = random.integers(-8, 8, (40, 24)) / 4 + random.choice([0, 0.01], (40, 24))
    return logits.astype(np.float32)


@settings(deadline=None)
@given(
    seed=st.integers(0, 2**32),
    temperature=st.sampled_from([0.0, 0.3, 1.0, 3.0]),
    top_p=st.floats(0.05, 1.0),
    noise_level=st.sampled_from([0.001, 0.02, 0.3]),
)
def test_margins__provider_with_nearby_logits__at_most_twice_their_difference(
    seed: int, temperature: float, top_p: float, noise_level: float
) -> None:
    """What the calibrated limits rest on, at the edge of the nucleus as elsewhere."""
    rule, ours = SamplingRule(temperature, top_p), near_ties(seed)
    random = np.random.default_rng(seed + 1)
    theirs = (ours + noise_level * random.uniform(-1, 1, ours.shape)).astype(np.float32)
    noise = rule.noise(seed, range(len(ours)), ours.shape[1])
    margins = rule.margins(ours, noise, rule.choose(theirs, noise))
    assert (margins <= 2 * np.abs(ours - theirs).max(axis=1) + 1e-6).all()


@settings(deadline=None)
@given(seed=st.integers(0, 2**32), top_p=st.floats(0.05, 1.0))
def test_margins__top_p__zero_for_the_choice_and_for_nothing_else(seed: int, top_p: float) -> None:
    rule, logits = SamplingRule(1.0, top_p), near_ties(seed)
    noise = rule.noise(seed, range(len(logits)), logits.shape[1])
    chosen = rule.choose(logits, noise)
    tokens = np.random.default_rng(seed).integers(0, logits.shape[1], len(logits))
    assert ((rule.margins(logits, noise, tokens) == 0) == (tokens == chosen)).all()


def test_margins__token_outside_the_nucleus__least_of_what_could_have_brought_it_in() -> None:
    """Token 1 by the odds of the 0.8 before it against those of p = 0.7, token 2 by coming level with token 1."""
    rule = SamplingRule(2.0, 0.7)
    logits = (2.0 * np.log([[0.8, 0.15, 0.05]])).astype(np.float32)
    noise = np.array([[0.0, 50.0, 100.0]])
    margins = [float(rule.margins(logits, noise, np.array([token]))[0]) for token in range(3)]
    odds = math.log(0.8 / 0.2) - math.log(0.7 / 0.3)
    assert margins == pytest.approx([0.0, 2.0 * odds, 2.0 * math.log(3)], rel=1e-5)


def test_margins__better_token_at_the_edge_of_the_nucleus__at_most_what_could_have_put_it_outside() -> None:
    """The nucleus of p = 0.81 takes in token 1, which is the best by far; with the odds of 0.8 it would not."""
    rule = SamplingRule(1.0, 0.81)
    logits = np.log([[0.8, 0.15, 0.05]]).astype(np.float32)
    margins = rule.margins(logits, np.array([[0.0, 50.0, 0.0]]), np.array([0]))
    assert margins == pytest.approx([math.log(0.81 / 0.19) - math.log(0.8 / 0.2)], rel=1e-4)


def test_margins__provider_that_ignores_top_p_or_cuts_elsewhere__seen() -> None:
    rule = SamplingRule(1.0, 0.9)
    logits = 3 * np.random.default_rng(0).standard_normal((256, 64)).astype(np.float32)
    noise = rule.noise(1, range(256), 64)
    limits = MarginLimits(mean=0.01, peak=0.05)
    assert limits.consistent(rule.margins(logits, noise, rule.choose(logits, noise)))
    for cheat in (SamplingRule(1.0), SamplingRule(1.0, 0.5), SamplingRule(1.0, 0.95)):
        assert not limits.consistent(rule.margins(logits, noise, cheat.choose(logits, noise)))


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


@pytest.mark.parametrize("top_p", [0.0, -0.5, 1.01, math.nan])
def test_rule__impossible_top_p__refused(top_p: float) -> None:
    with pytest.raises(ValueError, match="top-p"):
        SamplingRule(1.0, top_p)


@pytest.mark.parametrize(("mean", "peak"), [(-1.0, 1.0), (2.0, 1.0), (0.0, math.inf), (math.nan, 1.0)])
def test_limits__impossible__refused(mean: float, peak: float) -> None:
    with pytest.raises(ValueError, match="margin limits"):
        MarginLimits(mean, peak)
