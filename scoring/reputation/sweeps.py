"""`G(j, j)` of `G = (I - r P)^-1` for many `j`: for graphs in which walks soon are everywhere."""

import numpy as np

from scoring.reputation.compiled import compiled
from scoring.reputation.transition import Floats, Ints, Rows

LANES = 8  # walks that are followed side by side: one cache line, one vector register


@compiled
def walk_on_side_by_side(rows: Rows, mass: Floats) -> Floats:
    """Where one more step carries each lane's mass, shape (n, LANES)."""
    arrived = np.zeros(mass.shape)
    for node in range(mass.shape[0]):
        for at in range(rows.begin[node], rows.end[node]):
            to, probability = np.uint64(rows.target[at]), rows.probability[at]
            for lane in range(LANES):
                arrived[to, lane] += mass[node, lane] * probability
    return arrived


@compiled
def compare(mass: Floats, typical: Floats) -> tuple[Floats, Floats]:
    """For each lane the number `m` that makes `m typical` sum up to its mass, and `sum |mass - m typical|`."""
    share = np.zeros(LANES)
    rest = np.zeros(LANES)
    total = 0.0
    for node in range(typical.size):
        total += typical[node]
        for lane in range(LANES):
            share[lane] += mass[node, lane]
    share /= total
    for node in range(typical.size):
        for lane in range(LANES):
            rest[lane] += abs(mass[node, lane] - share[lane] * typical[node])
    return share, rest


@compiled
def returns_by_sweeps(nodes: Ints, rows: Rows, typical: Floats, beyond: Floats, enough: float) -> Floats:
    """`G(j, j)` for each `j` in `nodes`, shape (k,).

    `rows` holds `r P`. After some steps the walk from `j` has left visits `p` and a residual `a`. The longer it walks,
    the more its residual resembles `m typical`, whatever `j` is; and `beyond = typical G` is known. So

        G(j, j) = p(j) + m beyond(j) + (a - m typical) G e(j),

    where the last term is at most `sum |a - m typical| / stop`; the walk ends when that sum is `enough`.
    """
    n = typical.size
    result = np.empty(nodes.size)
    for block in range(0, nodes.size, LANES):
        lanes = min(LANES, nodes.size - block)
        mass = np.zeros((n, LANES))
        visits = np.zeros(LANES)
        walking = np.zeros(LANES, np.bool_)
        for lane in range(lanes):
            mass[nodes[block + lane], lane] = 1.0
            walking[lane] = True
        while walking.any():
            sums, rest = compare(mass, typical)
            for lane in range(lanes):
                if walking[lane] and rest[lane] <= enough:
                    walking[lane] = False
                    result[block + lane] = visits[lane] + sums[lane] * beyond[nodes[block + lane]]
            for _ in range(2):
                for lane in range(lanes):
                    visits[lane] += mass[nodes[block + lane], lane]
                mass = walk_on_side_by_side(rows, mass)
    return result


@compiled
def returns_by_elimination(rows: Rows) -> Floats:
    """`G(j, j)` for every `j`, shape (n,): Gauss-Jordan elimination of `I - r P`, which `rows` holds.

    The matrix is diagonally dominant, so no pivoting is needed.
    """
    n = rows.begin.size
    matrix = np.eye(n)
    for node in range(n):
        for at in range(rows.begin[node], rows.end[node]):
            matrix[node, rows.target[at]] -= rows.probability[at]
    for k in range(n):
        pivot = matrix[k] / matrix[k, k]
        pivot[k] = 1.0 / matrix[k, k]
        for i in range(n):
            factor = matrix[i, k]
            if i != k and factor != 0.0:
                matrix[i, k] = 0.0
                for j in range(n):
                    matrix[i, j] -= factor * pivot[j]
        matrix[k] = pivot
    return np.diag(matrix).copy()
