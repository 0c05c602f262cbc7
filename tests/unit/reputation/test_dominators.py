"""Bridges against the definition: remove a node and see who can still be reached."""

import numpy as np
import pytest

from scoring.reputation import FeedbackGraph
from scoring.reputation.dominators import UNREACHED, bridges
from scoring.reputation.transition import Transition


def by_removal(graph: FeedbackGraph, roots: list) -> dict:
    """For each reached node the first node that all ways pass: the cut node from which the most others are cut off."""
    row = {node: list(graph.edges_from(node)) for node in graph.nodes}

    def reached(without=None):
        found = set(roots) - {without}
        waiting = list(found)
        while waiting:
            new = set(row[waiting.pop()]) - found - {without}
            found |= new
            waiting += new
        return found

    everywhere = reached()
    cut_off = {node: everywhere - reached(node) for node in everywhere if len(roots) > 1 or node not in roots}
    result = {}
    for node in graph.nodes:
        above = [bridge for bridge, lost in cut_off.items() if node in lost]
        result[node] = max(above, key=lambda bridge: len(cut_off[bridge]), default=node) if node in everywhere else None
    return result


def shapes():
    rng = np.random.default_rng(7)
    for density in (1.1, 1.5, 2.0, 3.0):
        for _ in range(12):
            nodes = int(rng.integers(5, 45))
            source = rng.integers(0, nodes, int(nodes * density))
            yield source, (source + rng.integers(1, nodes, source.size)) % nodes
    line = np.arange(40)
    yield np.concatenate([line, line[2:]]), np.concatenate([line + 1, line[2:] - 2])  # a long way, with ways back
    yield np.concatenate([line[:-2], line[:-2]]), np.concatenate([line[1:-1], line[2:]])  # a ladder
    yield np.concatenate([[0, 0], line + 1, line + 1]), np.concatenate([[1, 20], line + 2, 41 - line])


@pytest.mark.parametrize("seeds", [1, 3])
def test_bridges__any_shape__as_by_removing_nodes(seeds):
    checked = 0
    for source, target in shapes():
        keep = source != target
        graph = FeedbackGraph.from_arrays(source[keep], target[keep], np.ones(keep.sum()))
        roots = list(graph.nodes[:seeds])
        transition = Transition.build(graph)
        found = bridges(transition, transition.position[:seeds])
        expected = by_removal(graph, roots)
        for number, node in enumerate(graph.nodes):
            at = found[transition.position[number]]
            assert (graph.node(transition.number[at]) if at != UNREACHED else None) == expected[node]
            checked += expected[node] not in {None, node}
    assert checked > 100


def test_bridges__hundred_thousand_nodes_in_a_line_with_ways_back__bounded_work():
    """Where a naive search for dominators takes quadratic time, or recursion ends."""
    line = np.arange(100_000)
    graph = FeedbackGraph.from_arrays(
        np.concatenate([line[:-1], line[1:]]), np.concatenate([line[1:], line[:-1]]), np.ones(2 * line.size - 2)
    )
    transition = Transition.build(graph)
    found = bridges(transition, transition.position[:1])
    assert (np.delete(found, transition.position[0]) == transition.position[1]).all()
