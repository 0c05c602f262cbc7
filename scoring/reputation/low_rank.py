"""How the diagonal changes when a few rows of the transition do."""

from functools import partial

import numpy as np

from scoring.reputation.transition import Floats, Ints, Rows
from scoring.reputation.visits import add_row_changes, look_ahead, solve, walk_on


def diagonal_change(before: Rows, after: Rows, changed: Ints, stop: float, tolerance: float) -> Floats:
    """`G'(j, j) - G(j, j)`, shape (n,), where only the rows `changed` differ.

    With `dP` the changes of `k` rows, `C = G(., changed)` of shape (n, k) and `Y = r dP G` of shape (k, n),

        G' = G + C (I - Y(., changed))^-1 Y        (Sherman, Morrison, Woodbury),

    which for one row is `G(i, u) r y(j) / (1 - r y(u))`. `2 k` solutions of the graph as it was.
    """
    n, survive = before.begin.size, 1 - stop
    onwards, back = partial(walk_on, before, survive=survive), partial(look_ahead, before, survive=survive)
    columns, rows = np.empty((changed.size, n)), np.empty((changed.size, n))
    for which, node in enumerate(changed):
        unit = np.eye(1, n, int(node))[0]
        columns[which] = solve(back, np.zeros(n), unit, stop, tolerance)[0]
        change = np.zeros(n)
        add_row_changes(change, unit, before, after, survive)
        rows[which] = solve(onwards, np.zeros(n), change, stop, tolerance)[0]
    mixed = np.linalg.solve(np.eye(changed.size) - rows[:, changed], rows)
    change_of_diagonal: Floats = np.einsum("kj,kj->j", columns, mixed)
    return change_of_diagonal
