"""What embedding and classification need of a model: one row of numbers for one sequence of tokens."""

from collections.abc import Sequence
from typing import Protocol

import torch

from verifier.models.answers import Answers


class Encoder(Protocol):
    """A model that reads a whole sequence of tokens at once."""

    @property
    def vocabulary(self) -> int:
        """Token ids are 0 to vocabulary - 1."""

    @property
    def context(self) -> int:
        """The longest sequence that the model takes, in tokens."""

    @property
    def columns(self) -> int:
        """Width of a row."""

    @property
    def labels(self) -> int:
        """How many of a row's last columns are logits of labels; 0 for a model that only embeds."""

    def rows(self, tokens: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """float32 (batch, columns) of int64 tokens (batch, length); mask, int64 alike, is 0 where there is padding.

        A row is the mean over the sequence of the final hidden states, which is its embedding, and then the logits.
        """


@torch.inference_mode()
def encode(model: Encoder, sequences: Sequence[tuple[int, ...]]) -> Answers:
    """The rows of n sequences, by one forward pass over all of them, padded on the right; logits are what is served.

    A model without labels serves the rows themselves.
    """
    longest = max(map(len, sequences))
    tokens = torch.tensor([sequence + (0,) * (longest - len(sequence)) for sequence in sequences], dtype=torch.int64)
    mask = torch.tensor([[1] * len(sequence) + [0] * (longest - len(sequence)) for sequence in sequences])
    rows = model.rows(tokens, mask).cpu().numpy()
    return Answers(rows, rows[:, -model.labels :] if model.labels else rows)
