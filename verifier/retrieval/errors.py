"""What can be wrong with a source's corpus or with its answers."""

from chain.errors import MeritError


class UnreadableCorpusError(MeritError):
    """A folder that no passages can be read from."""


class ChangedEvidenceError(MeritError):
    """The evidence of a settled window is not what its committee saw."""

    def __init__(self, batch_id: bytes) -> None:
        super().__init__(
            f"The evidence of batch {batch_id.hex()} has changed since its committee decided; "
            "start from a copy of the evidence of that time."
        )


class UnusableAnswerError(MeritError):
    """An answer that a source gave and that nobody can use; the sentence says why."""


class ForeignPassageError(UnusableAnswerError):
    """A signed answer with a passage that its source has not committed to; `which` is the first."""

    def __init__(self, which: int) -> None:
        super().__init__(f"Passage {which} of the answer is not one that the source committed to.")
        self.which = which
