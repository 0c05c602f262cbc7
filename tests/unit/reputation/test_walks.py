"""Sampled walks: what they estimate, and that they can be drawn again."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.reputation import FeedbackGraph, MeritRank
from scoring.reputation.alias import CHOICE, chosen, fill_choices
from scoring.reputation.transition import Transition
from scoring.reputation.walks import TOGETHER, Walks


def random_graph(random_seed: int, nodes: int = 60, edges: int = 300) -> FeedbackGraph:
    rng = np.random.default_rng(random_seed)
    source = rng.integers(0, nodes, edges)
    return FeedbackGraph.from_arrays(source, (source + rng.integers(1, nodes, edges)) % nodes, rng.random(edges) + 0.1)


def alias_table(probability: list[float]) -> np.ndarray:
    """The table of one row, of the targets 0, 1, ..., between two entries of other rows."""
    entries = np.array([0.5, *probability, 0.5])
    choices = np.zeros(entries.size, CHOICE)
    fill_choices(
        np.array([1]), np.array([entries.size - 1]), np.arange(-1, entries.size - 1, dtype=np.int32), entries, choices
    )
    assert choices[0] == choices[-1] == np.zeros(1, CHOICE)[0]  # outside the row
    return choices


@settings(max_examples=200, deadline=None)
@given(weights=st.lists(st.floats(0, 1e9), min_size=1, max_size=50).filter(any))
def test_alias_table__any_row__gives_each_target_its_probability(weights):
    probability = np.array(weights) / sum(weights)
    choices = alias_table(probability.tolist())[1:-1]
    assert ((choices["keep"] >= 0) & (choices["keep"] <= 1)).all()
    given_to = np.bincount(choices["own"], choices["keep"], probability.size)
    given_to += np.bincount(choices["other"], 1 - choices["keep"], probability.size)
    assert given_to / probability.size == pytest.approx(probability, abs=1e-14)


def test_chosen__whole_range__each_target_has_its_share():
    choices = alias_table([0.5, 0.25, 0.125, 0.125])
    targets = [chosen(choices, 1, 4, chance) for chance in (np.arange(1_000) / 1_000).tolist()]
    assert np.bincount(targets).tolist() == [500, 250, 125, 125]


def test_chosen__number_that_rounds_up_to_one__the_last_slot():
    choices = alias_table([0.1, 0.2, 0.7 - 2e-16])
    assert chosen(choices, 1, 3, 1.0) == chosen(choices, 1, 3, 1 - 2.0**-53) == 2


def test_walks__long_ones_on_a_ring__one_edge_after_another():
    ring = FeedbackGraph.from_arrays(np.arange(7), np.roll(np.arange(7), -1), np.ones(7))
    transition = Transition.build(ring)
    count = 2 * TOGETHER + 3
    walks = Walks.draw(transition, np.eye(1, 7)[0], count, 5, 0.01)
    at = transition.number[walks.passed]
    inner = np.ones(at.size, np.bool_)
    inner[walks.begin[:-1]] = False
    assert (at[walks.begin[:-1]] == transition.number[0]).all()
    assert (at[1:][inner[1:]] == (at[:-1][inner[1:]] + 1) % 7).all()
    length = np.diff(walks.begin)
    assert length.max() > 200  # more than there is room for at first
    assert length.mean() == pytest.approx(100, rel=5 / math.sqrt(count))


def test_walks__one_alone_or_among_many__the_same():
    graph = random_graph(6)
    transition, source = Transition.build(graph), np.full(60, 1 / 60)
    many, few = (Walks.draw(transition, source, count, 5, 0.1) for count in (3 * TOGETHER, 10))
    assert many.passed[: few.passed.size].tolist() == few.passed.tolist()


def test_sampled__against_exact__within_the_reported_errors():
    graph = random_graph(2)
    exact = MeritRank(graph, stop=0.2).scores({0: 1.0, 5: 2.0})
    sampled = MeritRank(graph, stop=0.2, method="sampled", walks=40_000, random_seed=9).scores({0: 1.0, 5: 2.0})
    deviations = []
    for node in graph.nodes:
        error = sampled.standard_error(node)
        reach = exact.of(node) / exact.factor[exact.position(node)]
        expected = math.sqrt(reach * (1 - reach) / 40_000) * exact.factor[exact.position(node)]
        assert error == pytest.approx(expected, rel=0.1)
        if reach == 0:
            assert sampled.of(node) == 0
            continue
        deviations.append((sampled.of(node) - exact.of(node)) / expected)
        assert exact.standard_error(node) == 0
    assert max(map(abs, deviations)) < 4.5
    assert 0.6 < np.std(deviations) < 1.4  # the errors are neither too small nor too large
    visits = [sampled.visits_to(node) - exact.visits_to(node) for node in graph.nodes]
    assert max(map(abs, visits)) < 0.02


def test_sampled__changes__equal_drawing_all_walks_again():
    rng = np.random.default_rng(4)
    graph = random_graph(3)
    options = {"method": "sampled", "walks": 2_000, "random_seed": 77}
    ranks = MeritRank(graph, **options)
    ranks.scores(0)
    for change in range(60):
        source, target = rng.choice(60, 2, replace=False).tolist()
        row = graph.edges_from(source)
        if row and change % 3 == 0:
            graph.remove_edge(source, next(iter(row)))
        else:
            graph.set_edge(source, target, rng.random() + 0.1)
        if change == 30:
            graph.set_edge(source, "newcomer", 5.0)
        kept, new = ranks.scores(0).to_arrays(), MeritRank(graph, **options).scores(0).to_arrays()
        assert kept.score.tobytes() == new.score.tobytes()
        assert kept.visits.tobytes() == new.visits.tobytes()
        assert kept.standard_error.tobytes() == new.standard_error.tobytes()


def test_sampled__change_of_one_row__only_walks_through_it_are_drawn_again():
    graph = random_graph(3)
    ranks = MeritRank(graph, method="sampled", walks=2_000)
    ranks.scores(0)
    (kept,) = ranks._maintained.values()
    graph.set_edge(7, 8, 50.0)
    ranks.scores(0)
    (after,) = ranks._maintained.values()
    seven = after.scores.position(7)
    old, new = kept.state, after.state
    for walk in range(2_000):
        before = old.passed[old.begin[walk] : old.begin[walk + 1]].tolist()
        now = new.passed[new.begin[walk] : new.begin[walk + 1]].tolist()
        if seven in before:
            until = before.index(seven) + 1
            assert now[:until] == before[:until]
        else:
            assert now == before


def test_sampled__other_random_seed__other_walks():
    graph = random_graph(3)
    one, other = (MeritRank(graph, method="sampled", random_seed=seed).scores(0).to_arrays() for seed in (1, 2))
    assert one.score.tobytes() != other.score.tobytes()


def test_auto__graph_beyond_the_exact_limit__samples_and_says_why():
    graph = random_graph(5)
    exact = MeritRank(graph).scores(0)
    assert exact.walks == 0
    assert exact.method.startswith("exact: ")
    sampled = MeritRank(graph, exact_limit=1_000, walks=500).scores(0)
    assert sampled.walks == 500
    assert sampled.method.startswith("sampled: 500 walks, because the nodes that lie on cycles")


def test_auto__large_graph_with_few_cycles__exact():
    """In a market most accounts only pay or only earn."""
    graph = FeedbackGraph.from_arrays(np.arange(1000), np.arange(1000) + 1000, np.ones(1000))
    graph.set_edge(1000, 0, 1.0)
    assert MeritRank(graph, exact_limit=10_000).scores(0).walks == 0
