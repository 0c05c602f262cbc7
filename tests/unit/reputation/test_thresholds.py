"""Connectivity decay below a threshold of one, against counting walks."""

import numpy as np
import pytest

from scoring.reputation import FeedbackGraph, MeritRank, thresholds
from scoring.reputation.errors import GraphTooLargeError

STOP = 0.3


def graph() -> FeedbackGraph:
    result = FeedbackGraph()
    edges = [
        (0, 1, 5),
        (0, 2, 1),
        (1, 3, 1),
        (2, 3, 1),
        (3, 1, 1),
        (3, 4, 1),
        (2, 4, 0.5),
        (4, 0, 1),
        (4, 5, 1),
        (1, 5, 1),
    ]
    for source, target, weight in edges:
        result.set_edge(source, target, weight)
    return result


def counted(walks: int) -> np.ndarray:
    """`T(c, j)` at [c, j] from walks of an independent generator: c passed before the first visit to j."""
    rng = np.random.default_rng(8)
    rows = {source: graph().edges_from(source) for source in range(6)}
    reached, passed = np.zeros(6), np.zeros((6, 6))
    for _ in range(walks):
        node, order = 0, []
        while True:
            if node not in order:
                reached[node] += 1
                passed[order, node] += 1
                order.append(node)
            if not rows[node] or rng.random() < STOP:
                break
            targets, weights = zip(*rows[node].items(), strict=True)
            node = int(rng.choice(targets, p=np.array(weights) / sum(weights)))
    return passed / reached


def test_threshold__against_counted_walks__same_fractions():
    expected = counted(20_000)
    expected[0] = 0
    largest = expected.max(axis=0)
    full = MeritRank(graph(), stop=STOP, bridge_decay=0).scores(0)
    for threshold in (0.05, 0.5, 0.75, 0.9):
        scores = MeritRank(graph(), stop=STOP, bridge_decay=0.4, bridge_threshold=threshold).scores(0)
        for node in range(6):
            if abs(largest[node] - threshold) < 0.02:
                continue
            factor = 0.6 * largest[node] if largest[node] >= threshold else 1
            assert scores.of(node) == pytest.approx(full.of(node) * factor, abs=0.01)


def test_threshold__just_below_one__cuts_what_dominators_cut():
    rng = np.random.default_rng(5)
    for _ in range(20):
        ends = rng.integers(0, 9, (14, 2))
        ends = ends[ends[:, 0] != ends[:, 1]]
        any_graph = FeedbackGraph.from_arrays(ends[:, 0], ends[:, 1], np.ones(len(ends)))
        seed = int(ends[0, 0])
        dominated = MeritRank(any_graph).scores(seed)
        threshold = MeritRank(any_graph, bridge_threshold=1 - 1e-9).scores(seed)
        for node in any_graph.nodes:
            assert threshold.of(node) == pytest.approx(dominated.of(node), abs=1e-9)


def test_threshold__sybils_behind_one_bridge__bounded_as_at_one():
    attacked = graph()
    attacked.set_edge(5, "sybil", 1)
    attacked.set_edge("sybil", 5, 1)
    scores = MeritRank(attacked, stop=STOP, bridge_decay=1, bridge_threshold=0.99).scores(0)
    assert scores.of("sybil") == 0


def test_threshold__more_nodes_than_the_exact_limit__refused(monkeypatch):
    monkeypatch.setattr(thresholds, "LARGEST", 5)
    with pytest.raises(GraphTooLargeError, match="use bridge_threshold=1"):
        MeritRank(graph(), bridge_threshold=0.9).scores(0)
