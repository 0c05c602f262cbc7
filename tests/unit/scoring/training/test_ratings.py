"""Whom to ask again."""

import numpy as np
import pytest

from scoring.training.ratings import Ratings, RunningMeans


def test_ratings__noise_common_to_a_round__ranks_find_the_better_trainer() -> None:
    random, ratings = np.random.default_rng(0), Ratings()
    for _ in range(60):
        common = 10 * random.standard_normal()
        ratings.observe({"good": common + 0.5, "middle": common, "bad": common - 0.5})
    assert ratings.ordinal("good") > ratings.ordinal("middle") > ratings.ordinal("bad")


def test_ratings__newcomer__ranks_below_the_proven() -> None:
    ratings = Ratings()
    for _ in range(30):
        ratings.observe({"proven": 1.0, "other": 0.0})
    assert ratings.ordinal("proven") > ratings.ordinal("newcomer")


def test_ratings__round_of_one__says_nothing() -> None:
    ratings = Ratings()
    ratings.observe({"alone": 5.0})
    assert ratings.ordinal("alone") == ratings.ordinal("nobody")


def test_running_means__rounds__mean_of_those_taken_part_in() -> None:
    means = RunningMeans()
    means.observe({"a": 1.0, "b": 4.0})
    means.observe({"a": 2.0})
    assert (means.mean("a"), means.mean("b"), means.mean("c")) == pytest.approx((1.5, 4.0, 0.0))
