"""The same numbers from several processes, one of which dies."""

import sys
from itertools import pairwise

import numpy as np
import pytest

from scoring.reputation import FeedbackGraph, MeritRank
from scoring.reputation.distributed import Block, RayVisits, cut
from scoring.reputation.errors import InvalidParameterError, MissingRayError
from scoring.reputation.transition import Transition
from scoring.reputation.visits import expected_visits


def random_graph() -> FeedbackGraph:
    rng = np.random.default_rng(6)
    source = rng.integers(0, 500, 4_000)
    return FeedbackGraph.from_arrays(source, (source + rng.integers(1, 500, 4_000)) % 500, rng.random(4_000) + 0.1)


@pytest.fixture(scope="module")
def cluster():
    """Two workers on this machine."""
    import ray  # noqa: PLC0415 (only the long tests start it)

    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, object_store_memory=10**8)
    yield ray
    ray.shutdown()


@pytest.mark.long
@pytest.mark.filterwarnings("ignore")
def test_ray_visits__any_number_of_blocks__same_bits_as_one_machine(cluster):
    transition = Transition.build(random_graph())
    source = np.eye(1, 500, 3)[0]
    expected = expected_visits(transition, source, 0.15, 1e-13)
    for blocks in (1, 2, 3):
        machines = RayVisits(transition, 0.15, blocks)
        visits, _ = machines.visits(source, 1e-13)
        machines.close()
        assert visits.tobytes() == expected.tobytes()


@pytest.mark.long
@pytest.mark.filterwarnings("ignore")
def test_ray_visits__worker_killed_in_the_middle__same_result(cluster):
    transition = Transition.build(random_graph())
    source = np.eye(1, 500, 3)[0]
    machines = RayVisits(transition, 0.15, 2)
    steps = []
    one_step = machines.step

    def step_and_kill(mass):
        steps.append(1)
        if len(steps) == 5:
            cluster.kill(machines.blocks[1], no_restart=False)
        return one_step(mass)

    machines.step = step_and_kill
    visits, _ = machines.visits(source, 1e-13)
    machines.close()
    assert len(steps) > 5
    assert visits.tobytes() == expected_visits(transition, source, 0.15, 1e-13).tobytes()


@pytest.mark.long
@pytest.mark.filterwarnings("ignore")
def test_merit_rank__ray_blocks__same_scores(cluster):
    graph = random_graph()
    here, there = (MeritRank(graph, ray_blocks=blocks).scores({1: 1, 2: 1}).to_arrays() for blocks in (0, 2))
    assert there.score == pytest.approx(here.score, abs=1e-9)


def test_merit_rank__ray_is_not_installed__says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingRayError, match=r"pip install merit\[ray\]"):
        MeritRank(random_graph(), ray_blocks=2).scores(1)


def test_merit_rank__negative_number_of_blocks__refused():
    with pytest.raises(InvalidParameterError, match="ray_blocks"):
        MeritRank(random_graph(), ray_blocks=-1)


def test_step__blocks_of_any_size__add_up_to_one_machine():
    """The blocks themselves, without processes: Ray adds nothing to the numbers."""
    transition = Transition.build(random_graph())
    mass = np.random.default_rng(0).random(500)
    whole = Block(transition.columns, 0.85).step(mass)
    for bounds in ((0, 100, 500), (0, 0, 1, 500, 500)):
        parts = [Block(cut(transition.columns, a, b), 0.85).step(mass) for a, b in pairwise(bounds)]
        assert np.concatenate(parts).tobytes() == whole.tobytes()
