"""Calibration: what conformal bounds promise, and the profiles that it must refuse to make."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.models.calibration import (
    CalibrationTerms,
    LeafSample,
    clear_gap,
    conformal_lower,
    conformal_upper,
    fit_fingerprint,
)
from verifier.models.demonstration import DemonstrationModels
from verifier.models.errors import CalibrationError

TERMS = CalibrationTerms(false_alarm=0.05, words=2)


def samples(count: int, noise: float, seed: int) -> list[LeafSample]:
    """Leaves whose provider is `noise` away from two verifiers that are a tenth of that away from each other."""
    random = np.random.default_rng(seed)

    def near(
        trace: np.ndarray[tuple[int, ...], np.dtype[np.float32]], distance: float
    ) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
        return (trace + distance * random.standard_normal(trace.shape)).astype(np.float32)

    leaves = []
    for index in range(count):
        trace = random.standard_normal((40, 16)).astype(np.float32)
        verifiers = near(trace, noise / 10), near(trace, noise / 10)
        leaves.append(LeafSample.draw(index, near(trace, noise), verifiers, TERMS.chunk_rows))
    return leaves


@given(values=st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60), rate=st.floats(0.02, 0.9))
def test_conformal_upper__any_values__few_enough_lie_above(values: list[float], rate: float) -> None:
    try:
        bound = conformal_upper(values, rate)
    except CalibrationError:
        # No bound of this rate exists when even the largest value is exceeded with probability 1 / (n + 1) > rate.
        assert 1 / (len(values) + 1) > rate - 1e-9
        return
    assert bound in values
    # Of n + 1 exchangeable values, no more than a share `rate` may lie beyond.
    assert sum(value > bound for value in values) <= rate * (len(values) + 1)


def test_conformal_upper__many_draws__promised_coverage() -> None:
    random = np.random.default_rng(0)
    beyond = 0
    for _ in range(2000):
        drawn = random.standard_exponential(40)
        beyond += drawn[-1] > conformal_upper(drawn[:-1].tolist(), 0.1)
    # Expected 200 with a standard deviation of 13.
    assert beyond < 200 + 5 * 13


def test_conformal_lower__mirror_image() -> None:
    values = [5.0, 1.0, 3.0]
    assert conformal_lower(values, 0.5) == -conformal_upper([-value for value in values], 0.5) == 3.0


def test_fit__separable_cheat__bands_in_order_and_honest_leaves_inside() -> None:
    fit = fit_fingerprint(samples(80, 0.01, 1), {"cheat": samples(80, 0.05, 2)}, TERMS)
    bands, report = fit.bands, fit.report
    assert 0 <= bands.tau < bands.hard
    assert report.honest.share_above(bands.soft) == 0
    assert report.cheats["cheat"].share_above(bands.hard) == 1
    assert report.honest.total == report.verifiers.total == report.cheats["cheat"].total == 40


def test_fit__closest_cheat__decides_the_bands() -> None:
    far, near = samples(80, 0.5, 2), samples(80, 0.04, 3)
    alone = fit_fingerprint(samples(80, 0.01, 1), {"far": far}, TERMS)
    both = fit_fingerprint(samples(80, 0.01, 1), {"far": far, "near": near}, TERMS)
    assert both.report.cheats["near"].share_above(both.bands.hard) == 1
    assert both.lattice.fine_width < alone.lattice.fine_width


def test_fit__overlapping_bands__refused() -> None:
    with pytest.raises(CalibrationError, match="overlap"):
        fit_fingerprint(samples(80, 0.01, 1), {"cheat": samples(80, 0.011, 2)}, TERMS)


def test_fit__honest_runs_bit_for_bit_alike__refused() -> None:
    leaves = [replace(leaf, provider=leaf.verifier) for leaf in samples(80, 0.01, 1)]
    with pytest.raises(CalibrationError, match="bit for bit"):
        fit_fingerprint(leaves, {"cheat": samples(80, 0.05, 2)}, TERMS)


@pytest.mark.parametrize(("honest", "cheat"), [(39, 80), (80, 39)])
def test_fit__too_few_runs_for_the_rate__refused(honest: int, cheat: int) -> None:
    with pytest.raises(CalibrationError, match="at least 40 runs"):
        fit_fingerprint(samples(honest, 0.01, 1), {"cheat": samples(cheat, 0.05, 2)}, TERMS)


def test_fit__nothing_to_tell_from__refused() -> None:
    with pytest.raises(CalibrationError, match="at least one cheaper model"):
        fit_fingerprint(samples(80, 0.01, 1), {}, TERMS)


def test_profile__small_gpt__reports_both_kinds_of_cheats(models: DemonstrationModels) -> None:
    profile = models.registered.manifest.profile()
    assert set(profile.report.cheats) == {"int8", "small"}
    assert all(histogram.share_above(profile.bands.hard) == 1 for histogram in profile.report.cheats.values())
    assert profile.report.token_cheats["small"] > 0.95
    assert profile.report.honest.share_above(profile.bands.soft) == 0


def test_clear_gap__closest_cheat_that_is_twice_as_far__and_none_nearer() -> None:
    honest = [float(i) for i in range(1, 41)]
    near, far, farther = ([offset + value for value in honest] for offset in (30.0, 90.0, 200.0))
    assert clear_gap(honest, [farther, near, far], 0.05) == (39.0, 92.0)
    with pytest.raises(CalibrationError, match="no limit lies safely between"):
        clear_gap(honest, [near], 0.05)
