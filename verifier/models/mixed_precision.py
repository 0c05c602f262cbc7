"""Arithmetic of the models that Merit makes itself: products in the type of the weights, everything else wider.

What separates two honest runs in bfloat16 is then the rounding of the products' inputs, not that of the trace.
"""

import torch
from torch import nn
from torch.nn import functional


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
