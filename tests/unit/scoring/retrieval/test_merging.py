"""Answers of several sources in one list."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.retrieval.merging import Passage, first, fused, merged, normalised


def test_merged__two_sources__most_relevant_first_without_repetitions_of_a_source() -> None:
    low, high, other = Passage("a", b"x", 0.2), Passage("a", b"x", 0.6), Passage("b", b"x", 0.5)
    assert merged({"b": [other], "a": [low, high]}) == [high, other]


def test_merged__ties__do_not_depend_on_who_answered_first() -> None:
    first, second, third = Passage("a", b"x", 0.5), Passage("a", b"y", 0.5), Passage("b", b"a", 0.5)
    assert merged({"b": [third], "a": [second, first]}) == [first, second, third]
    assert merged({"a": [first, second], "b": [third]}) == [first, second, third]


def test_merged__identical_passages_in_one_answer__count_once() -> None:
    assert merged({"a": [Passage("a", b"x", 0.5), Passage("a", b"x", 0.5)]}) == [Passage("a", b"x", 0.5)]


def test_normalised__by_the_bound_and_not_by_the_best() -> None:
    assert normalised(np.array([0.5, 1.0]), 4.0) == pytest.approx([0.125, 0.25])
    assert normalised(np.array([0.0, 0.0]), 0.0) == pytest.approx([0, 0])


def test_fused__two_rankings__closed_form_and_ties_by_position() -> None:
    found = fused([np.array([3.0, 2.0, 1.0]), np.array([0.0, 5.0, 0.0])])
    assert found == pytest.approx([1 / 61 + 1 / 62, 1 / 62 + 1 / 61, 1 / 63 + 1 / 63])


# With many equal ones, and some that differ by less than what counts.
SCORES = st.lists(st.sampled_from([-1.0, -2e-6, 0.0, 1e-6, 1.2e-6, 0.5, 7.25, 31.0]), min_size=1, max_size=12)


@given(SCORES)
def test_fused__one_ranking__is_that_of_a_stable_sort(scores: list[float]) -> None:
    ranked = sorted(range(len(scores)), key=lambda place: (-round(scores[place], 6), place))
    found = fused([np.array(scores)])
    assert found == pytest.approx([1 / (61 + ranked.index(place)) for place in range(len(scores))])


@given(SCORES, st.integers(0, 14))
def test_first__of_some__is_the_beginning_of_a_stable_sort(scores: list[float], count: int) -> None:
    ranked = sorted(range(len(scores)), key=lambda place: (-scores[place], place))
    assert first(np.array(scores), count).tolist() == ranked[:count]
