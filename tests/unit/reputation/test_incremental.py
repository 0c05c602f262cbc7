"""Scores of a changed graph against scores from nothing."""

from itertools import product

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from scoring.reputation import DistrustPolicy, FeedbackGraph, MeritRank

ARCS = [(source, target) for source in range(3) for target in range(3) if source != target]


def dense(signed: dict[tuple[int, int], int], policy: DistrustPolicy, stop: float = 0.3) -> list[float]:
    """Scores of three nodes from node 0, by dense algebra. Weights are -1, 0 or 1."""
    weight = np.zeros((3, 3))
    for arc, value in signed.items():
        weight[arc] = value
    edges, warnings = np.maximum(weight, 0), np.maximum(-weight, 0)

    def by_row(matrix, total):
        return np.divide(matrix, total, out=np.zeros((3, 3)), where=total > 0)

    def green(matrix):
        return np.linalg.inv(np.eye(3) - (1 - stop) * matrix)

    trust = green(by_row(edges, edges.sum(axis=1, keepdims=True)))
    if policy is DistrustPolicy.ONE_SHOT:
        reach = trust[0] / np.diagonal(trust)
        return list(np.maximum(reach - reach @ by_row(warnings, warnings.sum(axis=1, keepdims=True)), 0))
    total = np.abs(weight).sum(axis=1, keepdims=True)
    before = green(by_row(edges, total))
    after = (1 - stop) * before[0] @ by_row(warnings, total) @ trust
    return list(before[0] / np.diagonal(before) - after / np.diagonal(trust))


def put(graph: FeedbackGraph, arc: tuple[int, int], value: int, old: int) -> None:
    if old > 0 and value <= 0:
        graph.remove_edge(*arc)
    if old < 0 and value >= 0:
        graph.remove_distrust(*arc)
    if value > 0:
        graph.set_edge(*arc, value)
    if value < 0:
        graph.set_distrust(*arc, -value)


@pytest.mark.parametrize("policy", list(DistrustPolicy))
def test_scores__every_signed_graph_of_three_nodes_and_every_change_of_one_arc__equal_the_dense_solution(policy):
    checked = 0
    for signs in product((-1, 0, 1), repeat=len(ARCS)):
        signed = dict(zip(ARCS, signs, strict=True))
        graph = FeedbackGraph()
        for node in range(3):
            graph.add_node(node)
        for arc, value in signed.items():
            put(graph, arc, value, 0)
        ranks = MeritRank(graph, stop=0.3, bridge_decay=0, distrust=policy)
        scores = ranks.scores(0)
        assert [scores.of(node) for node in range(3)] == pytest.approx(dense(signed, policy), abs=1e-12)
        for arc, value in product(ARCS, (-1, 0, 1)):
            old = signed[arc]
            if value == old:
                continue
            put(graph, arc, value, old)
            scores = ranks.scores(0)
            expected = dense({**signed, arc: value}, policy)
            assert [scores.of(node) for node in range(3)] == pytest.approx(expected, abs=1e-12)
            put(graph, arc, old, value)
            checked += 1
    assert checked == 729 * 12


def scale_free(rng: np.random.Generator, nodes: int, edges: int) -> FeedbackGraph:
    """Endpoints drawn with probability proportional to 1 / rank."""
    popularity = 1 / np.arange(1, nodes + 1)
    source, target = rng.choice(nodes, (2, 2 * edges), p=popularity / popularity.sum())
    keep = np.flatnonzero(source != target)[:edges]
    graph = FeedbackGraph.from_arrays(source[keep], target[keep], rng.random(edges) + 0.1)
    for node in range(nodes):
        graph.add_node(node)
    return graph


def operate(graph: FeedbackGraph, rng: np.random.Generator, nodes: int) -> None:
    """One random change: an edge removed, or written with a new weight."""
    source, target = rng.choice(nodes, 2, replace=False).tolist()
    row = graph.edges_from(source)
    if row and rng.random() < 0.4:
        graph.remove_edge(source, sorted(row)[int(rng.integers(len(row)))])
    else:
        graph.set_edge(source, target, float(rng.exponential()) + 1e-6)


