"""Expected visits `x = source (I - r P)^-1`, `r = 1 - stop`: the numbers that every score is made of."""

from collections.abc import Callable
from functools import partial

import numpy as np

from scoring.reputation.compiled import compiled
from scoring.reputation.transition import Floats, Rows, Transition

Step = Callable[[Floats], Floats]
FLOOR = 2.0**-50  # relative to the visits: below this a residual is rounding and cannot shrink further


@compiled
def walk_on(rows: Rows, mass: Floats, survive: float) -> Floats:
    """`survive * mass P`: where one more step carries the mass, shape (n,)."""
    arrived = np.zeros(mass.size)
    for node in range(mass.size):
        if mass[node] != 0.0:
            sent = mass[node] * survive
            for at in range(rows.begin[node], rows.end[node]):
                arrived[rows.target[at]] += sent * rows.probability[at]
    return arrived


@compiled
def measure(before: Floats, after: Floats) -> tuple[float, float, float]:
    """How two successive residuals relate.

    Returns `(l, size, rest)`: the number `l` that brings `l * before` nearest to `after`, `sum |after|`, and
    `sum |after - l * before|`.
    """
    product = 0.0
    square = 0.0
    size = 0.0
    for node in range(before.size):
        product += before[node] * after[node]
        square += before[node] * before[node]
        size += abs(after[node])
    ratio = product / square if square > 0.0 else 0.0
    rest = 0.0
    for node in range(before.size):
        rest += abs(after[node] - ratio * before[node])
    return ratio, size, rest


def solve(step: Step, visits: Floats, residual: Floats, stop: float, tolerance: float) -> tuple[Floats, Floats]:
    """Bring `visits` to the solution, given how far off they are.

    `residual = source - visits (I - r P)`. Adding the residual to the visits leaves one step's image of it as the next
    residual: the Neumann series. Where two successive residuals are nearly parallel (`after = l * before + rest`), the
    rest of that series is geometric and is added at once, which leaves `rest / (1 - l)`; on a graph that mixes well
    this saves most of the steps. Since no row of `(I - r P)^-1` sums to more than `1 / stop`, the result is within
    `sum |residual| / stop` of the truth in the sum of absolute differences, and that is at most `tolerance` (or the
    rounding of float64).
    """
    visits, size = visits.copy(), float(np.abs(residual).sum())
    floor = FLOOR * max(float(np.abs(visits).sum()), size)
    while size > max(tolerance * stop, floor):
        after = step(residual)
        ratio, size, rest = measure(residual, after)
        if ratio < 1 and rest < 0.5 * size * (1 - ratio):
            visits += residual / (1 - ratio)
            residual, size = (after - ratio * residual) / (1 - ratio), rest / (1 - ratio)
        else:
            visits += residual
            residual = after
    return visits, residual


def expected_visits(transition: Transition, source: Floats, stop: float, tolerance: float) -> Floats:
    """Expected visits to every node, shape (n,), of a walk that starts at node `i` with probability `source[i]`."""
    return solve(partial(walk_on, transition.rows, survive=1 - stop), np.zeros_like(source), source, stop, tolerance)[0]
