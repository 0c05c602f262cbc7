"""Models of training as torch modules: the samples that they are judged on, and parameters as one vector."""

from collections.abc import Mapping
from typing import cast

import numpy as np
import torch
from torch import nn
from torch.func import functional_call
from torch.nn import functional

from scoring.training.errors import InvalidModelError
from scoring.training.models import Floats, Rows, StackedModel

# Samples that go through a module at once.
_SAMPLES = 256


class Network:
    """A `Model`: a classifier of each sample or of each of its positions, judged by cross-entropy in double precision.

    Only the module's structure is used, so it may be on the meta device. A sample of text counts by the mean over its
    positions. In single precision, machines that add in another order would too often arrive at other shares.
    """

    def __init__(self, module: nn.Module, inputs: torch.Tensor, targets: torch.Tensor) -> None:
        """inputs: (samples, ...). targets: (samples,) or (samples, positions)."""
        self._module, self._targets = module, targets
        self._inputs = inputs.double() if inputs.is_floating_point() else inputs

    @property
    def samples(self) -> int:
        """How many it is judged on."""
        return len(self._targets)

    @property
    def size(self) -> int:
        """Number of parameters."""
        return parameter_count(self._module)

    def on(self, rows: Rows) -> "Network":
        """The same model, judged on some of the samples."""
        chosen = torch.tensor(rows)
        return Network(self._module, self._inputs[chosen], self._targets[chosen])

    def losses(self, base: Floats, updates: Floats, mixtures: Floats) -> Floats:
        """As `Model.losses`."""
        if base.shape != (self.size,) or updates.ndim != 2 or updates.shape[1] != self.size:
            raise InvalidModelError(f"expected parameters and updates of {self.size} numbers")
        return StackedModel(self._evaluated).losses(base, updates, mixtures)

    def gradient(self, parameters: Floats) -> Floats:
        """The gradient of the mean loss over the samples, shape (d,)."""
        vector = torch.tensor(parameters, dtype=torch.float64, requires_grad=True)
        for first in range(0, self.samples, _SAMPLES):
            rows = slice(first, first + _SAMPLES)
            outputs = functional_call(self._module, _state(vector, self._module), (self._inputs[rows],))
            targets = self._targets[rows]
            losses = cross_entropy(outputs, targets).reshape(len(targets), -1).mean(dim=1)
            torch.autograd.backward(losses.sum() / self.samples)
        return np.asarray(cast(torch.Tensor, vector.grad).numpy())

    def accuracy(self, parameters: Floats) -> float:
        """The fraction of samples, or of all their positions, whose class is the most likely one."""
        outputs = self._outputs(parameters, slice(None))
        return float((outputs.argmax(dim=-1) == self._targets).double().mean())

    def _evaluated(self, stack: Floats) -> Floats:
        found = np.empty((len(stack), self.samples))
        for place, parameters in enumerate(stack):
            for first in range(0, self.samples, _SAMPLES):
                rows = slice(first, first + _SAMPLES)
                losses = cross_entropy(self._outputs(parameters, rows), self._targets[rows])
                found[place, rows] = losses.flatten(1).mean(dim=1).numpy() if losses.ndim > 1 else losses.numpy()
        return found

    def _outputs(self, parameters: Floats, rows: slice) -> torch.Tensor:
        state = unflattened(parameters.astype(np.float64, copy=False), self._module)
        with torch.no_grad():
            outputs: torch.Tensor = functional_call(self._module, state, (self._inputs[rows],))
        return outputs


def cross_entropy(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Of each target, in its shape. outputs: that shape, and the classes behind it."""
    return functional.cross_entropy(outputs.flatten(0, -2), targets.flatten(), reduction="none").view(targets.shape)


def parameter_count(module: nn.Module) -> int:
    """Numbers in a module's parameters."""
    return sum(parameter.numel() for parameter in module.parameters())


def flattened(state: Mapping[str, torch.Tensor]) -> Floats:
    """The tensors of a state one after the other, row by row, in double precision: (d,)."""
    return np.concatenate([tensor.detach().cpu().double().numpy().ravel() for tensor in state.values()])


def unflattened(parameters: Floats, module: nn.Module) -> dict[str, torch.Tensor]:
    """The state of `module` that `parameters`, shape (d,), are; in their precision."""
    return _state(torch.from_numpy(parameters), module)


def _state(vector: torch.Tensor, module: nn.Module) -> dict[str, torch.Tensor]:
    state, start = {}, 0
    for name, parameter in module.state_dict().items():
        state[name] = vector[start : start + parameter.numel()].view(parameter.shape)
        start += parameter.numel()
    return state
