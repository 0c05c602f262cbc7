"""What text generation needs of a model."""

from typing import Any, Protocol

import torch


class CausalModel(Protocol):
    """A causal language model that can be run token by token with a cache, or over a whole sequence at once."""

    @property
    def vocabulary(self) -> int:
        """Token ids are 0 to vocabulary - 1."""

    @property
    def context(self) -> int:
        """The longest sequence that the model takes, in tokens."""

    @property
    def columns(self) -> int:
        """Width of the final hidden state, which is what a trace holds for each output token."""

    @property
    def device(self) -> torch.device:
        """Where the weights are."""

    cache_type: torch.dtype | None
    """The type that a cache keeps keys and values in; None for the type of the weights, as registered."""

    def new_cache(self, batch: int, length: int) -> Any:
        """An empty key-value cache for `batch` sequences of at most `length` tokens."""

    def hidden(self, tokens: torch.Tensor, cache: Any = None) -> torch.Tensor:
        """Final hidden states (batch, length, columns) of int64 tokens (batch, length).

        With a cache, the tokens follow those that it has seen, and it takes them in; the call that starts a cache may
        hold many tokens, later ones one token for each sequence.
        """

    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        """float32 logits (..., vocabulary) of final hidden states (..., columns)."""
