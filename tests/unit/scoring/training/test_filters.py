"""Lengths, staleness and copies."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from scoring.training.filters import clipped, duplicate_clusters, finite, sync_score


def test_finite__nan_or_infinity_anywhere__false() -> None:
    assert finite(np.array([[1.0, 2.0], [np.nan, 0.0], [0.0, -np.inf]])).tolist() == [True, False, False]


@pytest.mark.parametrize(("behind", "expected"), [(0, 1.0), (1, 0.8**2.5), (3, 0.4**2.5), (5, 0.0), (50, 0.0)])
def test_sync_score__as_gauntlet_has_it(behind: int, expected: float) -> None:
    assert sync_score(behind) == pytest.approx(expected)


@given(arrays(np.float64, (7, 3), elements=st.integers(-1000, 1000)))
def test_clipped__any_updates__median_length_and_same_direction(updates: np.ndarray) -> None:
    found, lengths = clipped(updates), np.linalg.norm(updates, axis=1)
    assert np.linalg.norm(found, axis=1) == pytest.approx(np.minimum(lengths, np.median(lengths)), rel=1e-9)
    assert found * lengths[:, None] == pytest.approx(
        updates * np.linalg.norm(found, axis=1)[:, None], rel=1e-6, abs=1e-3
    )


def test_duplicate_clusters__copy__belongs_to_the_earlier_commitment() -> None:
    random = np.random.default_rng(0)
    original = random.standard_normal(50)
    updates = np.array([3 * original, random.standard_normal(50), original])
    assert duplicate_clusters(updates, [9, 1, 4]).tolist() == [2, 1, 2]


def test_duplicate_clusters__chain_of_small_changes__one_cluster() -> None:
    """Each is near to the next; the first and the last are at right angles."""
    angles = np.linspace(0, np.pi / 2, 7)
    updates = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    assert duplicate_clusters(updates, range(7)).tolist() == [0] * 7


def test_duplicate_clusters__zeros__are_no_copies() -> None:
    assert duplicate_clusters(np.zeros((3, 4)), [0, 1, 2]).tolist() == [0, 1, 2]


@given(st.permutations(range(5)))
def test_duplicate_clusters__another_order__same_clusters(order: list[int]) -> None:
    random = np.random.default_rng(1)
    first, second = random.standard_normal((2, 30))
    updates, committed = np.array([first, second, 2 * first, first, second]), [4, 3, 2, 1, 0]
    expected = duplicate_clusters(updates, committed)
    found = duplicate_clusters(updates[order], [committed[i] for i in order])
    assert [order[i] for i in found] == [expected[i] for i in order]
