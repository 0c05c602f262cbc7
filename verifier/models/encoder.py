"""What embedding and classification need of a model: one row of numbers for one sequence of tokens."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray


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
def encode(model: Encoder, sequences: Sequence[tuple[int, ...]]) -> NDArray[np.float32]:
    """Rows (n, columns) of n sequences, by one forward pass over all of them, padded on the right."""
    longest = max(map(len, sequences))
    tokens = torch.tensor([sequence + (0,) * (longest - len(sequence)) for sequence in sequences], dtype=torch.int64)
    mask = torch.tensor([[1] * len(sequence) + [0] * (longest - len(sequence)) for sequence in sequences])
    return model.rows(tokens, mask).cpu().numpy()


def label_margins(model: Encoder, row: NDArray[np.float32], label: int) -> NDArray[np.float64]:
    """How far a label is below the most likely one by the logits of a row (columns,), of shape (1,), >= 0."""
    logits = row[-model.labels :].astype(np.float64)
    return np.array([logits.max() - logits[label]])


def value_margins(row: NDArray[np.float32], served: NDArray[np.float32]) -> NDArray[np.float64]:
    """How far each served value is from that of the row, both (columns,), >= 0."""
    return np.asarray(np.abs(row.astype(np.float64) - served))
