"""Expected visits `x = source (I - r P)^-1`, `r = 1 - stop`: the numbers that every score is made of."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from scoring.reputation.compiled import compiled
from scoring.reputation.transition import Floats, Rows, Transition

Step = Callable[[Floats], Floats]
CANCELLED = 1e-3
FLOOR = 2.0**-50  # relative to the visits: below this a residual is rounding and cannot shrink further


@compiled
def walk_on(rows: Rows, mass: Floats, survive: float) -> Floats:
    """`survive * mass P`: where one more step carries the mass, shape (n,)."""
    arrived = np.zeros(mass.size)
    for node in range(mass.size):
        if mass[node] != 0.0:
            sent = mass[node] * survive
            for at in range(rows.begin[node], rows.end[node]):
                entry = np.uint64(at)  # see `compiled`
                arrived[np.uint64(rows.target[entry])] += sent * rows.probability[entry]
    return arrived


@compiled
def look_ahead(rows: Rows, value: Floats, survive: float) -> Floats:
    """`survive * P value`: what one more step finds, for each row. With columns for rows, what it carries there."""
    found = np.empty(rows.begin.size)
    for node in range(rows.begin.size):
        total = 0.0
        for at in range(rows.begin[node], rows.end[node]):
            entry = np.uint64(at)
            total += value[np.uint64(rows.target[entry])] * survive * rows.probability[entry]  # as in `walk_on`
        found[node] = total
    return found


@compiled
def measure(before: Floats, after: Floats) -> tuple[float, float, float]:
    """How two successive residuals relate.

    Returns `(l, size, rest)`: `l = sum after / sum before` (0 where the terms below it cancel), `size = sum |after|`
    and `rest = sum |after - l * before|`.
    """
    total_before = 0.0
    total_after = 0.0
    size_before = 0.0
    size = 0.0
    for node in range(before.size):
        total_before += before[node]
        total_after += after[node]
        size_before += abs(before[node])
        size += abs(after[node])
    ratio = total_after / total_before if abs(total_before) > CANCELLED * size_before else 0.0
    rest = 0.0
    for node in range(before.size):
        rest += abs(after[node] - ratio * before[node])
    return ratio, size, rest


def solve(step: Step, visits: Floats, residual: Floats, stop: float, tolerance: float) -> tuple[Floats, Floats]:
    """Bring `visits` to the solution, given how far off they are.

    `residual = source - visits (I - r P)`. Adding the residual to the visits leaves one step's image of it as the next
    residual: the Neumann series. Where two successive residuals are nearly parallel (`after = l * before + rest`), the
    rest of that series is nearly geometric; it is added at once and leaves `rest / (1 - l)`. The proportion `l` of the
    sums leaves a residual that adds up to nothing, so on a graph that mixes well its slow part is gone for good, and
    with it most of the steps. Since no row of `(I - r P)^-1` sums to more than `1 / stop`, the result is within
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


@compiled
def add_row_changes(residual: Floats, visits: Floats, before: Rows, after: Rows, survive: float) -> None:
    """`residual += survive * visits (P_after - P_before)`, over the rows that have moved."""
    for node in range(before.begin.size):
        moved = before.begin[node] != after.begin[node] or before.end[node] != after.end[node]
        if moved and visits[node] != 0.0:
            sent = survive * visits[node]
            for at in range(before.begin[node], before.end[node]):
                residual[before.target[at]] -= sent * before.probability[at]
            for at in range(after.begin[node], after.end[node]):
                residual[after.target[at]] += sent * after.probability[at]


@dataclass(frozen=True, eq=False)
class Visits:
    """Expected visits from one source, kept as the graph changes."""

    transition: Transition
    source: Floats
    visits: Floats
    residual: Floats  # source - visits (I - r P), which is what is still missing

    @classmethod
    def fresh(cls, transition: Transition, source: Floats, stop: float, tolerance: float) -> "Visits":
        step = partial(walk_on, transition.rows, survive=1 - stop)
        return cls(transition, source, *solve(step, np.zeros_like(source), source, stop, tolerance))

    def carried_to(self, transition: Transition, source: Floats, stop: float, tolerance: float) -> "Visits":
        """The same for a changed graph.

        A change `dp` of row `u` changes the visits by a multiple of `dp G`. Since `x = source + x r P`, that is what
        solving for the residual `r x(u) dp` adds; so all changes since the last question cost one solution, which
        starts from their sum. Nothing has to be done at the time of a change, and a change that no walk reaches costs
        nothing.
        """
        step = partial(walk_on, transition.rows, survive=1 - stop)
        if transition.same_positions(self.transition):
            grown = transition.node_count - self.transition.node_count
            visits, residual = np.pad(self.visits, (0, grown)), np.pad(self.residual, (0, grown))
            add_row_changes(residual, visits, self.transition.rows, transition.rows, 1 - stop)
        else:
            visits = np.zeros(transition.node_count)
            visits[transition.position[self.transition.number]] = self.visits
            residual = source - visits + step(visits)
        return Visits(transition, source, *solve(step, visits, residual, stop, tolerance))

    @property
    def nbytes(self) -> int:
        """Memory held for this source alone."""
        rows = self.transition.rows
        return self.source.nbytes + self.visits.nbytes + self.residual.nbytes + rows.begin.nbytes + rows.end.nbytes


def expected_visits(transition: Transition, source: Floats, stop: float, tolerance: float) -> Floats:
    """Expected visits to every node, shape (n,), of a walk that starts at node `i` with probability `source[i]`."""
    return Visits.fresh(transition, source, stop, tolerance).visits
