"""Measures of a ranking, against closed forms and against ir_measures."""

from math import log2

import ir_measures
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.retrieval.metrics import ndcg, recall, reciprocal_rank

ITEMS = [f"d{number}" for number in range(12)]
GRADES = st.dictionaries(st.sampled_from(ITEMS), st.integers(0, 4), min_size=1)
RANKINGS = st.lists(st.sampled_from(ITEMS), unique=True, min_size=1)


def test_ndcg__second_best_first__closed_form() -> None:
    assert ndcg(["b", "a"], {"a": 3, "b": 1}, 10) == pytest.approx((1 + 3 / log2(3)) / (3 + 1 / log2(3)))


def test_ndcg__grade_below_zero__counts_as_not_relevant() -> None:
    assert ndcg(["spam", "a"], {"spam": -2, "a": 1}, 10) == pytest.approx(1 / log2(3))


def test_measures__nothing_relevant__are_zero() -> None:
    assert ndcg(["a"], {"a": 0}, 10) == reciprocal_rank(["a"], {}) == recall(["a"], {"b": -1}, 10) == 0


def test_reciprocal_rank__third__is_a_third() -> None:
    assert reciprocal_rank(["a", "b", "c"], {"c": 1}) == pytest.approx(1 / 3)


@given(RANKINGS, GRADES, st.integers(1, 12))
def test_measures__any_ranking__equal_to_those_of_ir_measures(
    ranking: list[str], grades: dict[str, int], depth: int
) -> None:
    run = {"q": {item: float(len(ranking) - place) for place, item in enumerate(ranking)}}
    measures = [ir_measures.nDCG @ depth, ir_measures.RR, ir_measures.R @ depth]
    known = ir_measures.calc_aggregate(measures, {"q": grades}, run)
    assert ndcg(ranking, grades, depth) == pytest.approx(known[measures[0]], abs=1e-9)
    assert reciprocal_rank(ranking, grades) == pytest.approx(known[measures[1]], abs=1e-9)
    assert recall(ranking, grades, depth) == pytest.approx(known[measures[2]], abs=1e-9)
