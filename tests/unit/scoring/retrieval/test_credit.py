"""What sources added to an answer."""

from collections.abc import Collection

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.retrieval.credit import agreement, agreement_game, feedback_credit, ranking_game, source_credits
from scoring.retrieval.errors import TooManySourcesError
from scoring.retrieval.merging import Passage
from scoring.retrieval.metrics import ndcg
from scoring.retrieval.reliability import USUAL_CREDIT

SOURCES = ["a", "b", "c"]
RANKINGS = st.lists(
    st.builds(Passage, st.sampled_from(SOURCES), st.sampled_from([b"1", b"2", b"3", b"4"]), st.floats(0, 1)),
    max_size=8,
)


def credited(ranking: list[Passage], grades: dict[bytes, int], depth: int = 2) -> dict[str, float]:
    return source_credits(SOURCES, ranking_game(SOURCES, ranking, grades, depth=depth))


def test_source_credits__only_one_has_the_passage__gets_all() -> None:
    ranking = [Passage("a", b"good", 0.9)]
    assert credited(ranking, {b"good": 1}) == pytest.approx({"a": 1, "b": 0, "c": 0})


def test_source_credits__polluting_source__has_a_negative_value() -> None:
    ranking = [Passage("b", b"bad", 0.9), Passage("a", b"good", 0.8)]
    found = credited(ranking, {b"good": 1}, depth=1)
    assert found == pytest.approx({"a": 0.5, "b": -0.5, "c": 0})


def test_source_credits__same_passage_from_two__is_shared() -> None:
    ranking = [Passage("a", b"good", 0.9), Passage("b", b"good", 0.9)]
    assert credited(ranking, {b"good": 1}) == pytest.approx({"a": 0.5, "b": 0.5, "c": 0})


@given(RANKINGS, st.dictionaries(st.sampled_from([b"1", b"2", b"3", b"4"]), st.integers(0, 4)))
def test_source_credits__any_ranking__sum_to_the_worth_of_all(ranking: list[Passage], grades: dict[bytes, int]) -> None:
    whole = ndcg(list(dict.fromkeys(passage.digest for passage in ranking)), grades, 2)
    found = credited(ranking, grades)
    assert sum(found.values()) == pytest.approx(whole, abs=1e-9)
    assert all(abs(value) <= 1 for value in found.values())


def test_source_credits__more_than_six__are_refused_before_any_evaluation() -> None:
    def never(members: object) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        raise AssertionError

    with pytest.raises(TooManySourcesError, match="more than the 6"):
        source_credits(list("abcdefg"), never)


@pytest.mark.parametrize(
    ("correct", "grounded", "covers", "expected"),
    [
        (True, True, True, 0.4),
        (False, True, True, -0.4),
        (True, False, True, -USUAL_CREDIT),
        (True, False, False, 0.0),
        (False, False, True, 0.0),
        (False, False, False, 0.0),
    ],
)
def test_feedback_credit__each_case(correct: bool, grounded: bool, covers: bool, expected: float) -> None:
    assert feedback_credit(correct, 0.4, grounded=grounded, covers=covers) == expected


def test_agreement__of_two_answers__counts_shared_words() -> None:
    assert agreement("Made of steel.", "made OF steel") == 1
    assert agreement("steel", "made of steel") == pytest.approx(0.5)
    assert agreement("cheese", "made of steel") == 0
    assert agreement("", "made of steel") == 0
    assert agreement("", "...") == 1


@given(st.text(alphabet="ab ", max_size=8), st.text(alphabet="ab ", max_size=8))
def test_agreement__either_way__is_the_same_part(first: str, second: str) -> None:
    assert agreement(first, second) == agreement(second, first)
    assert 0 <= agreement(first, second) <= 1


def test_agreement_game__only_one_source_matters__has_all_of_the_value() -> None:
    def answer(coalition: Collection[str]) -> str:
        return "steel" if "b" in coalition else "no idea"

    assert source_credits(SOURCES, agreement_game(SOURCES, answer)) == pytest.approx({"a": 0, "b": 1, "c": 0})


def test_agreement_game__either_of_two_suffices__they_share() -> None:
    def answer(coalition: Collection[str]) -> str:
        return "steel" if {"a", "c"} & set(coalition) else "no idea"

    assert source_credits(SOURCES, agreement_game(SOURCES, answer)) == pytest.approx({"a": 0.5, "b": 0, "c": 0.5})
