"""The bounds that MeritRank is about, quantified over attacks.

The attacker is an honest graph's node. Sybils hang on it by any edges among themselves and from it, and point anywhere;
no honest node points to them.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.reputation import FeedbackGraph, MeritRank

ATTACKER = 5
HONEST = 12


def honest_graph(random_seed: int) -> FeedbackGraph:
    """Twelve nodes on a ring with chords; node 0 is the seed."""
    rng = np.random.default_rng(random_seed)
    graph = FeedbackGraph()
    for node in range(HONEST):
        graph.set_edge(node, (node + 1) % HONEST, 1 + rng.random())
    for source, target in rng.integers(0, HONEST, (12, 2)).tolist():
        if source != target:
            graph.set_edge(source, target, 1 + rng.random())
    return graph


def sybil(number: int) -> str:
    return f"sybil {number}"


@st.composite
def attacks(draw):
    """Edges from the attacker and up to eight Sybils to anybody."""
    liars = [ATTACKER, *map(sybil, range(draw(st.integers(1, 8))))]
    everybody = [*liars, *range(HONEST)]
    pair = st.tuples(st.sampled_from(liars), st.sampled_from(everybody)).filter(lambda ends: ends[0] != ends[1])
    return draw(st.dictionaries(pair, st.floats(1e-2, 1e6), min_size=1, max_size=40))


@settings(max_examples=200, deadline=None)
@given(random_seed=st.integers(0, 50), attack=attacks(), stop=st.floats(0.05, 0.95), decay=st.floats(0, 1))
def test_any_attack__gain_is_bounded_and_the_attacker_gets_nothing_of_it(random_seed, attack, stop, decay):
    graph = honest_graph(random_seed)
    bound = (1 - stop) / stop
    honest = MeritRank(graph, stop=stop, bridge_decay=0).scores(0)
    honest_score = honest.of(ATTACKER)
    uncut, cut = (MeritRank(graph, stop=stop, bridge_decay=beta) for beta in (0.0, decay))
    for (source, target), weight in attack.items():
        graph.set_edge(source, target, weight)
    sybils = [node for node in graph.nodes if isinstance(node, str)]
    scores = uncut.scores(0)
    # T2: what the attacker and its Sybils say does not change how often walks reach it.
    assert scores.of(ATTACKER) == pytest.approx(honest_score, abs=1e-12)
    # T1: all visits to Sybils, and so all their scores.
    assert sum(map(scores.visits_to, sybils)) <= honest_score * bound * (1 + 1e-9)
    assert sum(map(scores.of, sybils)) <= honest_score * bound * (1 + 1e-9)
    # T3: every walk to a Sybil passes the attacker, so connectivity decay takes its part from all of them.
    after = cut.scores(0)
    assert sum(map(after.of, sybils)) <= (1 - decay) * honest_score * bound * (1 + 1e-9)
    assert all(after.bridge_to(node) not in {node, None} for node in sybils if scores.of(node) > 0)


def attacked(shape: str, count: int) -> tuple[FeedbackGraph, list[str]]:
    """A seed that vouches for an attacker, which gives all its weight to Sybils."""
    graph = FeedbackGraph()
    graph.set_edge("seed", "attacker", 1)
    graph.set_edge("seed", "friend", 1)
    graph.set_edge("friend", "attacker", 1)
    before = "attacker"
    for number in range(count):
        graph.set_edge("attacker" if shape != "serial" else before, sybil(number), 1)
        if shape == "cycle":
            graph.set_edge(sybil(number), "attacker", 1)
        before = sybil(number)
    return graph, [sybil(number) for number in range(count)]


@pytest.mark.parametrize("stop", [0.01, 0.15, 0.4, 0.8])
@pytest.mark.parametrize("count", [1, 2, 10, 100, 1000])
def test_known_attacks__gain_is_the_closed_form(stop, count):
    go = 1 - stop
    expected = {
        "parallel": (go, go),
        "serial": (go * (1 - go**count) / (1 - go),) * 2,
        # A walk reaches each of k Sybils with f = r/k + (r^2 (k-1)/k) f, and sees r of them for each visit in between.
        "cycle": (count * go / count / (1 - go**2 * (count - 1) / count), go),
    }
    for shape, (reach_gain, visits_gain) in expected.items():
        graph, sybils = attacked(shape, count)
        scores = MeritRank(graph, stop=stop, bridge_decay=0).scores("seed")
        attacker = scores.of("attacker")
        assert attacker == pytest.approx(go / 2 + go**2 / 2, abs=1e-12)
        assert sum(map(scores.of, sybils)) / attacker == pytest.approx(reach_gain, abs=1e-9)
        visits = sum(map(scores.visits_to, sybils)) / scores.visits_to("attacker")
        assert visits == pytest.approx(visits_gain, abs=1e-9)
        assert sum(map(scores.visits_to, sybils)) <= attacker * go / stop * (1 + 1e-9)


@pytest.mark.parametrize("decay", [0, 0.5, 0.9, 1])
def test_connectivity_decay__thousand_sybils__takes_its_part(decay):
    for shape in ("parallel", "serial", "cycle"):
        graph, sybils = attacked(shape, 1000)
        uncut = MeritRank(graph, bridge_decay=0).scores("seed")
        cut = MeritRank(graph, bridge_decay=decay).scores("seed")
        assert sum(map(cut.of, sybils)) == pytest.approx((1 - decay) * sum(map(uncut.of, sybils)), abs=1e-12)
        assert cut.of("attacker") == uncut.of("attacker")
        assert cut.of("friend") == uncut.of("friend")


def test_requester_that_pays_itself__gains_at_most_what_the_bound_allows():
    """Threat 18: a requester with a score funds jobs that its own Sybils do."""
    graph = honest_graph(1)
    stop = 0.4
    before = MeritRank(graph, stop=stop).scores(0)
    for number in range(50):
        graph.set_edge(ATTACKER, sybil(number), 1000.0)
        graph.set_edge(sybil(number), sybil((number + 1) % 50), 1000.0)
    after = MeritRank(graph, stop=stop).scores(0)
    gain = sum(after.of(sybil(number)) for number in range(50)) / before.of(ATTACKER)
    assert 0 < gain <= 0.5 * (1 - stop) / stop
