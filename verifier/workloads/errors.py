"""What can be wrong with a contributor's evidence."""

from typing import Any

from chain.errors import MeritError


class MalformedEvidenceError(MeritError):
    """Evidence that no honest contributor would publish."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the evidence is malformed: {reason}")
        self._reason = reason

    def __reduce__(self) -> tuple[Any, ...]:
        """A worker tells it to the node."""
        return type(self), (self._reason,)
