"""The same graph gives the same bits, however it came to be and wherever it is scored."""

import hashlib
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from scoring.reputation import FeedbackGraph, MeritRank

GOLDEN = Path(__file__).parents[2] / "vectors" / "reputation.json"


def edges() -> list[tuple[object, object, float]]:
    """A graph of 300 nodes: integers, text, bytes and pairs. Weights are exact in binary."""
    rng = np.random.default_rng(2207)
    names = [
        *range(150),
        *(f"0x{number:040x}" for number in range(100)),
        *(bytes([n]) for n in range(30)),
        *((n, "x") for n in range(20)),
    ]
    chosen = {}
    for source, target in rng.integers(0, len(names), (2_000, 2)).tolist():
        if source != target:
            chosen[names[source], names[target]] = 1 + (source * target) % 64 / 8
    return [(source, target, weight) for (source, target), weight in chosen.items()]


def digest(graph: FeedbackGraph, **options: object) -> str:
    found = hashlib.sha256()
    for seed in (0, "0x" + "0" * 40, {1: 1.0, (3, "x"): 2.5}):
        arrays = MeritRank(graph, **options).scores(seed).to_arrays()
        found.update(repr(arrays.nodes).encode() + repr(arrays.bridge).encode())
        for values in (arrays.score, arrays.visits, arrays.diagonal, arrays.standard_error):
            found.update(values.astype("<f8").tobytes())
    return found.hexdigest()


def graph_of(ordered) -> FeedbackGraph:
    graph = FeedbackGraph()
    for source, target, weight in ordered:
        graph.set_edge(source, target, weight)
    return graph


METHODS = {
    "exact": {"method": "exact", "stop": 0.15},
    "sampled": {"method": "sampled", "walks": 3_000, "random_seed": 42},
}


@pytest.mark.parametrize("name", METHODS)
def test_scores__golden_digest(name):
    assert digest(graph_of(edges()), **METHODS[name]) == json.loads(GOLDEN.read_text())["digest"][name]


@pytest.mark.parametrize("name", METHODS)
def test_scores__edges_in_another_order_or_replaced_on_the_way__same_bits(name):
    expected = digest(graph_of(edges()), **METHODS[name])
    rng, listed = np.random.default_rng(1), edges()
    for _ in range(3):
        ordered = [listed[at] for at in rng.permutation(len(listed))]
        assert digest(graph_of(ordered), **METHODS[name]) == expected
        detour = graph_of((source, target, 77.0) for source, target, _ in ordered[:500])
        detour.set_edge(ordered[3][1], ordered[3][0], 5.0)
        for source, target, weight in ordered:
            detour.set_edge(source, target, weight)
        if (ordered[3][1], ordered[3][0]) not in {(source, target) for source, target, _ in ordered}:
            detour.remove_edge(ordered[3][1], ordered[3][0])
        assert digest(detour, **METHODS[name]) == expected


def test_scores__order_of_questions__same_bits():
    arrays = MeritRank(graph_of(edges())).scores(0).to_arrays()
    ranks = MeritRank(graph_of(edges()))
    ranks.scores(5).top(3)
    scores = ranks.scores(0)
    one_by_one = [scores.of(node) for node in reversed(arrays.nodes)]
    assert np.array(one_by_one[::-1]).tobytes() == arrays.score.tobytes()


def test_scores__from_four_threads__same_bits():
    expected = digest(graph_of(edges()))
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda _: digest(graph_of(edges())), range(8)))
    assert found == [expected] * 8


def test_scores__in_another_process_with_another_hash_seed__same_bits():
    here = digest(graph_of(edges()))
    program = (
        "import importlib.util, sys; spec = importlib.util.spec_from_file_location('t', sys.argv[1]); "
        "t = importlib.util.module_from_spec(spec); spec.loader.exec_module(t); print(t.digest(t.graph_of(t.edges())))"
    )
    for hash_seed in ("1", "2"):
        environment = {
            "PYTHONHASHSEED": hash_seed,
            "PYTHONPATH": str(Path(__file__).parents[3]),
            "OMP_NUM_THREADS": "3",
        }
        there = subprocess.run(
            [sys.executable, "-c", program, __file__], env=environment, capture_output=True, text=True, check=True
        )
        assert there.stdout.strip() == here
