"""Connectivity decay below a threshold of one: nodes that most walks to another node pass."""

from functools import partial

import numpy as np
from numpy.typing import NDArray

from scoring.reputation.dominators import UNREACHED
from scoring.reputation.errors import GraphTooLargeError
from scoring.reputation.transition import Floats, Transition
from scoring.reputation.visits import expected_visits

LARGEST = 2_000  # nodes in reach; the formula needs a solution from each, and all of them at once


def largest_fraction(
    transition: Transition, source: Floats, bridge: NDArray[np.int32], stop: float, tolerance: float
) -> NDArray[np.float64]:
    """`max_c T(c, j)` for every node `j`, shape (n,): the largest part of the walks to `j` that pass one node first.

    `T(c, j) = F h(c, j) / h(s, j)` with `F = (h(s, c) - h(s, j) h(j, c)) / (1 - h(j, c) h(c, j))`, the probability
    that a walk from the seed reaches `c` and has not met `j` before. `c` is neither the seed nor `j`. It is 1 where
    `bridge` names a bridge, and 0 where no walk arrives.
    """
    reached = np.flatnonzero(bridge != UNREACHED)
    if reached.size > LARGEST:
        raise GraphTooLargeError(
            f"a bridge_threshold below 1 is exact for up to {LARGEST} nodes in reach of the seed, and there are "
            f"{reached.size}; use bridge_threshold=1"
        )
    solve = partial(expected_visits, transition, stop=stop, tolerance=tolerance)
    unit = np.eye(1, transition.node_count)[0]
    green = np.array([solve(np.roll(unit, node))[reached] for node in reached])
    reach = green / np.diagonal(green)  # h(i, j) at [i, j]
    from_seed = solve(source)[reached] / np.diagonal(green)
    back = reach.T  # h(j, c) at [c, j]
    with np.errstate(divide="ignore", invalid="ignore"):
        passed = (from_seed[:, None] - from_seed * back) / (1 - back * reach) * reach / from_seed
    np.fill_diagonal(passed, 0)
    seeds = np.flatnonzero(source[reached])
    if seeds.size == 1:
        passed[seeds] = 0
    result = np.zeros(transition.node_count)
    result[reached] = np.nan_to_num(passed.max(axis=0)).clip(0, 1)
    result[(bridge != UNREACHED) & (bridge != np.arange(bridge.size))] = 1
    return result
