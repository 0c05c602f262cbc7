"""A trainer's own training function: how it is found, what it is given, and what it has to return."""

import importlib
import importlib.util
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TypeAlias

import numpy as np
import torch
from torch import nn

from chain.errors import MeritError
from scoring.training.models import Floats, Rows
from verifier.workloads.training_models import AnyModel
from verifier.workloads.training_networks import cross_entropy, flattened, unflattened

_HOW = "write module:function or file.py:function"


class UnusableFunctionError(MeritError):
    """A training function that cannot be found, that raises, or that returns something else than a trained state."""


@dataclass(frozen=True)
class TrainingData:
    """The samples that are assigned in a round. rows: their places in the job's data, in the same order."""

    inputs: torch.Tensor
    targets: torch.Tensor
    rows: Rows


# From the model with the round's parameters, the assigned data and the number of the round: the state of the model
# after training. Own data is added to what is assigned, not put in its place.
LocalUpdate: TypeAlias = Callable[[nn.Module, TrainingData, int], Mapping[str, torch.Tensor]]


def train_on_assigned(model: nn.Module, data: TrainingData, number: int) -> Mapping[str, torch.Tensor]:
    """The `LocalUpdate` of a trainer without data of its own: four passes of plain stochastic gradient descent."""
    random = torch.Generator().manual_seed(number)
    optimiser = torch.optim.SGD(model.parameters(), lr=0.2)
    for _ in range(4):
        for rows in torch.split(torch.randperm(len(data.targets), generator=random), 16):
            loss = cross_entropy(model(data.inputs[rows]), data.targets[rows]).mean()
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            optimiser.step()
    return model.state_dict()


def own_update(
    local_update: LocalUpdate, described: AnyModel, data: TrainingData, parameters: Floats, number: int
) -> Floats:
    """What a training function adds to the parameters, shape (d,). Raises UnusableFunctionError."""
    module = described.module()
    module.load_state_dict(unflattened(parameters.astype(np.float32), module))
    try:
        state = local_update(module, data, number)
    except Exception as error:  # it is the trainer's own program
        raise UnusableFunctionError(f"The training function raised {_told(error)}.") from error
    expected = described.structure().state_dict()
    if not isinstance(state, Mapping) or set(state) != set(expected):
        raise UnusableFunctionError(
            f"The training function has to return a state_dict with the tensors {', '.join(expected)}."
        )
    for name, tensor in expected.items():
        if not isinstance(state[name], torch.Tensor) or state[name].shape != tensor.shape:
            shape = " x ".join(map(str, tensor.shape))
            raise UnusableFunctionError(f"The training function has to return {name} as a tensor of {shape}.")
        if not state[name].isfinite().all():
            raise UnusableFunctionError(f"The training function returned {name} with numbers that are not finite.")
    return flattened({name: state[name] for name in expected}) - parameters


def load_function(name: str) -> LocalUpdate:
    """The function that `module:function` or `file.py:function` names. Raises UnusableFunctionError.

    Modules are looked for in the working directory too.
    """
    place, _, function = name.rpartition(":")
    try:
        module = _from_file(Path(place)) if place.endswith(".py") else _from_path(place)
    except Exception as error:  # importing runs the trainer's own program
        raise UnusableFunctionError(f"{name} does not load: {_told(error)}; {_HOW}.") from error
    found: LocalUpdate | None = getattr(module, function, None)
    if not callable(found):
        raise UnusableFunctionError(f"There is no function {name}; {_HOW}.")
    return found


def _told(error: Exception) -> str:
    """In one line."""
    return " ".join(f"{type(error).__name__}: {error}".split()).rstrip(".")


def _from_path(name: str) -> ModuleType:
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    return importlib.import_module(name)


def _from_file(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
