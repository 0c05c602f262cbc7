"""What is learned from answers, and what follows from it."""

from copy import deepcopy

import numpy as np
import pytest

from scoring.retrieval import Passage, Shown, Standings
from scoring.retrieval.errors import InvalidCreditError

GOOD, BAD, SILENT = Passage("good", b"1", 0.8), Passage("bad", b"2", 0.82), Passage("silent", b"3", 0.1)
EVERYONE = [GOOD, BAD, SILENT]


def known() -> Standings:
    return Standings({"good": 0.5, "bad": 0.5, "silent": 0.5})


def answers(standings: Standings, count: int) -> None:
    """Answers that rest on what is ranked first, right if that is the good source's; the second says something else."""
    for _ in range(count):
        first, second = standings.ranked(EVERYONE)[:2]
        standings.learn(EVERYONE, [Shown(first, True, 0.4), Shown(second, False, 0.05)], correct=first is GOOD)


def test_ranked__nothing_learned__by_relevance() -> None:
    assert known().ranked(EVERYONE) == [BAD, GOOD, SILENT]


def test_ranked__prior_of_a_stranger__comes_after_a_proven_owner() -> None:
    assert Standings({"good": 0.5, "bad": 0.1, "silent": 0.5}).ranked(EVERYONE)[0] is GOOD


def test_learn__fifty_answers__the_reliable_source_is_first_and_asked_first() -> None:
    standings = known()
    answers(standings, 50)
    assert standings.ranked(EVERYONE) == [GOOD, BAD, SILENT]
    assert standings.choose(2, np.random.default_rng(0))[0] == "good"
    assert standings.evidence["good"].reliability > 0.9
    assert standings.evidence["bad"].reliability < 0.3


def test_learn__best_source_turns_bad__one_that_is_unknown_is_first_within_ten_answers() -> None:
    standings, two = Standings({"good": 0.5, "new": 0.5}), [GOOD, Passage("new", b"4", 0.8)]
    for _ in range(1000):
        standings.learn(two, [Shown(GOOD, True, 0.35)], correct=True)
    assert standings.ranked(two)[0] is GOOD
    for _ in range(10):
        standings.learn(two, [Shown(GOOD, True, 0.35)], correct=False)
    assert standings.ranked(two)[0] is two[1]


def test_learn__no_reference__moves_usefulness_and_not_reliability() -> None:
    standings = known()
    before = dict(standings.evidence)
    standings.learn(EVERYONE, [Shown(BAD, True, 0.9), Shown(GOOD, False, 0.1)], correct=None)
    assert standings.evidence == before
    assert standings.usefulness["bad"].value > 0.5 > standings.usefulness["good"].value


def test_learn__wrong_answer__is_no_help() -> None:
    standings = known()
    standings.learn(EVERYONE, [Shown(BAD, True, 0.9)], correct=False)
    assert standings.usefulness["bad"].value < 0.5


def test_learn__source_not_asked__keeps_everything() -> None:
    standings = known()
    standings.learn([GOOD], [Shown(GOOD, True, 0.5)], correct=True)
    assert standings.usefulness["bad"] == known().usefulness["bad"]
    assert standings.evidence["bad"] == known().evidence["bad"]


def test_learn__irrelevant_passage_beside_a_right_answer__is_not_blamed() -> None:
    standings = known()
    standings.learn(EVERYONE, [Shown(GOOD, True, 0.5), Shown(SILENT, False, 0.05)], correct=True)
    assert standings.evidence["silent"].reliability == 0.5


def test_learn__impossible_importance__nothing_has_changed() -> None:
    standings = known()
    before = deepcopy(vars(standings))
    with pytest.raises(InvalidCreditError):
        standings.learn(EVERYONE, [Shown(GOOD, True, 0.5), Shown(BAD, True, 7.0)], correct=True)
    assert vars(standings) == before
