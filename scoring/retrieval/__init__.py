"""Search in sources that may be wrong: whom to ask, what to believe, and what each answer was worth.

`scoring.retrieval.search` needs the extra `backend`; the rest does not.
"""

from scoring.retrieval.credit import agreement_game, ranking_game, source_credits
from scoring.retrieval.errors import RetrievalError
from scoring.retrieval.merging import Passage, merged
from scoring.retrieval.priors import prior_reliability
from scoring.retrieval.standings import Shown, Standings

__all__ = [
    "Passage",
    "RetrievalError",
    "Shown",
    "Standings",
    "agreement_game",
    "merged",
    "prior_reliability",
    "ranking_game",
    "source_credits",
]
