"""The registered sampling rule and the test that tokens were drawn by it.

Every token is drawn with counter-based Gumbel noise g that provider and verifier share: it is the token with the
largest `logits + T g`, which is a sample from softmax(logits / T) (Gumbel 1954; Maddison, Tarlow, Minka 2014) and, for
T = 0, the greedy choice. With top-p, only tokens of the *nucleus* are drawn: those before which, in the order of
softmax(logits / T), less than p of the probability lies (Holtzman et al., arXiv 1904.09751).

A verifier that knows the logits sees how far the token served is from the rule's choice: its *margin*. Without top-p it
is `max(logits + T g) - (logits + T g)[token]` (Token-DiFR, arXiv 2511.20621). With top-p that alone would refuse honest
work, because a token at the edge of the nucleus may be in it for the provider and not for the verifier. In general the
margin is therefore the least d at which neither of these speaks against the token, where p(x) is the probability whose
log-odds are x above those of p:

    it cannot be in the nucleus      the tokens more than d above it have p(d / T) of the probability or more;
    a better one is surely in it     its score is more than d above the token's, and all others that are above it, or
                                     less than d below it, have less than p(-d / T) of the probability.

Logits that differ by at most e turn the log-odds of a set of tokens by at most 2 e / T, and the difference of two
logits by at most 2 e. So a token that the rule drew from logits within e of the verifier's has a margin of at most 2 e,
with top-p and without it: honest tokens have a margin of zero but for numerical near-ties; tokens of a cheaper model,
another rule or another seed do not.
"""

import math
from bisect import bisect_left
from dataclasses import dataclass

import numpy as np
from eth_utils.crypto import keccak
from numpy.typing import NDArray
from scipy.special import expit, logit

from verifier.fingerprint.philox import random_uniforms

MAXIMUM_SEED = 2**64 - 1


@dataclass(frozen=True)
class SamplingRule:
    """How a model's next token is drawn.

    temperature: T >= 0, in units of the logits; 0 is greedy.
    top_p: the probability that the nucleus reaches, 0 < p <= 1; 1 draws from all tokens.
    """

    temperature: float
    top_p: float = 1.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.temperature) and self.temperature >= 0):
            raise ValueError(f"a sampling temperature is finite and not negative, not {self.temperature}")
        if not 0 < self.top_p <= 1:
            raise ValueError(f"top-p is above 0 and at most 1, not {self.top_p}")

    def noise(self, seed: int, steps: range, vocabulary: int) -> NDArray[np.float64]:
        """Gumbel noise T g of shape (len(steps), vocabulary) of a request's sampling seed, 0 <= seed < 2**64."""
        key = keccak(b"merit.sampling/1" + seed.to_bytes(32, "big"))
        uniforms = np.stack([random_uniforms(key, step, vocabulary) for step in steps])
        return -self.temperature * np.log(-np.log(uniforms))

    def choose(self, logits: NDArray[np.float32], noise: NDArray[np.float64]) -> NDArray[np.int64]:
        """Tokens of shape (n,) for logits and noise of shape (n, vocabulary)."""
        scores = logits + noise
        if self._cuts:
            for row, own in zip(scores, logits, strict=True):
                row[~_Nucleus(own, self).members] = -np.inf
        return np.asarray(np.argmax(scores, axis=-1), dtype=np.int64)

    def margins(
        self, logits: NDArray[np.float32], noise: NDArray[np.float64], tokens: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """How far each token is from the rule's choice, of shape (n,), >= 0."""
        scores = logits + noise
        if self._cuts:
            margins = np.zeros(tokens.size)
            for i in np.flatnonzero(self.choose(logits, noise) != tokens):
                margins[i] = _Nucleus(logits[i], self).margin(scores[i], int(tokens[i]))
            return margins
        return np.asarray(scores.max(axis=-1) - scores[np.arange(tokens.size), tokens], dtype=np.float64)

    @property
    def _cuts(self) -> bool:
        """Whether the nucleus matters: the most probable token is always in it, and greedy draws no other."""
        return self.top_p < 1 and self.temperature > 0


class _Nucleus:
    """The nucleus of one step's logits, of shape (vocabulary,), and how far tokens are from being drawn from it.

    members: bool of shape (vocabulary,).
    """

    def __init__(self, logits: NDArray[np.float32], rule: SamplingRule) -> None:
        self._rule = rule
        self._logits = logits.astype(np.float64)
        # Sorted in float32, which is several times as fast.
        self._descending = np.sort(logits)[::-1].astype(np.float64)
        weights = np.exp((self._descending - self._descending[0]) / rule.temperature)
        self._total = float(weights.sum())
        self._before = np.concatenate([[0.0], np.cumsum(weights)]) / self._total
        # Tokens of equal logits are all in or all out.
        self.members = logits >= self._descending[np.searchsorted(self._before[:-1], rule.top_p) - 1]

    def margin(self, scores: NDArray[np.float64], token: int) -> float:
        """How far `token` is from the choice among scores of shape (vocabulary,); at most one part in 2**30 too far."""
        better = np.flatnonzero(self.members & (scores > scores[token]))
        lead = scores[better].max(initial=scores[token]) - scores[token]
        # Beyond both of these nothing can rule the token out.
        farthest = max(lead, self._descending[0] - self._logits[token])
        steps = range(2**30)
        unit = farthest / len(steps)
        return float(unit * bisect_left(steps, True, key=lambda k: self._allows(token, unit * k, scores, better)))

    def _allows(self, token: int, distance: float, scores: NDArray[np.float64], better: NDArray[np.int64]) -> bool:
        """Whether logits that turn odds and move differences by `distance` may have had the rule draw the token."""
        odds, turn = logit(self._rule.top_p), distance / self._rule.temperature
        if self._above(self._logits[token] + distance) >= expit(odds + turn):
            return False
        rivals = better[scores[better] > scores[token] + distance]
        ahead = self._above(self._logits[rivals] - distance)
        if distance > 0:
            ahead -= np.exp((self._logits[rivals] - self._descending[0]) / self._rule.temperature) / self._total
        return bool((ahead >= expit(odds - turn)).all())

    def _above(self, logits: NDArray[np.float64]) -> NDArray[np.float64]:
        """Probability of all tokens whose logit is above each of `logits`."""
        return np.asarray(self._before[np.searchsorted(-self._descending, -logits)])


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
