"""MeritRank: exact, incremental, Sybil-tolerant reputation over a weighted feedback graph."""

from scoring.reputation.errors import ReputationError
from scoring.reputation.graph import FeedbackGraph
from scoring.reputation.ranks import MeritRank
from scoring.reputation.scores import Scores

__all__ = ["FeedbackGraph", "MeritRank", "ReputationError", "Scores"]
