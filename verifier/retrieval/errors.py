"""What can be wrong with a source's corpus or with its answers."""

from chain.errors import MeritError


class UnreadableCorpusError(MeritError):
    """A folder that no passages can be read from."""


class UnusableAnswerError(MeritError):
    """An answer that a source gave and that nobody can use; the sentence says why."""


class ForeignPassageError(UnusableAnswerError):
    """A signed answer with a passage that its source has not committed to; `which` is the first."""

    def __init__(self, which: int) -> None:
        super().__init__(f"Passage {which} of the answer is not one that the source committed to.")
        self.which = which
