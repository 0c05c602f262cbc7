"""The oracle: MeritRank by dense linear algebra and plain search, straight from the definitions."""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from scoring.reputation import FeedbackGraph


@dataclass(frozen=True)
class Oracle:
    """Everything about one seed and one graph, by node."""

    visits: dict[Hashable, float]
    diagonal: dict[Hashable, float]
    reach: dict[Hashable, float]
    is_reached: dict[Hashable, bool]
    is_cut: dict[Hashable, bool]


def transition(graph: FeedbackGraph) -> NDArray[np.float64]:
    nodes = list(graph.nodes)
    weight = np.zeros((len(nodes), len(nodes)))
    for source, target, amount in graph.edges():
        weight[nodes.index(source), nodes.index(target)] = amount
    total = weight.sum(axis=1, keepdims=True)
    return np.divide(weight, total, out=np.zeros_like(weight), where=total > 0)


def reachable(edges: NDArray[np.bool_], roots: set[int], without: int | None = None) -> set[int]:
    found = roots - {without}
    waiting = list(found)
    while waiting:
        for node in np.flatnonzero(edges[waiting.pop()]).tolist():
            if node not in found and node != without:
                found.add(node)
                waiting.append(node)
    return found


def solve(graph: FeedbackGraph, seeds: Mapping[Hashable, float], stop: float) -> Oracle:
    nodes = list(graph.nodes)
    matrix = transition(graph)
    green = np.linalg.inv(np.eye(len(nodes)) - (1 - stop) * matrix)
    source = np.array([seeds.get(node, 0.0) for node in nodes])
    visits = source / source.sum() @ green
    diagonal = np.diagonal(green)
    roots = set(np.flatnonzero(source).tolist())
    everywhere = reachable(matrix > 0, roots)
    is_cut = np.zeros(len(nodes), dtype=bool)
    for bridge in everywhere - (roots if len(roots) == 1 else set()):
        is_cut[list(everywhere - reachable(matrix > 0, roots, bridge) - {bridge})] = True
    return Oracle(
        visits=dict(zip(nodes, visits.tolist(), strict=True)),
        diagonal=dict(zip(nodes, diagonal.tolist(), strict=True)),
        reach=dict(zip(nodes, (visits / diagonal).tolist(), strict=True)),
        is_reached={node: at in everywhere for at, node in enumerate(nodes)},
        is_cut=dict(zip(nodes, is_cut.tolist(), strict=True)),
    )


@pytest.fixture(scope="session")
def oracle() -> Callable[[FeedbackGraph, Mapping[Hashable, float], float], Oracle]:
    return solve
