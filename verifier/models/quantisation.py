"""Weight quantisation: the cheaper copies that a profile must tell from the registered model."""

import copy
from typing import TypeVar

import torch
from torch import nn

Model = TypeVar("Model", bound=nn.Module)


def quantised_copy(model: Model, bits: int) -> Model:
    """A copy whose linear layers hold weights rounded to `bits` bits, symmetric, one scale for each output channel.

    The weights are kept in the numeric class of the original, as a kernel that dequantises on the fly sees them.
    """
    levels = 2 ** (bits - 1) - 1
    quantised = copy.deepcopy(model)
    with torch.no_grad():
        for module in quantised.modules():
            if isinstance(module, nn.Linear):
                weight = module.weight.float()
                scale = weight.abs().amax(dim=1, keepdim=True).clamp_min(torch.finfo(torch.float32).tiny) / levels
                module.weight.copy_(torch.round(weight / scale).clamp(-levels, levels) * scale)
    return quantised
