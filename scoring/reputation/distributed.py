"""One large graph over several machines: blocks of rows of the linear system as Ray actors.

Ray is an extra: `pip install merit[ray]`. Where a cluster is running, `ray.init(address="auto")` before the first
question joins it; otherwise Ray starts one on this machine.
"""

from itertools import pairwise
from typing import Any

import numpy as np

from scoring.reputation.errors import MissingRayError
from scoring.reputation.transition import Floats, Rows, Transition
from scoring.reputation.visits import look_ahead, solve


class Block:
    """The in-edges of some consecutive nodes. It keeps nothing between steps, so it can be started again at any."""

    def __init__(self, columns: Rows, survive: float) -> None:
        self._columns, self._survive = columns, survive

    def step(self, mass: Floats) -> Floats:
        """What one more step carries to the nodes of the block, shape (k,), of all mass, shape (n,)."""
        # Ray hands out read-only arrays, for which a second version would be compiled.
        return look_ahead(self._columns, mass.copy(), self._survive)


class RayVisits:
    """Expected visits by as many actors as there are blocks.

    Each entry is summed in the order in which one machine sums it, so the numbers are the same, whatever the number of
    blocks. Ray starts a block again that was lost, and asks it again.
    """

    def __init__(self, transition: Transition, stop: float, blocks: int) -> None:
        try:
            import ray  # noqa: PLC0415 (an extra that most installations do not have)
        except ImportError:
            raise MissingRayError from None
        if not ray.is_initialized():
            ray.init(log_to_driver=False, include_dashboard=False)
        self._ray: Any = ray
        self._stop = stop
        remote = ray.remote(max_restarts=-1, max_task_retries=-1)(Block)
        columns = transition.columns
        bounds = np.linspace(0, transition.node_count, blocks + 1).astype(np.int64).tolist()
        self.blocks: list[Any] = [
            remote.remote(cut(columns, first, last), 1 - stop) for first, last in pairwise(bounds)
        ]

    def visits(self, source: Floats, tolerance: float) -> tuple[Floats, Floats]:
        """As `visits.solve`: visits of a walk that starts by `source`, and what is missing of them."""
        return solve(self.step, np.zeros_like(source), source, self._stop, tolerance)

    def step(self, mass: Floats) -> Floats:
        """Where one more step carries the mass, shape (n,)."""
        shared = self._ray.put(mass)
        return np.concatenate(self._ray.get([block.step.remote(shared) for block in self.blocks]))

    def close(self) -> None:
        """Stop the actors."""
        for block in self.blocks:
            self._ray.kill(block)


def cut(columns: Rows, first: int, last: int) -> Rows:
    """Some of the columns, with nothing else in memory."""
    begin, end = columns.begin[first:last], columns.end[first:last]
    span = slice(begin[0], end[-1]) if last > first else slice(0, 0)
    return Rows(begin - span.start, end - span.start, columns.target[span].copy(), columns.probability[span].copy())
