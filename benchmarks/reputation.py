"""The reputation engine against its targets and against other libraries.

    python benchmarks/reputation.py [--quick] [--json]

`--quick` leaves out the large graphs and the peers that need an environment of their own. Times are processor
time of one thread, the best of several runs. Walks stop with probability 0.15, as in the libraries that fix it.
Without `--quick` the growth with the size of the graph is also drawn, in docs/reputation/growth.svg.
"""

import resource
import time
from collections.abc import Callable, Iterator, Sequence
from math import log10
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse
from numpy.typing import NDArray
from peer import run_peer
from report import Row, beside, figure, parser, report

from scoring.reputation import FeedbackGraph, MeritRank
from scoring.reputation.diagonal import Diagonal
from scoring.reputation.transition import Transition
from scoring.reputation.visits import expected_visits
from scoring.reputation.walks import Walks

STOP = 0.15
PEER_PACKAGES = ("meritrank-python==0.2.10", "networkx==3.6.1", "igraph==1.0.0", "scikit-network", "scipy", "numpy")

GROWTH = Path("docs/reputation/growth.svg")

Edges = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]


def uniform(nodes: int, edges: int) -> Edges:
    """Every ordered pair is as likely as every other: nearly all nodes lie on cycles."""
    rng = np.random.default_rng(0)
    source = rng.integers(0, nodes, edges)
    return source, (source + rng.integers(1, nodes, edges)) % nodes, rng.random(edges) + 0.1


def market(nodes: int, edges: int) -> Edges:
    """5 % of the accounts pay and earn; half of the rest only pay, half only earn."""
    rng = np.random.default_rng(0)
    both, payers = nodes // 20, nodes // 20 + 19 * nodes // 40
    source = rng.integers(0, payers, edges)
    target = rng.integers(0, both + nodes - payers, edges)
    target = np.where(target < both, target, target + payers - both)
    keep = source != target
    return source[keep], target[keep], rng.random(keep.sum()) + 0.1


def milliseconds(call: Callable[[], Any], repeats: int = 7) -> float:
    best = float("inf")
    for _ in range(repeats):
        started = time.process_time()
        call()
        best = min(best, time.process_time() - started)
    return 1000 * best


def power_iteration(edges: Edges, nodes: int) -> Callable[[], None]:
    """Plain personalised PageRank to 1e-6 with scipy: what one would write without an engine."""
    source, target, weight = edges
    matrix = scipy.sparse.csr_array((weight, (source, target)), shape=(nodes, nodes))
    total = matrix.sum(axis=1)
    total[total == 0] = 1
    step = (scipy.sparse.diags_array((1 - STOP) / total) @ matrix).T.tocsr()

    def call() -> None:
        mass = np.zeros(nodes)
        mass[0] = 1.0
        visits = mass.copy()
        while mass.sum() > STOP * 1e-6:
            mass = step @ mass
            visits += mass

    return call


def peers(edges: Edges) -> dict[str, float]:
    """Milliseconds of other libraries."""
    return run_peer("reputation", PEER_PACKAGES, source=edges[0], target=edges[1], weight=edges[2])


def small_graph(with_peers: bool) -> Iterator[Row]:
    nodes, edges = 10_000, uniform(10_000, 100_000)
    graph = FeedbackGraph.from_arrays(*edges)
    others = peers(edges) if with_peers else {}

    diagonal = Diagonal(graph, Transition.build(graph), STOP, 1e-6)
    started = time.process_time()
    diagonal.of(np.arange(graph.node_count))
    yield figure("10k/100k: the diagonal, every node, to 1e-6", time.process_time() - started, "s")

    ranks = MeritRank(graph, stop=STOP, tolerance=1e-6, diagonal_tolerance=1e-6)
    ranks.scores(0).share(0)
    seeds = iter(range(1, 1000))
    one_seed = figure(
        "10k/100k: all scores of one seed, exact",
        milliseconds(lambda: ranks.scores(next(seeds)).share(0), 20),
        "ms",
        10,
    )
    yield beside(one_seed, "scipy power iteration", milliseconds(power_iteration(edges, nodes)))
    for peer in ("scikit-network", "igraph", "networkx"):
        if peer in others:
            yield beside(one_seed, peer, others[peer])
    if others:
        both = others["meritrank-python walks"] + others["meritrank-python scores"]
        yield beside(one_seed, "meritrank-python, sampled", both)

    yield figure(
        "10k/100k: memory of a maintained seed", ranks.maintained_bytes / ranks.maintained_seeds / 1e6, "MB", 0.6
    )

    value = after_one_update(graph, ranks)
    yield figure("10k/100k: one update, then all scores of one seed, exact", value, "ms")

    transition, source = Transition.build(graph), np.eye(1, graph.node_count)[0]
    for stop in (STOP, 0.4):
        walks = figure(
            f"10k/100k: 10k reproducible walks, stop {stop}",
            milliseconds(lambda: Walks.draw(transition, source, 10_000, 1, stop), 100),  # noqa: B023 (called at once)
            "ms",
            2,
        )
        yield walks
        if others and stop == STOP:
            yield beside(walks, "meritrank-python", others["meritrank-python walks"])

    for count, target in ((1, 10_000), (100, 2_000)):
        updates = figure(
            f"10k/100k: updates kept exact, {count} seed{'s' if count > 1 else ''}, visits and bridges read every 10k",
            updates_per_second(graph, count),
            "updates/s",
            target,
            higher_is_better=True,
        )
        yield updates
        if others and count == 1:
            yield beside(updates, "meritrank-python, sampled", others["meritrank-python updates"])


