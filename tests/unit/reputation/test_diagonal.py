"""The diagonal by each of its three ways, against a dense inverse."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from scoring.reputation import FeedbackGraph, diagonal
from scoring.reputation.diagonal import Diagonal
from scoring.reputation.transition import Transition

WAYS = {"push": {"SWEEPS_WORTH": 10**9}, "elimination": {"SWEEPS_WORTH": 0}, "sweeps": {"SWEEPS_WORTH": 0, "SMALL": 0}}


def two_parts(random_seed: int, nodes: int, edges: int) -> FeedbackGraph:
    """Two random graphs, with edges from the first to the second, and some nodes that only pay or only earn."""
    rng = np.random.default_rng(random_seed)
    source = rng.integers(0, nodes, edges)
    target = (source + rng.integers(1, nodes, edges)) % nodes
    source = np.concatenate([source, source + nodes, rng.integers(0, nodes, 20), np.arange(5) + 2 * nodes])
    target = np.concatenate([target, target + nodes, rng.integers(nodes, 2 * nodes + 5, 20), np.arange(5)])
    keep = source != target
    return FeedbackGraph.from_arrays(source[keep], target[keep], rng.random(keep.sum()) + 0.05)


def dense(graph: FeedbackGraph, transition: Transition, stop: float) -> np.ndarray:
    return np.diagonal(np.linalg.inv(np.eye(graph.node_count) - (1 - stop) * transition.matrix.toarray()))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("stop", [0.02, 0.15, 0.6])
def test_diagonal__each_way__equals_the_dense_inverse(way, stop, monkeypatch):
    for name, value in WAYS[way].items():
        monkeypatch.setattr(diagonal, name, value)
    graph = two_parts(1, 60, 200)
    transition = Transition.build(graph)
    everything = np.arange(graph.node_count)
    for tolerance in (1e-13, 1e-4):
        found = Diagonal(graph, transition, stop, tolerance).of(everything)
        assert np.abs(found - dense(graph, transition, stop)).max() <= tolerance + 1e-12


@pytest.mark.parametrize("way", WAYS)
def test_diagonal__node_by_node_or_all_at_once__same_bits(way, monkeypatch):
    for name, value in WAYS[way].items():
        monkeypatch.setattr(diagonal, name, value)
    graph = two_parts(2, 30, 100)
    transition = Transition.build(graph)
    everything = np.arange(graph.node_count)
    at_once = Diagonal(graph, transition, 0.3, 1e-6).of(everything)
    one_by_one = Diagonal(graph, transition, 0.3, 1e-6)
    found = np.array([one_by_one.of(np.array([node]))[0] for node in everything[::-1]])[::-1]
    assert found.tobytes() == at_once.tobytes()


def test_diagonal__pushes_from_four_threads__do_not_mix(monkeypatch):
    monkeypatch.setattr(diagonal, "SWEEPS_WORTH", 10**9)
    rng = np.random.default_rng(6)
    source = rng.integers(0, 2000, 12_000)
    graph = FeedbackGraph.from_arrays(source, (source + rng.integers(1, 2000, 12_000)) % 2000, np.ones(12_000))
    found = Diagonal(graph, Transition.build(graph), 0.15, 1e-7)
    component = found._component(int(np.bincount(found.component).argmax()))
    parts = np.arange(400).reshape(4, 100)
    alone = [component.returns(part).tolist() for part in parts]
    with ThreadPoolExecutor(4) as threads:
        together = [values.tolist() for values in threads.map(component.returns, parts)]
    assert together == alone


def test_diagonal__component_too_large_to_eliminate__swept_to_the_tolerance():
    rng = np.random.default_rng(3)
    source = rng.integers(0, 1100, 6000)
    graph = FeedbackGraph.from_arrays(source, (source + rng.integers(1, 1100, 6000)) % 1100, np.ones(6000))
    transition = Transition.build(graph)
    found = Diagonal(graph, transition, 0.3, 1e-10)
    assert np.abs(found.of(np.arange(1100)) - dense(graph, transition, 0.3)).max() < 1e-10


def test_diagonal__ring__closed_form():
    ring = FeedbackGraph.from_arrays(np.arange(1500), np.roll(np.arange(1500), -1), np.ones(1500))
    found = Diagonal(ring, Transition.build(ring), 0.1, 1e-12).of(np.arange(0, 1500, 100))
    assert found == pytest.approx(np.full(15, 1 / (1 - 0.9**1500)), abs=1e-12)


def test_diagonal__change_elsewhere__values_are_kept(monkeypatch):
    monkeypatch.setattr(diagonal, "MOST_CARRIES", 0)
    graph = two_parts(4, 40, 150)
    transition = Transition.build(graph)
    before = Diagonal(graph, transition, 0.3, 1e-12)
    before.of(np.arange(graph.node_count))
    changed = graph.nodes.index(3)  # in the first part
    graph.set_edge(3, 7, 9.0)
    after = before.carried_to(transition.updated(graph))
    here = after.component == after.component[transition.position[changed]]
    there = np.flatnonzero(~here)
    kept = after._values[there]
    assert np.isnan(after._values[np.flatnonzero(here)]).all()
    assert not np.isnan(kept).any()
    updated = transition.updated(graph)
    assert np.abs(after.of(np.arange(graph.node_count)) - dense(graph, updated, 0.3)).max() < 1e-11


def test_work__components__nodes_times_edges():
    graph = FeedbackGraph.from_arrays([0, 1, 2, 3, 4, 5, 0, 6], [1, 2, 0, 4, 5, 3, 3, 0], np.ones(8))
    assert Diagonal(graph, Transition.build(graph), 0.3, 1e-6).work() == 3 * 3 + 3 * 3


def test_diagonal__few_rows_of_a_component_change__updated_to_the_dense_inverse(monkeypatch):
    anew, original = [], diagonal.Component.returns
    monkeypatch.setattr(diagonal.Component, "returns", lambda self, nodes: anew.append(nodes) or original(self, nodes))
    graph = two_parts(5, 60, 300)
    transition = Transition.build(graph)
    found = Diagonal(graph, transition, 0.2, 1e-13)
    found.of(np.arange(graph.node_count))
    computed = len(anew)
    for change in range(30):
        graph.set_edge(change, (change * 7 + 5) % 60, 3.0 + change)
        graph.set_edge(60 + change, "newcomer" if change == 9 else 60 + (change * 11 + 3) % 60, 2.0)
        if change % 4 == 3:
            graph.remove_edge(change, next(iter(graph.edges_from(change))))
        if change == 12:
            graph.set_edge("newcomer", 60, 1.0)
        transition = transition.updated(graph)
        found = found.carried_to(transition)
        values = found.of(np.arange(graph.node_count))
        assert np.abs(values - dense(graph, transition, 0.2)).max() < 1e-12
    assert len(anew) == computed  # nothing was computed anew