def check_drift(operations: int, reads: int) -> None:
    rng = np.random.default_rng(11)
    graph = scale_free(rng, 1000, 6000)
    options = {"stop": 0.15, "bridge_decay": 0.5}
    ranks = MeritRank(graph, **options)
    seeds = [0, 7, {3: 1.0, 500: 2.0}]
    for operation in range(operations):
        operate(graph, rng, 1000)
        if (operation + 1) % (operations // reads) == 0:
            fresh = MeritRank(graph, **options)
            for seed in seeds:
                kept, new = ranks.scores(seed).to_arrays(), fresh.scores(seed).to_arrays()
                kept_scores, new_scores = (dict(zip(arrays.nodes, arrays.score, strict=True)) for arrays in (kept, new))
                worst = max(abs(kept_scores[node] - new_scores[node]) for node in graph.nodes)
                assert worst < 1e-11


def test_scores__two_thousand_random_operations__do_not_drift():
    check_drift(2_000, 5)


@pytest.mark.long
def test_scores__hundred_thousand_random_operations__do_not_drift():
    check_drift(100_000, 100)


class ChangingGraph(RuleBasedStateMachine):
    """Any sequence of changes and questions, on a graph whose nodes come as they are named."""

    nodes = st.integers(0, 7)

    @initialize(size=st.integers(0, 12), random_seed=st.integers(0, 100))
    def start(self, size, random_seed):
        rng = np.random.default_rng(random_seed)
        source = rng.integers(0, 6, size)
        target = (source + rng.integers(1, 6, size)) % 6
        self.graph = FeedbackGraph.from_arrays(source, target, rng.random(size) + 0.1)
        self.graph.add_node(0)
        self.exact = MeritRank(self.graph)
        self.sampled = MeritRank(self.graph, method="sampled", walks=200, random_seed=5)

    @rule(ends=st.tuples(nodes, nodes), weight=st.floats(0.01, 100))
    def set_edge(self, ends, weight):
        if ends[0] != ends[1]:
            self.graph.set_edge(*ends, weight)

    @precondition(lambda self: self.graph.edge_count)
    @rule(data=st.data())
    def remove_edge(self, data):
        source, target, _ = data.draw(st.sampled_from(sorted(self.graph.edges())))
        self.graph.remove_edge(source, target)

    @rule(ends=st.tuples(nodes, nodes), weight=st.floats(0.01, 100))
    def set_distrust(self, ends, weight):
        if ends[0] != ends[1]:
            self.graph.set_distrust(*ends, weight)

    @rule(seed=st.sampled_from([0, {0: 1.0, 1: 3.0}]))
    def ask(self, seed):
        if isinstance(seed, dict):
            self.graph.add_node(1)
        arrays = self.exact.scores(seed).to_arrays()
        fresh = MeritRank(self.graph).scores(seed).to_arrays()
        assert arrays.nodes == fresh.nodes
        assert arrays.bridge == fresh.bridge
        assert arrays.score == pytest.approx(fresh.score, abs=1e-12)
        assert arrays.visits == pytest.approx(fresh.visits, abs=1e-12)
        assert arrays.diagonal == pytest.approx(fresh.diagonal, abs=1e-12)
        arrays = self.sampled.scores(seed).to_arrays()
        fresh = MeritRank(self.graph, method="sampled", walks=200, random_seed=5).scores(seed).to_arrays()
        assert arrays.score.tobytes() == fresh.score.tobytes()
        assert arrays.visits.tobytes() == fresh.visits.tobytes()
        assert arrays.bridge == fresh.bridge

    @invariant()
    def edges_are_counted(self):
        assert self.graph.edge_count == len(list(self.graph.edges())) == self.graph.edge_arrays()[0].size


TestChangingGraph = ChangingGraph.TestCase
TestChangingGraph.settings = settings(max_examples=60, stateful_step_count=15, deadline=None)


def test_scores__storm_of_updates_on_one_hub__costs_one_row():
    graph = FeedbackGraph.from_arrays(np.zeros(2000, np.int64), np.arange(1, 2001), np.ones(2000))
    ranks = MeritRank(graph)
    ranks.scores(0)
    for update in range(20_000):
        graph.set_edge(0, 1 + update % 2000, 1.0 + update)
    assert graph.rows_changed_since(0) == [0]
    before = ranks._transition.pool._used
    scores = ranks.scores(0)
    assert ranks._transition.pool._used - before == 2000  # not 20,000 versions of the row
    total = sum(range(18_001, 20_001))
    assert scores.of(2000) == pytest.approx(0.6 * 20_000 / total, abs=1e-12)


def test_scores__reads_between_updates_of_a_hub__memory_is_bounded():
    graph = FeedbackGraph.from_arrays(np.zeros(500, np.int64), np.arange(1, 501), np.ones(500))
    ranks = MeritRank(graph)
    for update in range(50):
        graph.set_edge(0, 1 + update % 500, 2.0 + update)
        ranks.scores(0)
        assert ranks._transition.pool._used <= 2 * graph.edge_count + 1024


def test_scores__more_seeds_than_the_memory_limit_holds__the_least_recently_used_is_forgotten():
    rng = np.random.default_rng(0)
    graph = scale_free(rng, 200, 1000)
    ranks = MeritRank(graph)
    ranks.scores(0)
    one = ranks.maintained_bytes
    ranks = MeritRank(graph, memory_limit=3 * one)
    first = ranks.scores(0)
    ranks.scores(1)
    ranks.scores(2)
    assert ranks.scores(0) is first
    ranks.scores(3)
    assert ranks.maintained_seeds == 3
    assert ranks.maintained_bytes <= 3 * one
    assert ranks.scores(0) is first  # 1 was the one to go
    second = ranks.scores(1)
    assert second.of(5) == pytest.approx(MeritRank(graph).scores(1).of(5), abs=1e-12)


def test_scores__seed_larger_than_the_memory_limit__still_answered():
    graph = scale_free(np.random.default_rng(0), 50, 100)
    ranks = MeritRank(graph, memory_limit=1)
    assert ranks.scores(0).of(0) == pytest.approx(1)
    assert ranks.scores(1).of(1) == pytest.approx(1)
    assert ranks.maintained_seeds == 1


def test_scores__kept_from_before_a_change__are_of_the_graph_as_it_was():
    graph = FeedbackGraph()
    graph.set_edge("a", "b", 1)
    ranks = MeritRank(graph)
    before = ranks.scores("a")
    graph.set_edge("a", "c", 1)
    after = ranks.scores("a")
    assert before.of("b") == pytest.approx(0.6)
    assert after.of("b") == pytest.approx(0.3)