def updates_per_second(graph: FeedbackGraph, seeds: int) -> float:
    """10,000 random edge updates, then the visits and bridges of every seed: all of it counts."""
    rng = np.random.default_rng(1)
    ranks = MeritRank(graph, stop=STOP, tolerance=1e-6, diagonal_tolerance=1e-6)
    for seed in range(seeds):
        ranks.scores(seed)
    ends = rng.integers(0, 10_000, (10_000, 2))
    started = time.process_time()
    for source, target in ends[ends[:, 0] != ends[:, 1]].tolist():
        graph.set_edge(source, target, 1.0)
    for seed in range(seeds):
        ranks.scores(seed)
    return 10_000 / (time.process_time() - started)


def after_one_update(graph: FeedbackGraph, ranks: MeritRank) -> float:
    """With the diagonal updated by low rank."""
    targets = iter(range(100, 200))

    def update_and_read() -> None:
        graph.set_edge(50, next(targets), 1.0)
        ranks.scores(0).share(0)

    return milliseconds(update_and_read, 20)


def large_graph() -> Iterator[Row]:
    nodes, edges = 1_000_000, uniform(1_000_000, 10_000_000)
    others = peers(edges)
    plain = milliseconds(power_iteration(edges, nodes), 1)
    started = time.process_time()
    graph = FeedbackGraph.from_arrays(*edges)
    transition = Transition.build(graph)
    yield figure("1M/10M: load", time.process_time() - started, "s")
    visits = figure("1M/10M: visits of one seed, to 1e-6", visits_milliseconds(transition), "ms", 2000)
    yield beside(visits, "scipy power iteration", plain)
    yield beside(visits, "scikit-network", others["scikit-network"])
    for stop in (STOP, 0.4):
        diagonal = Diagonal(graph, transition, stop, 1e-4)
        diagonal.of(np.array([0]))
        times = []
        for node in range(1, 101):
            started = time.process_time()
            diagonal.of(np.array([node]))
            times.append(1000 * (time.process_time() - started))
        each = float(np.median(times))
        yield figure(f"1M/10M uniform: the diagonal on demand, median node, to 1e-4, stop {stop}", each, "ms", 5)


def market_graph() -> Iterator[Row]:
    graph = FeedbackGraph.from_arrays(*market(1_000_000, 10_000_000))
    transition = Transition.build(graph)
    started = time.process_time()
    Diagonal(graph, transition, STOP, 1e-6).of(np.arange(graph.node_count))
    yield figure("1M/10M market: the diagonal, every node, to 1e-6", time.process_time() - started, "s", 60)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    yield figure("1M/10M: peak memory of all of this", peak, "GiB", 8)


def visits_milliseconds(transition: Transition) -> float:
    source = np.eye(1, transition.node_count)[0]
    return milliseconds(lambda: expected_visits(transition, source, STOP, 1e-6), 3)


def growth(sizes: Sequence[int], times: list[float]) -> Iterator[Row]:
    """Appends to `times`, in milliseconds."""
    for nodes in sizes:
        transition = Transition.build(FeedbackGraph.from_arrays(*uniform(nodes, 10 * nodes)))
        times.append(visits_milliseconds(transition))
        yield figure(f"growth: visits of one seed to 1e-6, {nodes:,} nodes", times[-1], "ms")


def curve(sizes: Sequence[int], times: Sequence[float]) -> str:
    """Milliseconds against nodes as SVG, both by powers of ten; dotted: in proportion to the nodes, from the first."""
    across, up, margin = 120, 60, 60  # pixels a power of ten

    def place(nodes: float, time: float) -> str:
        return f"{margin + across * log10(nodes / sizes[0]):.1f},{margin + up * (4 - log10(time)):.1f}"

    width, height = 2 * margin + across * log10(sizes[-1] / sizes[0]), 2 * margin + 4 * up
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height}" font-family="sans-serif" '
        'font-size="11">',
        f'<rect width="{width:.0f}" height="{height}" fill="white"/>',
        f'<text x="{margin}" y="24" font-weight="bold">visits of one seed to 1e-6, ten edges a node</text>',
    ]
    for power in range(5):
        y = margin + up * (4 - power)
        parts.append(f'<line x1="{margin}" x2="{width - margin:.0f}" y1="{y}" y2="{y}" stroke="#ddd"/>')
        parts.append(f'<text x="{margin - 6}" y="{y + 4}" text-anchor="end">{10**power:,} ms</text>')
    for nodes in sizes:
        x = margin + across * log10(nodes / sizes[0])
        parts.append(f'<text x="{x:.1f}" y="{height - margin + 16}" text-anchor="middle">{nodes:,}</text>')
    measured_at = " ".join(place(*point) for point in zip(sizes, times, strict=True))
    linear = " ".join(place(nodes, times[0] * nodes / sizes[0]) for nodes in (sizes[0], sizes[-1]))
    parts.append(f'<polyline fill="none" stroke="#999" stroke-dasharray="3" points="{linear}"/>')
    parts.append(f'<polyline fill="none" stroke="#1b6ca8" stroke-width="2" points="{measured_at}"/>')
    return "\n".join([*parts, "</svg>", ""])


def measured(quick: bool) -> Iterator[Row]:
    yield from small_graph(with_peers=not quick)
    sizes, times = (10_000, 30_000) if quick else (10_000, 30_000, 100_000, 300_000, 1_000_000), list[float]()
    yield from growth(sizes, times)
    if not quick:
        GROWTH.write_text(curve(sizes, times))
        yield from large_graph()
        yield from market_graph()


def main() -> None:
    options = parser(__doc__, "small graphs, no other environments").parse_args()
    report(options, lambda: measured(options.quick))


if __name__ == "__main__":
    main()
