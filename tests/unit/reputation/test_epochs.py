"""Epoch decay: what earlier work still weighs."""

import pytest

from scoring.reputation import FeedbackGraph, MeritRank
from scoring.reputation.errors import InvalidParameterError, InvalidWeightError


@pytest.mark.parametrize("decay", [0.0, 0.1, 0.5, 0.99])
def test_record__two_epochs__older_work_fades(decay):
    graph = FeedbackGraph(epoch_decay=decay)
    graph.record("s", "a", 10, epoch=3)
    graph.record("s", "b", 10, epoch=5)
    graph.record("s", "a", 1, epoch=5)
    row = graph.edges_from("s")
    assert row["a"] / row["b"] == pytest.approx((10 * (1 - decay) ** 2 + 1) / 10)
    scores = MeritRank(graph).scores("s")
    assert scores.of("a") / scores.of("b") == pytest.approx(row["a"] / row["b"])


def test_record__work_of_an_earlier_epoch_arrives_late__counts_as_then():
    graph = FeedbackGraph(epoch_decay=0.5)
    graph.record("s", "a", 1, epoch=9)
    graph.record("s", "b", 1, epoch=7)
    row = graph.edges_from("s")
    assert row["b"] / row["a"] == pytest.approx(0.25)


def test_record__thousands_of_epochs__no_overflow_and_the_forgotten_leave():
    graph = FeedbackGraph(epoch_decay=0.5)
    for epoch in range(0, 5000, 7):
        graph.record("s", f"worker {epoch}", 1, epoch=epoch)
    row = graph.edges_from("s")
    assert graph.edge_count == len(row) < 5000 / 7
    assert row["worker 4998"] / row["worker 4991"] == pytest.approx(2**7)
    assert MeritRank(graph).scores("s").of("worker 4998") == pytest.approx(0.6 * (1 - 2**-7))
    graph.record("s", "ancient", 1, epoch=0)
    assert "ancient" not in graph.edges_from("s")
    graph.record("s", "future", 1, epoch=10**9)
    assert graph.edges_from("s") == {"future": 1.0}


def test_record__bad_amount_or_decay__refused():
    with pytest.raises(InvalidWeightError, match="'s' -> 'a'"):
        FeedbackGraph(epoch_decay=0.5).record("s", "a", float("nan"), epoch=1)
    for decay in (-0.1, 1, float("nan")):
        with pytest.raises(InvalidParameterError, match="epoch_decay"):
            FeedbackGraph(epoch_decay=decay)
