"""A trainer's own function: what it is given, and everything that is refused of it, in one sentence each."""

from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from eth_account import Account
from torch import nn

from chain.errors import ChainUnavailableError
from verifier.training.own_function import (
    LocalUpdate,
    TrainingData,
    UnusableFunctionError,
    load_function,
    own_update,
    train_on_assigned,
)
from verifier.training.trainer import Trainer
from verifier.workloads.training_models import AnyModel, named_model
from verifier.workloads.training_networks import cross_entropy, flattened
from verifier.workloads.training_tensors import write_data

MODEL = named_model("perceptron widths=3,2")


def asked(local_update: LocalUpdate, model: AnyModel = MODEL) -> np.ndarray:
    features = np.random.default_rng(0).standard_normal((8, 3))
    inputs, targets = model.tensors(write_data(features, (features[:, 0] > 0).astype(np.int64)))
    return own_update(local_update, model, TrainingData(inputs, targets, np.arange(8)), np.arange(8) / 8, 4)


def returning(change: Callable[[dict[str, Any]], Any]) -> LocalUpdate:
    return lambda model, data, number: change(dict(model.state_dict()))


def test_own_update__function__is_given_parameters_data_and_round() -> None:
    def local_update(model: nn.Module, data: TrainingData, number: int) -> dict[str, torch.Tensor]:
        assert flattened(model.state_dict()).tolist() == (np.arange(8) / 8).tolist()
        assert (data.inputs.shape, data.targets.shape, data.rows.tolist(), number) == ((8, 3), (8,), [*range(8)], 4)
        return {name: tensor + 0.5 for name, tensor in reversed(model.state_dict().items())}

    assert asked(local_update).tolist() == [0.5] * 8


def test_own_update__model_trained_in_place__the_difference() -> None:
    def losses(model: nn.Module, data: TrainingData) -> float:
        return cross_entropy(model(data.inputs), data.targets).mean().item()

    def local_update(model: nn.Module, data: TrainingData, number: int) -> Any:
        before = losses(model, data)
        state = train_on_assigned(model, data, number)
        assert losses(model, data) < before
        return state

    assert np.abs(asked(local_update)).min() > 0


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda state: None, "has to return a state_dict with the tensors 0.weight, 0.bias"),
        (lambda state: state | {"more": torch.zeros(1)}, "has to return a state_dict"),
        (lambda state: {"0.weight": state["0.weight"]}, "has to return a state_dict"),
        (lambda state: state | {"0.bias": torch.zeros(3)}, "has to return 0.bias as a tensor of 2"),
        (lambda state: state | {"0.weight": state["0.weight"].T}, "has to return 0.weight as a tensor of 2 x 3"),
        (lambda state: state | {"0.bias": [0.0, 0.0]}, "has to return 0.bias as a tensor of 2"),
        (lambda state: state | {"0.bias": torch.tensor([0.0, torch.nan])}, "0.bias with numbers that are not finite"),
        (lambda state: state | {"0.bias": torch.tensor([0.0, -torch.inf])}, "0.bias with numbers that are not finite"),
        (lambda state: 1 / 0, "raised ZeroDivisionError: division by zero"),
        (lambda state: {}["a\nb"], "raised KeyError"),
    ],
)
def test_own_update__function_that_does_not_do_its_part__one_sentence(
    change: Callable[[dict[str, Any]], Any], reason: str
) -> None:
    with pytest.raises(UnusableFunctionError, match=reason) as refused:
        asked(returning(change))
    assert "\n" not in str(refused.value)
    assert str(refused.value).endswith(".")


def test_load_function__file__is_found(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text("def local_update(model, data, round):\n    return model.state_dict()\n")
    assert asked(load_function(f"{path}:local_update")).tolist() == [0] * 8


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        ("raise RuntimeError('first\\nsecond')", "RuntimeError: first second"),
        ("def local_update(:", "SyntaxError"),
        ("local_update = 3", "There is no function"),
        ("", "There is no function"),
    ],
)
def test_load_function__file_that_does_not_load__one_sentence(tmp_path: Path, program: str, reason: str) -> None:
    path = tmp_path / "mine.py"
    path.write_text(program)
    with pytest.raises(UnusableFunctionError, match=reason) as refused:
        load_function(f"{path}:local_update")
    assert "\n" not in str(refused.value)
    assert str(refused.value).endswith("; write module:function or file.py:function.")


def test_trainer_run__unusable_function__ends_it_and_a_silent_chain_does_not(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    trainer = Trainer(Account.create(), Mock(), Mock(), Mock(), Mock(), train_on_assigned, tmp_path)
    looks = Mock(side_effect=[ChainUnavailableError("The chain is silent."), UnusableFunctionError("It raised.")])
    monkeypatch.setattr(Trainer, "look", looks)
    with pytest.raises(UnusableFunctionError, match="It raised"):
        trainer.run(Event(), pause=0)
    assert looks.call_count == 2
