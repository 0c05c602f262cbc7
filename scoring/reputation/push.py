"""`G(j, j)` of `G = (I - r P)^-1` from what lies around `j`: for graphs in which walks do not spread far."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scoring.reputation.compiled import compiled, prefetch
from scoring.reputation.transition import Floats, Ints, Rows

STEP = 0.15  # by which a residual's level falls from one round to the next
BATCH = 4  # rows that are read before any is carried on, so that one does not wait for the memory of another
LINE = 8  # numbers that come from memory together; a row is seldom longer than two lines
BACK = 16  # times the work ahead that is done back, where it lowers the bound faster
CARRIED_ON = 1e-300  # the residual left where all has been carried on: nothing in any sum, but not "never reached"


class Push(NamedTuple):
    """Room for one direction of local solutions, n nodes around one at a time. As good as new after each."""

    residual: Floats  # (n,) what has arrived and not been carried on; 0 where nothing ever arrived
    settled: Floats  # (n,) what has been carried on; back only of the node in the middle, as no more is needed
    seen: NDArray[np.int32]  # (n + 1,) the known nodes, first the one in the middle
    queue: NDArray[np.int32]  # (n + 1,), nodes everywhere
    parcel_to: NDArray[np.int32]  # what a batch carries on, and where
    parcel: Floats


def new_push(rows: Rows) -> Push:
    n, parcels = rows.begin.size, BATCH * int((rows.end - rows.begin).max(initial=0))
    return Push(
        np.zeros(n),
        np.zeros(n),
        np.empty(n + 1, np.int32),
        np.zeros(n + 1, np.int32),
        np.empty(parcels, np.int32),
        np.empty(parcels),
    )


@compiled
def start_push(side: Push, node: int) -> None:
    side.residual[node] = 1.0
    side.seen[0] = node


@compiled
def clear_push(side: Push, count: int, is_ahead: bool) -> None:
    for i in range(count):
        side.residual[side.seen[i]] = 0.0
    for i in range(count if is_ahead else 1):
        side.settled[side.seen[i]] = 0.0


@compiled
def prefetch_rows(side: Push, first: int, rows: Rows) -> None:
    """Ask for the rows of a batch, and for where those of the next begin. What does not wait yet does no harm."""
    for waiting in range(first, min(first + BATCH, side.queue.size)):
        begin = rows.begin[side.queue[waiting]]
        prefetch(rows.target, begin)
        prefetch(rows.probability, begin)
        prefetch(rows.probability, begin + LINE)
    for waiting in range(first + BATCH, min(first + 2 * BATCH, side.queue.size)):
        node = side.queue[waiting]
        prefetch(rows.begin, node)
        prefetch(rows.end, node)
        prefetch(side.residual, node)


@compiled
def push(side: Push, count: int, rows: Rows, level: float, is_ahead: bool) -> tuple[int, int]:
    """Carry on every residual above `level` (times the row's length if `is_ahead`), until none is left.

    Returns the number of nodes seen, and of edges followed. A node waits in the queue while its residual is above the
    level, so the residual alone tells whether it does: one place of memory for each edge. Nothing within a batch
    branches on what was read, for the same reason for which there are batches.
    """
    residual, settled, seen, queue, parcel_to, parcel = side
    head, tail, work = 0, 0, count
    for i in range(count):
        node = seen[i]
        queue[tail] = node
        tail += residual[node] > level * (rows.end[node] - rows.begin[node] if is_ahead else 1)
    while head != tail:
        prefetch_rows(side, head + BATCH, rows)
        parcels = 0
        for _ in range(BATCH):
            if head == tail:
                break
            node = queue[head]
            head = head + 1 if head + 1 < queue.size else 0
            moved = residual[node]
            residual[node] = CARRIED_ON
            if is_ahead or node == seen[0]:
                settled[node] += moved
            for at in range(rows.begin[node], rows.end[node]):
                parcel_to[parcels], parcel[parcels] = rows.target[at], moved * rows.probability[at]
                prefetch(residual, rows.target[at])
                parcels += 1
            work += 1
        work += parcels
        for i in range(parcels):
            to = np.uint64(parcel_to[i])
            before = residual[to]
            after = before + parcel[i]
            residual[to] = after
            seen[count] = to
            count += (before == 0) & (after > 0)
            limit = level * (rows.end[to] - rows.begin[to] if is_ahead else 1)
            queue[tail] = to
            tail += (before <= limit) & (after > limit)
            tail = tail if tail < queue.size else 0
    return count, work


@compiled
def returns_by_push(
    nodes: Ints, rows: Rows, columns: Rows, ahead: Push, back: Push, enough: float
) -> tuple[Floats, int]:
    """`G(j, j)` for each `j` in `nodes`, shape (k,), and the edges that were followed.

    `rows` and `columns` hold `r P`. Forward push from `j` leaves visits `p` and a residual `a >= 0`, backward push
    leaves `q` and a residual `b >= 0` (Andersen et al., "Local computation of PageRank contributions", 2007), and

        G(j, j) = q(j) + (p + a) . b + a r P G b,      0 <= a r P G b <= r sum(a) max(b) / stop.

    A forward step lowers the bound by little more than `r` and costs as much as all before it, a backward step by the
    length of a row; so most of the work goes back, until `sum(a) max(b) <= enough`. No `b` is above the level of the
    last backward round.
    """
    result = np.empty(nodes.size)
    total_work = 0
    for which in range(nodes.size):
        node = nodes[which]
        start_push(ahead, node)
        start_push(back, node)
        ahead_count, back_count, ahead_work, back_work = 1, 1, 0, 0
        ahead_level, back_level = 1.0, 1.0
        while True:
            mass = 0.0
            for i in range(ahead_count):
                mass += ahead.residual[ahead.seen[i]]
            needed = enough / mass
            if back_level <= needed:
                break
            if BACK * ahead_work <= back_work:
                ahead_level *= STEP
                ahead_count, work = push(ahead, ahead_count, rows, ahead_level, True)
                ahead_work += work
            else:
                back_level = max(STEP * back_level, needed)
                back_count, work = push(back, back_count, columns, back_level, False)
                back_work += work
        total = back.settled[node]
        for i in range(ahead_count):
            at = ahead.seen[i]
            total += (ahead.settled[at] + ahead.residual[at]) * back.residual[at]
        clear_push(ahead, ahead_count, True)
        clear_push(back, back_count, False)
        result[which] = total
        total_work += ahead_work + back_work
    return result, total_work
