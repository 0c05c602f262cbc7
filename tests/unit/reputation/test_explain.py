"""Why a node has its score."""

import numpy as np
import pytest

from scoring.reputation import FeedbackGraph, MeritRank


def test_explain__diamond__names_edges_and_paths_by_weight():
    graph = FeedbackGraph()
    for source, target, weight in (("s", "a", 3), ("s", "b", 1), ("a", "t", 1), ("b", "t", 1), ("t", "s", 1)):
        graph.set_edge(source, target, weight)
    explanation = MeritRank(graph, stop=0.5).explain("s", "t")
    assert explanation.reach == pytest.approx(0.25)
    assert explanation.score == pytest.approx(explanation.reach)
    assert explanation.bridge == "t"
    assert explanation.kept_at_bridge == 1
    assert [(path.nodes, pytest.approx(path.part)) for path in explanation.paths] == [
        (("s", "a", "t"), 0.75),
        (("s", "b", "t"), 0.25),
    ]
    assert {(edge.source, edge.target): pytest.approx(edge.times) for edge in explanation.edges} == {
        ("s", "a"): 0.75,
        ("a", "t"): 0.75,
        ("s", "b"): 0.25,
        ("b", "t"): 0.25,
    }


def test_explain__any_graph__edges_form_a_flow_of_one_to_the_node():
    rng = np.random.default_rng(0)
    source = rng.integers(0, 20, 80)
    graph = FeedbackGraph.from_arrays(source, (source + rng.integers(1, 20, 80)) % 20, rng.random(80) + 0.1)
    explanation = MeritRank(graph, stop=0.2).explain({0: 1, 1: 1}, 7, limit=1000)
    net = dict.fromkeys(graph.nodes, 0.0)
    for edge in explanation.edges:
        net[edge.source] -= edge.times
        net[edge.target] += edge.times
    assert net.pop(7) == pytest.approx(1, abs=1e-6)
    assert net.pop(0) + net.pop(1) == pytest.approx(-1, abs=1e-6)
    assert max(map(abs, net.values())) < 1e-6
    parts = [path.part for path in explanation.paths]
    assert parts == sorted(parts, reverse=True)
    assert 0.5 < sum(parts) <= 1


def test_explain__seed_itself__whole_score_without_edges():
    graph = FeedbackGraph()
    graph.set_edge("s", "a", 1)
    graph.set_edge("a", "s", 1)
    explanation = MeritRank(graph).explain("s", "s")
    assert explanation.score == pytest.approx(1)
    assert explanation.edges == ()
    assert [path.nodes for path in explanation.paths] == [("s",)]


def test_explain__no_way_to_the_node__says_nothing_carries_it():
    graph = FeedbackGraph()
    graph.set_edge("s", "a", 1)
    graph.add_node("b")
    explanation = MeritRank(graph).explain("s", "b")
    assert (explanation.score, explanation.edges, explanation.paths, explanation.bridge) == (0, (), (), None)


def test_explain__bridge_and_warning__say_what_they_take():
    graph = FeedbackGraph()
    graph.set_edge("s", "a", 1)
    graph.set_edge("a", "b", 1)
    graph.set_distrust("a", "b", 1)
    explanation = MeritRank(graph, stop=0.1, bridge_decay=0.2).explain("s", "b")
    assert explanation.bridge == "a"
    assert explanation.kept_at_bridge == 0.8
    assert explanation.taken_by_distrust == pytest.approx(0.9)
    assert explanation.score == max(explanation.reach * 0.8 - 0.9, 0) == 0


def test_explain__limit__is_kept():
    graph = FeedbackGraph.from_arrays([0] * 30 + list(range(1, 31)), [*range(1, 31), *[31] * 30], [1] * 60)
    explanation = MeritRank(graph).explain(0, 31, limit=4)
    assert len(explanation.edges) == len(explanation.paths) == 4
