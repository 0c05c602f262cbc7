"""The registered sampling rule and the test that tokens were drawn by it.

Every token is drawn with counter-based Gumbel noise g that provider and verifier share: it is the token with the
largest `logits + T g`, which is a sample from softmax(logits / T) (Gumbel 1954; Maddison, Tarlow, Minka 2014) and, for
T = 0, the greedy choice. A verifier that knows the logits sees how far the token served is from that choice: its
*margin* `max(logits + T g) - (logits + T g)[token]` (Token-DiFR, arXiv 2511.20621). Honest tokens have a margin of zero
but for numerical near-ties; tokens of a cheaper model, another temperature or another seed do not.
"""

import math
from dataclasses import dataclass

import numpy as np
from eth_utils.crypto import keccak
from numpy.typing import NDArray

from verifier.fingerprint.philox import random_uniforms

MAXIMUM_SEED = 2**64 - 1


@dataclass(frozen=True)
class SamplingRule:
    """How a model's next token is drawn. temperature: T >= 0, in units of the logits; 0 is greedy."""

    temperature: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.temperature) and self.temperature >= 0):
            raise ValueError(f"a sampling temperature is finite and not negative, not {self.temperature}")

    def noise(self, seed: int, steps: range, vocabulary: int) -> NDArray[np.float64]:
        """Gumbel noise T g of shape (len(steps), vocabulary) of a request's sampling seed, 0 <= seed < 2**64."""
        key = keccak(b"merit.sampling/1" + seed.to_bytes(32, "big"))
        uniforms = np.stack([random_uniforms(key, step, vocabulary) for step in steps])
        return -self.temperature * np.log(-np.log(uniforms))

    def choose(self, logits: NDArray[np.float32], noise: NDArray[np.float64]) -> NDArray[np.int64]:
        """Tokens of shape (n,) for logits and noise of shape (n, vocabulary)."""
        return np.asarray(np.argmax(logits + noise, axis=-1), dtype=np.int64)

    def margins(
        self, logits: NDArray[np.float32], noise: NDArray[np.float64], tokens: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """How far each token is below the rule's choice, of shape (n,), >= 0."""
        scores = logits + noise
        return np.asarray(scores.max(axis=-1) - scores[np.arange(tokens.size), tokens], dtype=np.float64)


@dataclass(frozen=True)
class MarginLimits:
    """Calibrated limits; an output whose margins exceed either was not drawn by the rule from the model's logits.

    mean: of the output's margins, which sees many tokens that are a little off.
    peak: of its largest margin, which sees one planted token among many honest ones.
    """

    mean: float
    peak: float

    def __post_init__(self) -> None:
        if not (0 <= self.mean <= self.peak < math.inf):
            raise ValueError(f"margin limits need 0 <= mean <= peak, not {self}")

    def consistent(self, margins: NDArray[np.float64]) -> bool:
        """Whether the margins (tokens,) of one output are those of honest sampling."""
        return bool(margins.mean() <= self.mean and margins.max() <= self.peak)
