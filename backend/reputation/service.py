"""Reputation as any one account sees it: MeritRank from that account alone, over the newest indexed edges."""

from dataclasses import dataclass
from threading import Lock

from eth_typing import ChecksumAddress
from sqlmodel import Session

from backend.database import Database
from backend.indexer import repository as index
from backend.problems import ProblemError
from chain.parameters import FIXED_ONE
from scoring.reputation import Explanation, FeedbackGraph, MeritRank
from verifier.epochs.boundary import BoundaryGraph
from verifier.epochs.rows import ScoreParameters

_LINES = 10  # edges and paths of an explanation


@dataclass(frozen=True)
class _Edges:
    """The engine over the edges as they were at a place of the chain."""

    at: bytes
    graph: FeedbackGraph
    rank: MeritRank


class PersonalReputation:
    """One per process. The engine keeps the seeds that were asked about, within its own memory limit."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = Lock()
        self._edges: _Edges | None = None

    def explain(self, seed: ChecksumAddress, address: ChecksumAddress) -> Explanation | None:
        """Why `address` has its score from `seed`; None where no feedback names one of them, and the score is zero.

        Raises a 404 problem where nothing of the network is indexed yet.
        """
        with self._lock:
            edges = self._current()
            if seed not in edges.graph or address not in edges.graph:
                return None
            return edges.rank.explain(seed, address, _LINES)

    def _current(self) -> _Edges:
        with self._database.read() as session:
            newest = index.newest_event(session)
            at = newest.block_hash + newest.log_index.to_bytes(4, "big") if newest else b""
            if self._edges is None or self._edges.at != at:
                self._edges = _read(session, at)
        return self._edges


def _read(session: Session, at: bytes) -> _Edges:
    known = index.events_named(session, "ParametersSet")
    if not known:
        raise ProblemError(404, "not-found", "No reputation is indexed here yet; try again in a moment.")
    parameters = ScoreParameters.from_event(known[-1].args)
    chain = BoundaryGraph.from_feedback(event.args for event in index.events_named(session, "FeedbackRecorded"))
    graph = FeedbackGraph()
    for target, sources in sorted(chain.trusting.items()):
        for source, weight in sorted(sources.items()):
            graph.set_edge(source, target, float(weight))
    for target, sources in sorted(chain.distrusting.items()):
        for source, weight in sorted(sources.items()):
            graph.set_distrust(source, target, float(weight))
    rank = MeritRank(
        graph, stop=parameters.stop / FIXED_ONE, bridge_decay=parameters.bridge_decay / FIXED_ONE, bridge_threshold=1.0
    )
    return _Edges(at, graph, rank)
