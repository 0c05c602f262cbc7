"""What can be wrong with a contributor's evidence."""

from chain.errors import MeritError


class MalformedEvidenceError(MeritError):
    """Evidence that no honest contributor would publish."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the evidence is malformed: {reason}")
