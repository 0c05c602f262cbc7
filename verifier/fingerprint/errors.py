"""What can be wrong with a stranger's bytes."""

from chain.errors import MeritError


class MalformedOpeningError(MeritError):
    """A disclosed chunk that no honest contributor would send."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the opening of the trace is malformed: {reason}")
