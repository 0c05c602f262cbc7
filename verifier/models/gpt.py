"""The small GPT that Merit trains itself for tests and demonstrations."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional

from verifier.models.cheaper import rounded
from verifier.models.errors import ModelError
from verifier.models.mixed_precision import Block, normalised, wide
from verifier.models.numeric_class import NumericClass
from verifier.models.weights import load_tensors


@dataclass(frozen=True)
class GptArchitecture:
    """Sizes of a pre-norm GPT with learned positions and an output head tied to the embedding."""

    vocabulary: int = 256
    context: int = 128
    columns: int = 128
    layers: int = 4
    heads: int = 4

    def __post_init__(self) -> None:
        if not all(
            1 <= size <= 2**20 for size in (self.vocabulary, self.context, self.columns, self.layers, self.heads)
        ):
            raise ModelError("a GPT's sizes are from 1 to 2**20")
        if self.columns % self.heads:
            raise ModelError(f"a GPT of {self.columns} columns cannot have {self.heads} heads; choose a divisor")


class Gpt(nn.Module):
    """A `CausalModel` in mixed precision: matrix products in the type of the weights, the rest in float32.

    The residual stream, the norms and the logits are float32 in every numeric class; see `mixed_precision`.
    """

    def __init__(self, architecture: GptArchitecture) -> None:
        super().__init__()
        self.architecture = architecture
        self.vocabulary = architecture.vocabulary
        self.context = architecture.context
        self.columns = architecture.columns
        self.token_embedding = nn.Embedding(architecture.vocabulary, architecture.columns)
        self.position_embedding = nn.Embedding(architecture.context, architecture.columns)
        self.blocks = nn.ModuleList(Block(architecture.columns, architecture.heads) for _ in range(architecture.layers))
        self.norm = nn.LayerNorm(architecture.columns)
        self.cache_type: torch.dtype | None = None
        for parameter in self.parameters():
            if parameter.ndim == 2:
                nn.init.normal_(parameter, std=0.02)

    @property
    def device(self) -> torch.device:
        return self.norm.weight.device

    def new_cache(self, batch: int, length: int) -> "GptCache":
        sizes = self.architecture
        shape = (sizes.layers, batch, sizes.heads, length, sizes.columns // sizes.heads)
        weight = self.norm.weight
        return GptCache(weight.new_empty(shape), weight.new_empty(shape), self.cache_type)

    def hidden(self, tokens: torch.Tensor, cache: "GptCache | None" = None) -> torch.Tensor:
        start = cache.length if cache else 0
        positions = torch.arange(start, start + tokens.shape[1], device=tokens.device)
        states = wide(self.token_embedding(tokens)) + wide(self.position_embedding(positions))
        for layer, block in enumerate(self.blocks):
            states = block(states, partial(_causal, layer, cache))
        if cache:
            cache.length += tokens.shape[1]
        return normalised(states, self.norm)

    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        return wide(hidden) @ wide(self.token_embedding.weight).T


def load_gpt(architecture: GptArchitecture, weights: Sequence[Path], numeric_class: NumericClass) -> Gpt:
    """The model for evaluation, from safetensors files. Raises RuntimeError when the weights do not fit."""
    # On the meta device nothing is allocated for sizes that the files do not back.
    with torch.device("meta"):
        model = Gpt(architecture)
    model.load_state_dict(load_tensors(weights), assign=True)
    return model.to(numeric_class.device, numeric_class.torch_dtype).eval().requires_grad_(False)


class GptCache:
    """Keys and values, each (layers, batch, heads, capacity, head width), of which the first `length` are set.

    kept_as: the type that they are rounded to; None for their own.
    """

    def __init__(self, keys: torch.Tensor, values: torch.Tensor, kept_as: torch.dtype | None) -> None:
        self.keys = keys
        self.values = values
        self.kept_as = kept_as
        self.length = 0

    def extend(self, layer: int, key: torch.Tensor, value: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Takes in one layer's new keys and values, and returns all of that layer's."""
        end = self.length + key.shape[2]
        self.keys[layer, :, :, self.length : end] = rounded(key, self.kept_as)
        self.values[layer, :, :, self.length : end] = rounded(value, self.kept_as)
        return self.keys[layer, :, :, :end], self.values[layer, :, :, :end]


def _causal(
    layer: int, cache: GptCache | None, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor
) -> torch.Tensor:
    """An `Attention` to what came before: all of it at first, and the cached with a token more from then on."""
    first = cache is None or cache.length == 0
    if cache:
        key, value = cache.extend(layer, key, value)
    return functional.scaled_dot_product_attention(query, key, value, is_causal=first)
