"""MeritRank: exact, incremental, Sybil-tolerant reputation over a weighted feedback graph."""

from scoring.reputation.distrust import DistrustPolicy
from scoring.reputation.edge_list import read_edges
from scoring.reputation.errors import ReputationError
from scoring.reputation.explain import Explanation
from scoring.reputation.graph import FeedbackGraph
from scoring.reputation.ranks import MeritRank
from scoring.reputation.scores import ScoreArrays, Scores

__all__ = [
    "DistrustPolicy",
    "Explanation",
    "FeedbackGraph",
    "MeritRank",
    "ReputationError",
    "ScoreArrays",
    "Scores",
    "read_edges",
]
