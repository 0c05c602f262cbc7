"""The Sybil experiments of the MeritRank paper, on a synthetic forum of the size of the one in the paper.

    python benchmarks/sybil_experiment.py [docs/reputation/sybils.svg]

Draws the gain of an attack (the scores of all Sybils, by the attacker's own) against the number of Sybils. The forum
has 153 weekly graphs, 2,057 users and 35,853 edges; its seed is a virtual node over the ten users with most approval.
From week 20 on the attacker vouches for its Sybils every week, with weight 20: along a path and in cycles at once.
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.sparse
from scipy.sparse.csgraph import maximum_flow

from scoring.reputation import FeedbackGraph, MeritRank

STOP = 0.4
SYBILS = (1, 5, 10, 20, 50)
ATTACK_WEIGHT = 20.0
ATTACK_FROM = 20
KINDS = np.array([4.0, 2.0, 2.0, 2.0, 1.0, 0.5, 4.0, 4.0])  # likes, replies, references, mentions, ...; all times four
FLOW_UNIT = 10**8

Edge = tuple[int, int, float, int]
Series = tuple[str, list[float]]


@dataclass(frozen=True)
class Forum:
    edges: list[Edge]  # source, target, weight, week
    anchors: dict[int, float]
    attacker: int
    weeks: int


def synthetic_forum(users: int = 2057, edges: int = 35_853, weeks: int = 153) -> Forum:
    """Distinct ordered pairs of users, drawn by an activity that falls like 1 / rank, in the week they first met."""
    rng = np.random.default_rng(2207)
    activity = 1 / np.arange(1, users + 1) ** 0.8
    activity /= activity.sum()
    pairs: dict[tuple[int, int], int] = {}
    while len(pairs) < edges:
        for source, target in rng.choice(users, (edges, 2), p=activity).tolist():
            if source != target and len(pairs) < edges:
                pairs.setdefault((source, target), len(pairs) * weeks // edges)
    weights = rng.choice(KINDS, edges)
    listed = [(*ends, float(weight), week) for (ends, week), weight in zip(pairs.items(), weights, strict=True)]
    approval = np.bincount([edge[1] for edge in listed], weights=weights, minlength=users)
    ranked = np.argsort(-approval, kind="stable").tolist()
    return Forum(listed, dict.fromkeys(ranked[:10], 1.0), ranked[users // 20], weeks)


def attack(forum: Forum, sybils: int) -> list[Edge]:
    """`attacker -> s1 -> s2 -> ...` and `attacker <-> si`; Sybils are numbered below zero."""
    edges = []
    for week in range(min(ATTACK_FROM, forum.weeks // 2), forum.weeks):
        before = forum.attacker
        for sybil in range(-1, -sybils - 1, -1):
            edges += [(before, sybil, ATTACK_WEIGHT, week), (sybil, forum.attacker, ATTACK_WEIGHT, week)]
            if before != forum.attacker:
                edges.append((forum.attacker, sybil, ATTACK_WEIGHT, week))
            before = sybil
    return edges


def attacked_graph(forum: Forum, sybils: int, epoch_decay: float = 0.0) -> FeedbackGraph:
    graph = FeedbackGraph(epoch_decay)
    for source, target, weight, week in sorted(forum.edges + attack(forum, sybils), key=lambda edge: edge[3]):
        graph.record(source, target, weight, week)
    return graph


def gain(
    forum: Forum, sybils: int, *, stop: float = STOP, bridge_decay: float = 0.0, epoch_decay: float = 0.0
) -> float:
    """By MeritRank."""
    ranks = MeritRank(attacked_graph(forum, sybils, epoch_decay), stop=stop, bridge_decay=bridge_decay)
    scores = ranks.scores(forum.anchors)
    return sum(map(scores.of, range(-sybils, 0))) / scores.of(forum.attacker)


def pagerank_gain(forum: Forum, sybils: int, stop: float = STOP) -> float:
    """By personalised PageRank: visits in place of the probability to arrive."""
    scores = MeritRank(attacked_graph(forum, sybils), stop=stop).scores(forum.anchors)
    return sum(map(scores.visits_to, range(-sybils, 0))) / scores.visits_to(forum.attacker)


def max_flow_gain(forum: Forum, sybils: int, stop: float = STOP) -> float:
    """By maximum flow, where an edge at distance `l` from the seed carries `(1 - stop)^l` of its part of the row."""
    graph = attacked_graph(forum, sybils)
    number = {node: at for at, node in enumerate(graph.nodes)}
    seed = len(number)
    parts = [(seed, number[node], 1 / len(forum.anchors)) for node in forum.anchors]
    for source in graph.nodes:
        row = graph.edges_from(source)
        parts += [(number[source], number[target], weight / sum(row.values())) for target, weight in row.items()]
    source, target, part = (np.array(column) for column in zip(*parts, strict=True))
    shape = (seed + 1, seed + 1)
    hops = scipy.sparse.csgraph.dijkstra(
        scipy.sparse.csr_array((np.ones(source.size), (source, target)), shape), indices=seed, unweighted=True
    )
    reached = np.isfinite(hops[source])
    decayed = part[reached] * (1 - stop) ** hops[source[reached]] * FLOW_UNIT
    capacity = scipy.sparse.csr_array((decayed.astype(np.int32), (source[reached], target[reached])), shape)
    flows = [maximum_flow(capacity, seed, number[node]).flow_value for node in (forum.attacker, *range(-sybils, 0))]
    return sum(flows[1:]) / flows[0]


def series(name: str, gain_of: Callable[[int], float]) -> Series:
    return name, [gain_of(sybils) for sybils in SYBILS]


def panels(forum: Forum) -> list[tuple[str, list[Series]]]:
    return [
        (
            "transitivity decay (stop), without connectivity decay",
            [series(f"stop {stop}", lambda k, stop=stop: gain(forum, k, stop=stop)) for stop in (0.15, 0.4, 0.5, 0.8)],
        ),
        (
            f"connectivity decay (bridge_decay), stop {STOP}",
            [
                series(f"bridge_decay {decay}", lambda k, decay=decay: gain(forum, k, bridge_decay=decay))
                for decay in (0.0, 0.5, 0.9, 1.0)
            ],
        ),
        (
            f"MeritRank, PageRank and maximum flow, stop {STOP}",
            [
                series("MeritRank, bridge_decay 0.5", lambda k: gain(forum, k, bridge_decay=0.5)),
                series("MeritRank, bridge_decay 0", lambda k: gain(forum, k)),
                series("personalised PageRank", lambda k: pagerank_gain(forum, k)),
                series("maximum flow", lambda k: max_flow_gain(forum, k)),
            ],
        ),
        (
            f"epoch decay, stop {STOP}, without connectivity decay",
            [
                series(f"epoch_decay {decay}", lambda k, decay=decay: gain(forum, k, epoch_decay=decay))
                for decay in (0.0, 0.1, 0.5, 0.9)
            ],
        ),
    ]


COLOURS = ("#1b6ca8", "#d1495b", "#3a7d44", "#8d6a9f")
WIDTH, HEIGHT, MARGIN = 460, 300, 52


def panel_svg(left: int, top: int, title: str, lines: Sequence[Series]) -> str:
    """One chart: Sybils along, gain upwards."""
    highest = max(max(values) for _, values in lines) * 1.1 or 1.0
    across, up = WIDTH - 2 * MARGIN, HEIGHT - 2 * MARGIN
    x = [MARGIN + across * count / SYBILS[-1] for count in SYBILS]
    parts = [f'<g transform="translate({left},{top})">', f'<text x="{MARGIN}" y="24" font-weight="bold">{title}</text>']
    for tick in range(5):
        y = HEIGHT - MARGIN - up * tick / 4
        parts.append(f'<line x1="{MARGIN}" x2="{WIDTH - MARGIN}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>')
        parts.append(f'<text x="{MARGIN - 6}" y="{y + 4:.1f}" text-anchor="end">{highest * tick / 4:.2f}</text>')
    for count, at in zip(SYBILS, x, strict=True):
        parts.append(f'<text x="{at:.1f}" y="{HEIGHT - MARGIN + 16}" text-anchor="middle">{count}</text>')
    for (_, values), colour in zip(lines, COLOURS, strict=True):
        points = [(at, HEIGHT - MARGIN - up * value / highest) for at, value in zip(x, values, strict=True)]
        path = " ".join(f"{at:.1f},{y:.1f}" for at, y in points)
        parts.append(f'<polyline fill="none" stroke="{colour}" stroke-width="2" points="{path}"/>')
        parts += [f'<circle cx="{at:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for at, y in points]
    for at, ((name, values), colour) in enumerate(zip(lines, COLOURS, strict=True)):
        column, line = divmod(at, 2)
        place = f'x="{MARGIN + 195 * column}" y="{HEIGHT - 18 + 14 * line}"'
        parts.append(f'<text {place} fill="{colour}">{name}: {values[-1]:.3f}</text>')
    return "\n".join([*parts, "</g>"])


def figure(charts: Sequence[tuple[str, list[Series]]]) -> str:
    body = [
        panel_svg(WIDTH * (at % 2), (HEIGHT + 12) * (at // 2), title, lines) for at, (title, lines) in enumerate(charts)
    ]
    size = f'width="{2 * WIDTH}" height="{2 * (HEIGHT + 12)}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="11">'
    return "\n".join([head, f'<rect {size} fill="white"/>', *body, "</svg>", ""])


def main() -> None:
    path = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/reputation/sybils.svg")
    charts = panels(synthetic_forum())
    for title, lines in charts:
        print(f"{title}\n{'Sybils':>32} " + " ".join(f"{count:>8}" for count in SYBILS))
        for name, values in lines:
            print(f"{name:>32} " + " ".join(f"{value:>8.4f}" for value in values))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(figure(charts))


if __name__ == "__main__":
    main()
