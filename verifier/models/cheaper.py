"""Cheaper stand-ins for a model, made from the model itself: what a profile must tell from it."""

import copy
from typing import TypeVar

import torch
from torch import nn

Model = TypeVar("Model", bound=nn.Module)


def quantised_copy(model: Model, bits: int) -> Model:
    """A copy whose weights are rounded to `bits` bits, symmetric, one scale for each row of a matrix.

    Embeddings, and heads tied to them, are left as they are, and so is everything that is not a matrix. The weights are
    kept in the numeric class of the original, as a kernel that dequantises on the fly sees them.
    """
    levels = 2 ** (bits - 1) - 1
    quantised = copy.deepcopy(model)
    kept = {id(p) for module in quantised.modules() if isinstance(module, nn.Embedding) for p in module.parameters()}
    with torch.no_grad():
        for parameter in quantised.parameters():
            if parameter.ndim < 2 or id(parameter) in kept:
                continue
            weight = parameter.float()
            scale = weight.abs().amax(dim=-1, keepdim=True).clamp_min(torch.finfo(torch.float32).tiny) / levels
            parameter.copy_(torch.round(weight / scale).clamp(-levels, levels) * scale)
    return quantised


def rounded(states: torch.Tensor, kept_as: torch.dtype | None) -> torch.Tensor:
    """What is left of keys or values that a cache keeps in a smaller type; all of it when `kept_as` is None."""
    return states if kept_as is None else states.to(kept_as).to(states.dtype)
