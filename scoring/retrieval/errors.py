"""What can be wrong with the search in sources or with what they are credited with."""


class RetrievalError(ValueError):
    """Base of every error that retrieval raises on purpose."""


class EmptyCorpusError(RetrievalError):
    def __init__(self) -> None:
        super().__init__("no passage holds a word that can be searched for; add passages of text to the source")


class InvalidCreditError(RetrievalError):
    def __init__(self, credit: float) -> None:
        super().__init__(f"a credit is a finite number from -1 to 1, not {credit!r}; scale the utility to 0..1")


class InvalidPriorError(RetrievalError):
    def __init__(self, prior: float, most: float) -> None:
        super().__init__(f"a prior is a number from 0 to {most}, not {prior!r}; take it from `prior_reliability`")


class InvalidRelevanceError(RetrievalError):
    def __init__(self, relevance: float) -> None:
        super().__init__(f"a relevance is a number from 0 to 1, not {relevance!r}; score passages with `relevances`")


class InvalidRankError(RetrievalError):
    def __init__(self, rank: float, reference: float) -> None:
        super().__init__(
            f"a rank of {rank!r} against {reference!r} gives no prior; "
            "ranks are finite and not negative, and the one compared with is above zero"
        )


class TooManySourcesError(RetrievalError):
    def __init__(self, sources: int, limit: int) -> None:
        super().__init__(f"{sources} sources answered, more than the {limit} whose values are computed; ask fewer")
