"""What a feedback graph keeps, and what it refuses."""

import math

import numpy as np
import pytest

from scoring.reputation import FeedbackGraph, MeritRank
from scoring.reputation.errors import (
    InvalidParameterError,
    InvalidSeedError,
    InvalidWeightError,
    SelfEdgeError,
    UnknownEdgeError,
    UnknownNodeError,
)


@pytest.mark.parametrize("weight", [math.nan, math.inf, -math.inf, -1, 0, "much", None, 10**400])
def test_set_edge__weight_that_is_no_positive_number__names_the_edge(weight):
    graph = FeedbackGraph()
    with pytest.raises(InvalidWeightError, match="edge 'a' -> 'b'"):
        graph.set_edge("a", "b", weight)
    with pytest.raises(InvalidWeightError, match="edge 'a' -> 'b'"):
        graph.set_distrust("a", "b", weight)
    assert graph.node_count == graph.edge_count == 0


def test_set_edge__to_itself__refused():
    with pytest.raises(SelfEdgeError, match="'a' -> 'a'"):
        FeedbackGraph().set_edge("a", "a", 1)


@pytest.mark.parametrize("weight", [math.nan, math.inf, -1.0, 0.0])
def test_from_arrays__bad_weight__names_the_edge(weight):
    with pytest.raises(InvalidWeightError, match="edge 3 -> 4"):
        FeedbackGraph.from_arrays([1, 3], [2, 4], [1.0, weight])


def test_from_arrays__self_edge__names_it():
    with pytest.raises(SelfEdgeError, match="edge 3 -> 3"):
        FeedbackGraph.from_arrays([1, 3], [2, 3], [1.0, 1.0])


def test_from_arrays__lengths_differ__refused():
    with pytest.raises(InvalidParameterError, match="three arrays of one length"):
        FeedbackGraph.from_arrays([1, 3], [2], [1.0, 1.0])


def test_from_arrays__parallel_edges_that_overflow__names_the_edge():
    with pytest.raises(InvalidWeightError, match="edge 1 -> 2"):
        FeedbackGraph.from_arrays([1, 1], [2, 2], [1e308, 1e308])


def test_from_arrays__parallel_edges__add_up_whatever_their_order():
    rng = np.random.default_rng(0)
    source, target, weight = rng.integers(0, 5, 500), rng.integers(5, 9, 500), rng.random(500)
    order = rng.permutation(500)
    one = FeedbackGraph.from_arrays(source, target, weight)
    other = FeedbackGraph.from_arrays(source[order], target[order], weight[order])
    assert sorted(one.edges()) == sorted(other.edges())
    assert one.edge_count == 20


def test_remove_edge__absent__refused():
    graph = FeedbackGraph()
    graph.set_edge("a", "b", 1)
    for ends in (("b", "a"), ("a", "c"), ("c", "a")):
        with pytest.raises(UnknownEdgeError):
            graph.remove_edge(*ends)
        with pytest.raises(UnknownEdgeError):
            graph.remove_distrust(*ends)


def test_edges__after_changes_to_a_loaded_graph__are_what_was_written():
    graph = FeedbackGraph.from_arrays(["a", "a", "b"], ["b", "c", "c"], [1, 2, 3])
    graph.set_edge("a", "c", 5)
    graph.remove_edge("b", "c")
    graph.set_edge("c", "d", 7)
    assert sorted(graph.edges()) == [("a", "b", 1.0), ("a", "c", 5.0), ("c", "d", 7.0)]
    assert graph.edge_count == 3
    assert graph.edges_from("a") == {"b": 1.0, "c": 5.0}
    assert graph.edges_from("b") == {}


def test_scores__seed_unknown_or_unusable__refused():
    graph = FeedbackGraph()
    ranks = MeritRank(graph)
    with pytest.raises(UnknownNodeError, match="'a' is not in the graph"):
        ranks.scores("a")
    graph.set_edge("a", "b", 1)
    for seed in ({}, {"a": 0.0}, {"a": -1.0}, {"a": math.nan}, {"a": math.inf}):
        with pytest.raises(InvalidSeedError):
            ranks.scores(seed)
    with pytest.raises(UnknownNodeError):
        ranks.scores({"a": 1, "c": 1})


def test_of__node_that_came_after_the_scores__unknown_to_them():
    graph = FeedbackGraph()
    graph.set_edge("a", "b", 1)
    scores = MeritRank(graph).scores("a")
    graph.set_edge("b", "c", 1)
    with pytest.raises(UnknownNodeError):
        scores.of("c")


def test_scores__node_without_edges__only_itself():
    graph = FeedbackGraph()
    graph.add_node("a")
    scores = MeritRank(graph).scores("a")
    assert scores.top(5) == [("a", 1.0)]
    assert scores.share("a") == 1


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("stop", (0, 1, math.nan)),
        ("bridge_decay", (1.1, -0.1)),
        ("bridge_threshold", (0, 2)),
        ("tolerance", (0, 1)),
        ("diagonal_tolerance", (0, 1)),
    ],
)
def test_merit_rank__parameter_out_of_range__names_it(name, values):
    for value in values:
        with pytest.raises(InvalidParameterError, match=name):
            MeritRank(FeedbackGraph(), **{name: value})


def test_set_edge__extreme_weights__still_probabilities():
    graph = FeedbackGraph()
    graph.set_edge("a", "b", 1.7e308)
    graph.set_edge("a", "c", 1.7e308)
    graph.set_edge("a", "d", 5e-324)
    scores = MeritRank(graph, stop=0.5).scores("a")
    assert [scores.of(node) for node in "bcd"] == [0.25, 0.25, 0.0]
