"""What a new source starts with."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.retrieval.errors import InvalidRankError
from scoring.retrieval.priors import LEAST, MOST, prior_reliability

RANKS = st.floats(0, 1)


def test_prior__stranger_and_proven_owner__ends_of_the_range() -> None:
    assert prior_reliability(0, 0.1) == LEAST
    assert prior_reliability(0.05, 0.1) == pytest.approx((LEAST + MOST) / 2)
    assert prior_reliability(0.1, 0.1) == prior_reliability(0.7, 0.1) == pytest.approx(MOST)


@given(RANKS, RANKS, st.floats(0.01, 1))
def test_prior__rank_split_over_two_owners__neither_starts_higher(one: float, other: float, reference: float) -> None:
    whole = prior_reliability(one + other, reference)
    assert max(prior_reliability(one, reference), prior_reliability(other, reference)) <= whole


@pytest.mark.parametrize(("rank", "reference"), [(-1, 1), (1, 0), (float("nan"), 1), (1, float("inf"))])
def test_prior__impossible_ranks__are_refused(rank: float, reference: float) -> None:
    with pytest.raises(InvalidRankError):
        prior_reliability(rank, reference)
