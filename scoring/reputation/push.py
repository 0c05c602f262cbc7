"""`G(j, j)` of `G = (I - r P)^-1` from what lies around `j`: for graphs in which walks do not spread far."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scoring.reputation.compiled import compiled
from scoring.reputation.transition import Floats, Ints, Rows

STEP = 0.25  # by which a residual's level falls from one round to the next


class Push(NamedTuple):
    """One direction of a local solution around a node. All arrays have shape (n,)."""

    residual: Floats  # what has arrived and not been carried on
    settled: Floats  # what has been carried on
    seen: NDArray[np.int32]  # the nodes that anything has reached, first the one in the middle
    known: NDArray[np.bool_]  # whether a node is among them
    queue: NDArray[np.int32]
    queued: NDArray[np.bool_]


@compiled
def new_push(n: int) -> Push:
    return Push(
        np.zeros(n),
        np.zeros(n),
        np.empty(n, np.int32),
        np.zeros(n, np.bool_),
        np.empty(n, np.int32),
        np.zeros(n, np.bool_),
    )


@compiled
def start_push(side: Push, node: int) -> None:
    side.residual[node] = 1.0
    side.seen[0] = node
    side.known[node] = True


@compiled
def clear_push(side: Push, count: int) -> None:
    for i in range(count):
        node = side.seen[i]
        side.residual[node] = 0.0
        side.settled[node] = 0.0
        side.known[node] = False


@compiled
def push(side: Push, count: int, rows: Rows, level: float, by_length: bool) -> tuple[int, int]:
    """Carry on every residual above `level` (times the row's length), until none is left.

    Returns the number of nodes seen, and of edges followed.
    """
    residual, settled, seen, known, queue, queued = side
    pending = 0
    for i in range(count):
        node = seen[i]
        if residual[node] > level * (rows.end[node] - rows.begin[node] if by_length else 1):
            queue[pending] = node
            queued[node] = True
            pending += 1
    work = count
    head = 0
    while pending > 0:
        node = queue[head]
        head = head + 1 if head + 1 < queue.size else 0
        pending -= 1
        queued[node] = False
        moved = residual[node]
        residual[node] = 0.0
        settled[node] += moved
        work += rows.end[node] - rows.begin[node] + 1
        for at in range(rows.begin[node], rows.end[node]):
            to = rows.target[at]
            if not known[to]:
                known[to] = True
                seen[count] = to
                count += 1
            residual[to] += moved * rows.probability[at]
            if not queued[to] and residual[to] > level * (rows.end[to] - rows.begin[to] if by_length else 1):
                queued[to] = True
                tail = head + pending
                queue[tail if tail < queue.size else tail - queue.size] = to
                pending += 1
    return count, work


@compiled
def returns_by_push(nodes: Ints, rows: Rows, columns: Rows, enough: float) -> tuple[Floats, int]:
    """`G(j, j)` for each `j` in `nodes`, shape (k,), and the edges that were followed.

    `rows` and `columns` hold `r P`. Forward push from `j` leaves visits `p` and a residual `a >= 0`, backward push
    leaves `q` and a residual `b >= 0` (Andersen et al., "Local computation of PageRank contributions", 2007), and

        G(j, j) = p(j) + a . q + a G b,      0 <= a G b <= sum(a) max(b) / stop.

    Work goes to whichever side has been cheaper so far, until `sum(a) max(b) <= enough`.
    """
    ahead, back = new_push(rows.begin.size), new_push(rows.begin.size)
    result = np.empty(nodes.size)
    total_work = 0
    for which in range(nodes.size):
        node = nodes[which]
        start_push(ahead, node)
        start_push(back, node)
        ahead_count, back_count, ahead_work, back_work = 1, 1, 0, 0
        ahead_level, back_level = 1.0, 1.0
        while True:
            mass, largest = 0.0, 0.0
            for i in range(ahead_count):
                mass += ahead.residual[ahead.seen[i]]
            for i in range(back_count):
                largest = max(largest, back.residual[back.seen[i]])
            if mass * largest <= enough:
                break
            if ahead_work <= back_work:
                ahead_level *= STEP
                ahead_count, work = push(ahead, ahead_count, rows, ahead_level, True)
                ahead_work += work
            else:
                back_level = STEP * min(back_level, largest)
                back_count, work = push(back, back_count, columns, back_level, False)
                back_work += work
        total = ahead.settled[node]
        for i in range(ahead_count):
            total += ahead.residual[ahead.seen[i]] * back.settled[ahead.seen[i]]
        clear_push(ahead, ahead_count)
        clear_push(back, back_count)
        result[which] = total
        total_work += ahead_work + back_work
    return result, total_work
