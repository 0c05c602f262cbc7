"""Scores against the dense oracle and against known values."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.reputation import FeedbackGraph, MeritRank

PAPER = {"stop": 0.15, "bridge_decay": 0.0}


def graph_of(*edges):
    graph = FeedbackGraph()
    for source, target, weight in edges:
        graph.set_edge(source, target, weight)
    return graph


def weighted_edges(nodes=9):
    pair = st.tuples(st.integers(0, nodes - 1), st.integers(0, nodes - 1)).filter(lambda ends: ends[0] != ends[1])
    return st.dictionaries(pair, st.floats(1e-3, 1e3), min_size=1, max_size=40)


@settings(max_examples=150, deadline=None)
@given(edges=weighted_edges(), stop=st.floats(0.02, 0.98), decay=st.floats(0, 1), data=st.data())
def test_scores__any_graph__equal_the_dense_solution(oracle, edges, stop, decay, data):
    graph = graph_of(*((source, target, weight) for (source, target), weight in edges.items()))
    seeds = data.draw(st.dictionaries(st.sampled_from(graph.nodes), st.floats(0.1, 10), min_size=1, max_size=3))
    scores = MeritRank(graph, stop=stop, bridge_decay=decay).scores(seeds)
    expected = oracle(graph, seeds, stop)
    for node in graph.nodes:
        factor = 1 - decay if expected.is_cut[node] else 1
        assert scores.visits_to(node) == pytest.approx(expected.visits[node], abs=1e-11)
        assert scores.diagonal(node) == pytest.approx(expected.diagonal[node], abs=1e-11)
        assert scores.of(node) == pytest.approx(expected.reach[node] * factor, abs=1e-11)
        assert (scores.bridge_to(node) is not None) == expected.is_reached[node]
        assert scores.standard_error(node) == 0


def test_scores__three_nodes_of_the_paper__known_values():
    scores = MeritRank(graph_of((0, 1, 1), (0, 2, 1), (1, 2, 1)), **PAPER).scores(0)
    assert [scores.of(node) for node in range(3)] == pytest.approx([1, 0.425, 0.78625], abs=1e-12)
    assert [scores.share(node) for node in range(3)] == pytest.approx([0.452233, 0.192199, 0.355568], abs=1e-6)


@pytest.mark.parametrize(("before", "after"), [(1, 2), (2, 1), (1, 10), (10, 1), (1, 0.1)])
def test_set_edge__positive_weight_to_another__moves_the_share_to_the_exact_value(before, after):
    graph = graph_of((0, 1, before), (0, 2, 1), (1, 2, 1))
    ranks = MeritRank(graph, **PAPER)
    ranks.scores(0)
    graph.set_edge(0, 1, after)
    first = 0.85 * after / (after + 1)
    second = 0.85 / (after + 1) + 0.85 * first
    total = 1 + first + second
    scores = ranks.scores(0)
    assert [scores.share(node) for node in range(3)] == pytest.approx(
        [1 / total, first / total, second / total], abs=1e-12
    )


def test_top__any_graph__is_the_sorted_list_of_scores():
    rng = np.random.default_rng(3)
    graph = FeedbackGraph.from_arrays(rng.integers(0, 40, 300), rng.integers(40, 120, 300), rng.random(300) + 0.1)
    for source, target in zip(rng.integers(40, 120, 200).tolist(), rng.integers(0, 40, 200).tolist(), strict=True):
        graph.set_edge(source, target, 1.0)
    scores = MeritRank(graph).scores(graph.nodes[0])
    expected = sorted((scores.of(node) for node in graph.nodes), reverse=True)
    for count in (0, 1, 5, 50, 500):
        top = scores.top(count)
        assert [value for _, value in top] == [value for value in expected[:count] if value > 0]
        assert all(scores.of(node) == value for node, value in top)


def test_to_arrays__same_numbers_as_one_by_one():
    scores = MeritRank(graph_of(("s", "a", 1), ("a", "b", 2), ("b", "a", 1), ("x", "s", 1))).scores("s")
    arrays = scores.to_arrays()
    for at, node in enumerate(arrays.nodes):
        assert arrays.score[at] == scores.of(node)
        assert arrays.visits[at] == scores.visits_to(node)
        assert arrays.diagonal[at] == scores.diagonal(node)
        assert arrays.bridge[at] == scores.bridge_to(node)
    assert dict(zip(arrays.nodes, arrays.bridge, strict=True)) == {"s": "s", "a": "a", "b": "a", "x": None}


def test_scores__virtual_seed_over_one_node__is_that_node():
    graph = graph_of(("s", "a", 1), ("a", "b", 2), ("b", "c", 1))
    ranks = MeritRank(graph)
    assert ranks.scores({"s": 3.0}).to_arrays().score.tolist() == ranks.scores("s").to_arrays().score.tolist()


def test_scores__known_by_one_of_two_anchors_only__that_anchor_is_the_bridge():
    scores = MeritRank(graph_of(("s", "a", 1), ("t", "b", 1), ("s", "c", 1), ("t", "c", 1))).scores({"s": 1, "t": 1})
    assert [scores.bridge_to(node) for node in "abc"] == ["s", "t", "c"]
