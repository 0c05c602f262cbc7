"""Bridges: the nodes that every walk from the seed to another node must pass."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scoring.reputation.compiled import compiled
from scoring.reputation.transition import Ints, Rows, Transition

UNREACHED = -1


class Search(NamedTuple):
    """A depth-first search. Number 0 is the root: a node, or a virtual node above several."""

    number: NDArray[np.int32]  # (n,) of each node, -1 where it was not reached
    vertex: NDArray[np.int32]  # (found,) the node of each number, -1 for a virtual root
    parent: NDArray[np.int32]  # (found,) the number of the parent of each number


@compiled
def lowest(vertex: int, ancestor: NDArray[np.int32], low: NDArray[np.int32], path: NDArray[np.int32]) -> int:
    """The least semidominator on the path above `vertex` in the linked forest; the path is compressed on the way.

    `low` holds it for the part of the path up to `ancestor`. `path` is scratch.
    """
    length = 0
    at = vertex
    while ancestor[ancestor[at]] >= 0:
        path[length] = at
        length += 1
        at = ancestor[at]
    for step in range(length - 1, -1, -1):
        at = path[step]
        above = ancestor[at]
        low[at] = min(low[at], low[above])
        ancestor[at] = ancestor[above]
    result: int = low[vertex]
    return result


@compiled
def depth_first(rows: Rows, roots: Ints) -> Search:
    """Number the nodes that the roots reach, in depth-first order. Several roots become children of a virtual one."""
    n = rows.begin.size
    number = np.full(n, -1, np.int32)
    vertex = np.full(n + 1, -1, np.int32)
    parent = np.full(n + 1, -1, np.int32)
    found = 1 if roots.size > 1 else 0
    stack = np.empty(n, np.int32)
    cursor = np.empty(n, np.int64)
    for root in roots:
        if number[root] >= 0:
            continue
        number[root] = found
        vertex[found] = root
        parent[found] = 0
        found += 1
        stack[0] = root
        cursor[0] = rows.begin[root]
        depth = 0
        while depth >= 0:
            node = stack[depth]
            at = cursor[depth]
            if at == rows.end[node]:
                depth -= 1
                continue
            cursor[depth] = at + 1
            child = rows.target[at]
            if number[child] < 0:
                number[child] = found
                vertex[found] = child
                parent[found] = number[node]
                found += 1
                depth += 1
                stack[depth] = child
                cursor[depth] = rows.begin[child]
    return Search(number, vertex[:found], parent[:found])


@compiled
def find_bridges(rows: Rows, columns: Rows, roots: Ints) -> NDArray[np.int32]:
    """See `bridges`.

    Semidominators as in Lengauer and Tarjan, "A fast algorithm for finding dominators in a flowgraph" (1979), simple
    form. The immediate dominator of a vertex is the nearest common ancestor, in the dominator tree, of its parent and
    its semidominator (Georgiadis, Tarjan, Werneck, "Finding dominators in practice", 2006). So both are below the same
    child of the root, which then is above the vertex too, or the vertex is a child of the root itself.
    """
    number, vertex, parent = depth_first(rows, roots)
    found = vertex.size
    is_entry = np.zeros(found, np.bool_)  # below a virtual root
    if roots.size > 1:
        is_entry[number[roots]] = True
    semi = np.arange(found).astype(np.int32)
    low = np.arange(found).astype(np.int32)
    ancestor = np.full(found, -1, np.int32)
    path = np.empty(found, np.int32)
    for i in range(found - 1, 0, -1):
        node = vertex[i]
        best = 0 if is_entry[i] else i
        for at in range(columns.begin[node], columns.end[node]):
            before = number[columns.target[at]]
            if before > i:
                best = min(best, lowest(before, ancestor, low, path))
            elif before >= 0:
                best = min(best, before)
            if best == 0:  # the least there is
                break
        semi[i] = low[i] = best
        ancestor[i] = parent[i]

    bridge = np.full(number.size, -1, np.int32)
    top = np.zeros(found, np.int32)
    for i in range(1, found):
        top[i] = i if semi[i] == 0 or top[parent[i]] != top[semi[i]] else top[parent[i]]
        bridge[vertex[i]] = vertex[top[i]]
    if roots.size == 1:
        bridge[roots[0]] = roots[0]
    return bridge


def bridges(transition: Transition, roots: Ints) -> NDArray[np.int32]:
    """For each node its bridge, shape (n,): the first node behind the root that all walks to it pass.

    A node that has two disjoint ways from the root, or an edge from it, is its own bridge; one that no walk reaches has
    `UNREACHED`. In terms of the dominator tree: the child of the root that is above the node. `roots` is the seed, or
    the positions that a virtual seed node points to.
    """
    return find_bridges(transition.rows, transition.columns, roots)
