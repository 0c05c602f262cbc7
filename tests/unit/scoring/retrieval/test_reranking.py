"""The order of passages from sources of different standing."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.retrieval.errors import InvalidRelevanceError
from scoring.retrieval.reranking import Grounding, Spread, covering, rerank

UNITS = st.lists(st.floats(0, 1), min_size=1, max_size=6)


def usual(relevance: float, behind: float) -> Grounding:
    """Grounding passages that were all this relevant and that far behind the best."""
    return Grounding(Spread(1, relevance, relevance**2), Spread(1, behind, behind**2))


def ranked(relevances: list[float], standings: list[float], relevance: float, behind: float = 1) -> list[int]:
    order = rerank(np.array(relevances), np.array(standings), usual(relevance, behind))
    return [int(place) for place in order]


def test_rerank__all_cover__by_standing() -> None:
    assert ranked([0.8, 0.7, 0.9], [0.2, 0.9, 0.5], 0.5) == [1, 2, 0]


def test_rerank__some_below_the_threshold__follow_by_relevance_however_reliable() -> None:
    assert ranked([0.3, 0.8, 0.4, 0.6], [0.95, 0.2, 0.9, 0.5], 0.55) == [3, 1, 2, 0]


def test_rerank__none_reaches_the_threshold__most_relevant_first() -> None:
    assert ranked([0.2, 0.3], [0.9, 0.1], 0.5) == [1, 0]


def test_rerank__further_behind_the_best_than_is_usual__does_not_cover() -> None:
    assert ranked([0.95, 0.5], [0.1, 0.9], 0.0, behind=0.4) == [0, 1]
    assert ranked([0.95, 0.6], [0.1, 0.9], 0.0, behind=0.4) == [1, 0]


def test_rerank__equal_standing__more_relevant_first() -> None:
    assert ranked([0.7, 0.8], [0.5, 0.5], 0.5) == [1, 0]


@given(UNITS, st.floats(0, 1), st.floats(0, 1))
def test_rerank__any_passages__is_a_permutation_that_starts_with_covering_ones(
    relevances: list[float], threshold: float, behind: float
) -> None:
    values = np.array(relevances)
    known = usual(threshold, behind)
    covers = covering(values, known)
    order = rerank(values, np.linspace(0, 1, len(values)), known)
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
        Grounding().after(relevance, 0.5)


def test_grounding__many_passages__bounds_by_mean_and_deviation() -> None:
    found, random = Grounding(), np.random.default_rng(0)
    for relevance in np.clip(random.normal(0.7, 0.05, 3000), 0, 0.9):
        found = found.after(float(relevance), 0.9)
    assert found.least(1.0) == pytest.approx(1 - 0.2 - 2.75 * 0.05, abs=0.03)
    assert found.least(0.7) == pytest.approx(0.7 - 2.75 * 0.05, abs=0.03)


def test_grounding__at_first__a_few_tenths_behind_the_best() -> None:
    assert Grounding().least(1.0) == pytest.approx(1 - 0.1 - 2.75 * 0.1)


def test_grounding__always_the_most_relevant__only_that_one_covers() -> None:
    found = Grounding()
    for _ in range(5000):
        found = found.after(0.8, 0.8)
    assert covering(np.array([0.9, 0.85]), found).tolist() == [True, False]
