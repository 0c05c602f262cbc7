"""Time other libraries on a graph; runs in an environment of its own, which benchmarks/reputation.py makes.

    python reputation.py GRAPH.npz

The file holds `source`, `target`, `weight`. Prints one JSON object of milliseconds (updates: per second). Scores
differ: only meritrank-python computes MeritRank, by sampling; the others compute personalised PageRank.
"""

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import igraph
import networkx
import numpy as np
import scipy.sparse
from meritrank_python.rank import IncrementalMeritRank
from sknetwork.ranking import PageRank

CONTINUE = 0.85
WALKS = 10_000
SMALL = 200_000  # edges


def milliseconds(call: Callable[[], Any], repeats: int) -> float:
    best = float("inf")
    for _ in range(repeats):
        started = time.process_time()
        call()
        best = min(best, time.process_time() - started)
    return 1000 * best


def main() -> None:
    graph = np.load(sys.argv[1])
    source, target, weight = graph["source"], graph["target"], graph["weight"]
    n = int(max(source.max(), target.max())) + 1
    matrix = scipy.sparse.csr_matrix((weight, (source, target)), shape=(n, n))
    result = {}
    ranking = PageRank(damping_factor=CONTINUE, solver="piteration", n_iter=86, tol=1e-6)
    result["scikit-network"] = milliseconds(lambda: ranking.fit_predict(matrix, weights={0: 1}), 3)
    if source.size <= SMALL:
        edges = list(zip(source.tolist(), target.tolist(), strict=True))
        first = igraph.Graph(n=n, edges=edges, directed=True)
        result["igraph"] = milliseconds(
            lambda: first.personalized_pagerank(damping=CONTINUE, reset_vertices=[0], weights=weight.tolist()), 3
        )
        second = networkx.DiGraph()
        second.add_weighted_edges_from((*ends, amount) for ends, amount in zip(edges, weight.tolist(), strict=True))
        result["networkx"] = milliseconds(
            lambda: networkx.pagerank(second, alpha=CONTINUE, personalization={0: 1}, tol=1e-6 / n), 3
        )
        ranks = IncrementalMeritRank(second)
        result["meritrank-python walks"] = milliseconds(lambda: ranks.calculate(0, WALKS), 1)
        result["meritrank-python scores"] = milliseconds(lambda: ranks.get_ranks(0), 1)
        rng = np.random.default_rng(1)
        started, updates = time.process_time(), 1_000
        for _ in range(updates):
            ends = rng.choice(n, 2, replace=False).tolist()
            ranks.add_edge(*ends, 1.0)
        result["meritrank-python updates"] = updates / (time.process_time() - started)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
