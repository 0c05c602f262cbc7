"""What warnings take."""

import pytest

from scoring.reputation import DistrustPolicy, FeedbackGraph, MeritRank


def warned() -> FeedbackGraph:
    graph = FeedbackGraph()
    for source, target, weight in (("s", "a", 1), ("s", "b", 1), ("a", "c", 1), ("b", "c", 1)):
        graph.set_edge(source, target, weight)
    return graph


def test_one_shot__warning__takes_the_warners_score():
    graph = warned()
    ranks = MeritRank(graph, bridge_decay=0)
    before = ranks.scores("s")
    graph.set_distrust("a", "c", 3)
    graph.set_distrust("a", "b", 1)
    after = ranks.scores("s")
    assert after.of("a") == before.of("a") == pytest.approx(0.3)
    assert after.of("c") == pytest.approx(0.36 - 0.3 * 3 / 4)
    assert after.of("b") == pytest.approx(0.3 - 0.3 / 4)
    graph.remove_distrust("a", "b")
    graph.remove_distrust("a", "c")
    assert ranks.scores("s").of("c") == before.of("c")


def test_one_shot__more_distrust_than_trust__floored_at_zero():
    graph = warned()
    graph.set_distrust("s", "c", 1)
    scores = MeritRank(graph).scores("s")
    assert scores.of("c") == 0
    assert "c" not in dict(scores.top(10))
    assert scores.share("s") == pytest.approx(1 / 1.6)


def test_one_shot__warning_by_a_node_without_a_score__has_no_effect():
    graph = warned()
    before = MeritRank(graph).scores("s").of("c")
    for number in range(20):
        graph.set_distrust(f"stranger {number}", "c", 1000.0)
    assert MeritRank(graph).scores("s").of("c") == before


def test_one_shot__sampled__uses_the_sampled_scores():
    graph = warned()
    graph.set_distrust("a", "c", 1)
    scores = MeritRank(graph, method="sampled", walks=5_000, bridge_decay=0).scores("s")
    reach = scores.visits_to("c") / scores.diagonal("c")
    assert scores.of("c") == pytest.approx(reach - scores.of("a"), abs=1e-12)


def test_one_shot__extreme_weights__still_normalised():
    graph = warned()
    graph.set_distrust("a", "b", 1.7e308)
    graph.set_distrust("a", "c", 1.7e308)
    assert MeritRank(graph, bridge_decay=0).scores("s").of("b") == pytest.approx(0.15)


def test_segment__known_value_of_the_library_with_this_policy():
    """0 trusts 1 and warns of 2, who trusts 3: friends of an enemy are punished."""
    graph = FeedbackGraph()
    graph.set_edge(0, 1, 1)
    graph.set_distrust(0, 2, 1)
    graph.set_edge(2, 3, 1)
    scores = MeritRank(graph, stop=0.15, bridge_decay=0, distrust=DistrustPolicy.SEGMENT).scores(0)
    assert scores.share(3) == pytest.approx(-0.163, abs=5e-4)
    assert scores.of(2) == pytest.approx(-0.425)
    assert sum(abs(scores.share(node)) for node in range(4)) == pytest.approx(1)
    assert [node for node, _ in scores.top(9)] == [0, 1]


def test_segment__without_warnings__same_as_without_the_policy():
    graph = warned()
    plain, segment = (MeritRank(graph, distrust=policy).scores("s").to_arrays() for policy in DistrustPolicy)
    assert segment.score.tobytes() == plain.score.tobytes()
