"""What can be wrong with a round of training or a question about it."""


class TrainingError(ValueError):
    """Base of every error that the valuation of training raises on purpose."""


class TooFewPairsError(TrainingError):
    def __init__(self, pairs: int, needed: int) -> None:
        super().__init__(f"{pairs} pairs of coalitions do not determine the values; ask for {needed} or more")


class InvalidModelError(TrainingError):
    """Parameters or data whose shapes do not fit the model."""
