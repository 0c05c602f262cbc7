"""Runs a causal model forward: token by token to generate, all at once to check what was generated."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from verifier.fingerprint.sampling import SamplingRule
from verifier.models.causal import CausalModel


@dataclass(frozen=True)
class TextRequest:
    """What a requester asks for. sampling_seed: 0 <= seed < 2**64, from which the Gumbel noise is drawn."""

    prompt: tuple[int, ...]
    maximum_new_tokens: int
    sampling_seed: int


@dataclass(frozen=True)
class Generation:
    """Output tokens and, for each, the final hidden state that it was drawn from: float32 (tokens, columns)."""

    tokens: tuple[int, ...]
    hidden: NDArray[np.float32]


@torch.inference_mode()
def generate(
    model: CausalModel, rule: SamplingRule, end_token: int, requests: Sequence[TextRequest]
) -> list[Generation]:
    """Decodes a batch of requests with prompts of one length, with a key-value cache.

    An output ends with `end_token` or after its request's maximum of new tokens.
    Raises ValueError when the prompts differ in length.
    """
    if len({len(request.prompt) for request in requests}) != 1:
        raise ValueError("a batch of generations needs prompts of one length")
    steps = max(request.maximum_new_tokens for request in requests)
    noise = np.stack([rule.noise(request.sampling_seed, range(steps), model.vocabulary) for request in requests])
    cache = model.new_cache(len(requests), len(requests[0].prompt) + steps)
    hidden = model.hidden(_tensor([request.prompt for request in requests], model), cache)
    tokens = np.empty((len(requests), steps), dtype=np.int64)
    states = np.empty((len(requests), steps, model.columns), dtype=np.float32)
    for step in range(steps):
        last = hidden[:, -1]
        states[:, step] = last.float().cpu().numpy()
        tokens[:, step] = rule.choose(model.logits(last).cpu().numpy(), noise[:, step])
        if step + 1 < steps:
            hidden = model.hidden(torch.from_numpy(tokens[:, step : step + 1]).to(last.device), cache)
    return [_ended(tokens[i, : request.maximum_new_tokens], states[i], end_token) for i, request in enumerate(requests)]


@torch.inference_mode()
def replay(
    model: CausalModel, rule: SamplingRule, requests: Sequence[TextRequest], outputs: Sequence[tuple[int, ...]]
) -> list[tuple[NDArray[np.float32], NDArray[np.float64]]]:
    """Hidden states (tokens, columns) and margins (tokens,) of given outputs, by one forward pass over the batch.

    Sequences of different lengths are padded on the right, which a causal model does not see.
    """
    sequences = [request.prompt + output[:-1] for request, output in zip(requests, outputs, strict=True)]
    longest = max(map(len, sequences))
    hidden = model.hidden(_tensor([s + (0,) * (longest - len(s)) for s in sequences], model))
    results = []
    for i, (request, output) in enumerate(zip(requests, outputs, strict=True)):
        first = len(request.prompt) - 1
        rows = hidden[i, first : first + len(output)]
        noise = rule.noise(request.sampling_seed, range(len(output)), model.vocabulary)
        margins = rule.margins(model.logits(rows).cpu().numpy(), noise, np.asarray(output, dtype=np.int64))
        results.append((rows.float().cpu().numpy(), margins))
    return results


def _ended(tokens: NDArray[np.int64], states: NDArray[np.float32], end_token: int) -> Generation:
    ends = np.flatnonzero(tokens == end_token)
    length = int(ends[0]) + 1 if ends.size else tokens.size
    return Generation(tuple(map(int, tokens[:length])), states[:length].copy())


def _tensor(sequences: Sequence[tuple[int, ...]], model: CausalModel) -> torch.Tensor:
    return torch.tensor(sequences, dtype=torch.int64, device=model.device)
