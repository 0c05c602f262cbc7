"""The order of passages from sources of different standing."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.retrieval.errors import InvalidRelevanceError
from scoring.retrieval.reranking import GAP, Grounding, covering, rerank

UNITS = st.lists(st.floats(0, 1), min_size=1, max_size=6)


def ranked(relevances: list[float], standings: list[float], threshold: float) -> list[int]:
    return [int(place) for place in rerank(np.array(relevances), np.array(standings), threshold)]


def test_rerank__all_cover__by_standing() -> None:
    assert ranked([0.8, 0.7, 0.9], [0.2, 0.9, 0.5], 0.5) == [1, 2, 0]


def test_rerank__some_below_the_threshold__follow_by_relevance_however_reliable() -> None:
    assert ranked([0.3, 0.8, 0.4, 0.6], [0.95, 0.2, 0.9, 0.5], 0.55) == [3, 1, 2, 0]


def test_rerank__none_reaches_the_threshold__most_relevant_first() -> None:
    assert ranked([0.2, 0.3], [0.9, 0.1], 0.5) == [1, 0]


def test_rerank__far_behind_the_best__does_not_cover_even_above_the_threshold() -> None:
    assert ranked([0.95, 0.95 - GAP - 0.01], [0.1, 0.9], 0.0) == [0, 1]
    assert ranked([0.95, 0.95 - GAP + 0.01], [0.1, 0.9], 0.0) == [1, 0]


def test_rerank__equal_standing__more_relevant_first() -> None:
    assert ranked([0.7, 0.8], [0.5, 0.5], 0.5) == [1, 0]


@given(UNITS, st.floats(0, 1))
def test_rerank__any_passages__is_a_permutation_that_starts_with_covering_ones(
    relevances: list[float], threshold: float
) -> None:
    values = np.array(relevances)
    covers = covering(values, threshold)
    order = rerank(values, np.linspace(0, 1, len(values)), threshold)
    assert sorted(order.tolist()) == list(range(len(values)))
    assert covers[values.argmax()]
    assert covers[order].tolist() == sorted(covers.tolist(), reverse=True)


def test_rerank__nothing__is_nothing() -> None:
    assert ranked([], [], 0.5) == []


@pytest.mark.parametrize("relevance", [-0.1, 1.1, float("nan")])
def test_rerank__relevance_out_of_bounds__is_refused(relevance: float) -> None:
    with pytest.raises(InvalidRelevanceError):
        ranked([0.5, relevance], [0.5, 0.5], 0.5)
    with pytest.raises(InvalidRelevanceError):
        Grounding().after(relevance)


def test_grounding__many_relevances__threshold_by_their_mean_and_deviation() -> None:
    found, random = Grounding(), np.random.default_rng(0)
    for relevance in np.clip(random.normal(0.8, 0.08, 3000), 0, 1):
        found = found.after(float(relevance))
    assert found.threshold == pytest.approx(0.8 - 2.75 * 0.08, abs=0.03)


def test_grounding__at_first__two_passages_of_mean_a_half() -> None:
    assert Grounding().threshold == pytest.approx(0.5 - 2.75 * 0.2)
