"""The paper's findings, on a forum small enough for every test run."""

import importlib.util
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def experiment():
    path = Path(__file__).parents[3] / "benchmarks" / "sybil_experiment.py"
    spec = importlib.util.spec_from_file_location("sybil_experiment", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def forum(experiment):
    return experiment.synthetic_forum(users=200, edges=2_000, weeks=20)


def test_transitivity_decay__higher_stop__less_gain(experiment, forum):
    gains = [experiment.gain(forum, 20, stop=stop) for stop in (0.15, 0.4, 0.5, 0.8)]
    assert gains == sorted(gains, reverse=True)
    assert all(gain <= (1 - stop) / stop for gain, stop in zip(gains, (0.15, 0.4, 0.5, 0.8), strict=True))


def test_connectivity_decay__higher_decay__less_gain_and_none_at_one(experiment, forum):
    gains = [experiment.gain(forum, 20, bridge_decay=decay) for decay in (0, 0.5, 0.9, 1)]
    assert gains[0] > gains[1] > gains[2] > gains[3] == 0


def test_number_of_sybils__more__bounded_unlike_maximum_flow(experiment, forum):
    few, many = (experiment.gain(forum, count) for count in (20, 50))
    assert few < many <= 1.5
    assert many / few < 1.1
    few, many = (experiment.max_flow_gain(forum, count) for count in (20, 50))
    assert many / few > 1.5


def test_epoch_decay__does_not_lower_the_gain(experiment, forum):
    gains = [experiment.gain(forum, 20, epoch_decay=decay) for decay in (0, 0.5, 0.9)]
    assert gains == sorted(gains)


def test_figure__same_experiments__same_picture(experiment):
    lines = [(name, [0.0, 0.1, 0.2, 0.3, 0.4]) for name in "abcd"]
    picture = experiment.figure([("title", lines)] * 4)
    assert picture == experiment.figure([("title", lines)] * 4)
    assert picture.count("<polyline") == 16
