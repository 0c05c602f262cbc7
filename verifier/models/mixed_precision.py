"""Arithmetic of the models that Merit makes itself: products in the type of the weights, everything else wider.

What separates two honest runs in bfloat16 is then the rounding of the products' inputs, not that of the trace.
"""

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional

# Of queries, keys and values, (batch, heads, length, columns of a head) each: what every place takes in, likewise.
Attention = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]


def wide(numbers: torch.Tensor) -> torch.Tensor:
    """In float32, or in the double precision in which the rounds of training are valued."""
    return numbers if numbers.dtype == torch.float64 else numbers.float()


def normalised(states: torch.Tensor, norm: nn.LayerNorm) -> torch.Tensor:
    """Layer normalisation in the type of the residual stream."""
    return functional.layer_norm(states, norm.normalized_shape, wide(norm.weight), wide(norm.bias), norm.eps)


def linear(states: torch.Tensor, layer: nn.Linear) -> torch.Tensor:
    """A product in the type of the layer's weights."""
    product: torch.Tensor = layer(states.to(layer.weight.dtype))
    return product


class Block(nn.Module):
    """Attention and a perceptron, before the residual stream."""

    def __init__(self, columns: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.attention_norm = nn.LayerNorm(columns)
        self.attention_in = nn.Linear(columns, 3 * columns, bias=False)
        self.attention_out = nn.Linear(columns, columns, bias=False)
        self.mlp_norm = nn.LayerNorm(columns)
        self.mlp_in = nn.Linear(columns, 4 * columns, bias=False)
        self.mlp_out = nn.Linear(4 * columns, columns, bias=False)

    def forward(self, states: torch.Tensor, attend: Attention) -> torch.Tensor:
        """States (batch, length, columns)."""
        batch, length, columns = states.shape
        projected = linear(normalised(states, self.attention_norm), self.attention_in)
        query, key, value = projected.view(batch, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        attended = attend(query, key, value)
        states = states + linear(attended.transpose(1, 2).reshape(batch, length, columns), self.attention_out)
        inner = linear(normalised(states, self.mlp_norm), self.mlp_in)
        return states + linear(functional.gelu(inner), self.mlp_out)
