"""Rounds of other models on a chain, and rounds that nobody is paid for."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from chain.errors import TransactionRevertedError
from chain.sender import TransactionSender
from scripts.rehearsal import pass_time
from tests.e2e.training_world import POT, World, account, open_world, own_work, play, publish_job, world
from verifier.node.workbench import BatchFinding, BatchResult, LocalWorkbench
from verifier.node.worker import WorkerError
from verifier.shared.blocks import Fetch
from verifier.shared.pots import return_pots
from verifier.training.own_function import LocalUpdate, TrainingData, load_function
from verifier.training.simulation import digits_dataset, even_split
from verifier.workloads.training_models import named_model
from verifier.workloads.training_networks import Network
from verifier.workloads.training_tensors import read_parameters

__all__ = ["world"]  # the fixture
pytestmark = pytest.mark.chain

EXAMPLES = Path(__file__).parents[2] / "examples" / "training"
TRAINERS = 4


def opposite(local_update: LocalUpdate) -> LocalUpdate:
    """As far, but back."""

    def turned(model: nn.Module, data: TrainingData, number: int) -> Mapping[str, torch.Tensor]:
        before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        after = local_update(model, data, number)
        return {name: 2 * tensor - after[name] for name, tensor in before.items()}

    return turned


def digits_function(number: int) -> LocalUpdate:
    function = load_function(f"{EXAMPLES / 'digits.py'}:local_update")
    return partial(function, own=slice(600 + 100 * number, 700 + 100 * number))


def text_function(number: int) -> LocalUpdate:
    return load_function(f"{EXAMPLES / 'text.py'}:local_update")


@pytest.mark.parametrize(
    ("described", "example", "function_of"),
    [
        ("convolution image=1,8,8 channels=4 classes=10", "digits.py", digits_function),
        pytest.param(
            *("gpt vocabulary=256 context=32 columns=16 layers=1 heads=2", "text.py", text_function),
            marks=pytest.mark.long,
        ),
    ],
    ids=["convolution", "gpt"],
)
def test_training__examples__learn_and_the_opposite_is_not_paid(
    tmp_path: Path, described: str, example: str, function_of: Callable[[int], LocalUpdate]
) -> None:
    model = named_model(described)
    data = load_function(f"{EXAMPLES / example}:job_data")()
    first = model.initial_parameters(0)
    with open_world(tmp_path, lambda shelf: publish_job(shelf, model, first, data)) as world:
        organiser = world.organiser()
        trainers = [world.trainer(f"trainer {i}", organiser, function_of(i)) for i in range(TRAINERS)]
        poisoner = world.trainer("poisoner", organiser, opposite(function_of(TRAINERS)))
        play(world, [*trainers, poisoner], organiser)
        (result,) = organiser.rounds.paid()
        assert result.refused == {}
        assert poisoner.claim() == 0
        assert sum(trainer.claim() for trainer in trainers) == sum(result.shares.values())
        network = Network(model.structure(), *model.tensors(data))
        losses = [
            network.losses(parameters, np.zeros((1, model.size)), np.zeros((1, 1))).mean()
            for parameters in (first, read_parameters(result.parameters, model.size))
        ]
        assert losses[1] < losses[0]


def unchanged(model: nn.Module, data: TrainingData, number: int) -> Mapping[str, torch.Tensor]:
    return model.state_dict()


def harmful(number: int) -> LocalUpdate:
    return own_work(even_split(digits_dataset(), 7, 0)[number], number, sign=-1)


@pytest.mark.parametrize(
    "functions",
    [[harmful(i) for i in range(TRAINERS)], [unchanged] * TRAINERS, [own_work(digits_dataset().private, 0)], []],
    ids=["all harm", "no gain", "one trainer", "nobody"],
)
def test_training__round_that_nobody_is_paid_for__its_pot_goes_back_to_the_owner(
    world: World, functions: list[LocalUpdate]
) -> None:
    escrow, requester = world.network.escrow, account("requester")
    organiser = world.organiser()
    trainers = [world.trainer(f"trainer {i}", organiser, function) for i, function in enumerate(functions)]
    batch_id = play(world, trainers, organiser)

    (result,) = organiser.rounds.paid()
    assert result.shares == {}
    assert [trainer.claim() for trainer in trainers] == [0] * len(trainers)
    sender = TransactionSender(world.network.web3, requester)
    assert return_pots(world.network, sender, world.job_id) == 0
    with pytest.raises(TransactionRevertedError, match="can be claimed until"):
        sender.send(escrow.functions.returnPot(batch_id))
    pass_time(world.network)
    free = escrow.functions.jobOf(world.job_id).call()[1]
    assert return_pots(world.network, sender, world.job_id) == POT
    assert return_pots(world.network, sender, world.job_id) == 0
    assert escrow.functions.jobOf(world.job_id).call()[1] == free + POT
    sender.send(escrow.functions.close(world.job_id))
    assert escrow.functions.creditOf(requester.address).call() == free + POT


def test_training__round_after_one_of_harm__starts_from_the_same_parameters(world: World) -> None:
    organiser = world.organiser()
    play(world, [world.trainer(f"trainer {i}", organiser, harmful(i)) for i in range(TRAINERS)], organiser)
    header, state = organiser.rounds.next_header()
    assert header.number == 2
    assert state.parameters == organiser.rounds.job.parameters


def test_training__worker_that_values_breaks_down__is_asked_again_and_the_round_is_settled(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rounds are worked out on the node's bench, whose breakdown is not the node's."""
    broken: list[LocalWorkbench] = []
    work_out = LocalWorkbench.work_out

    def breaking(bench: LocalWorkbench, work: Callable[[Fetch], BatchResult], fetch: Fetch) -> BatchFinding:
        if bench not in broken:
            broken.append(bench)
            raise WorkerError("The worker ended without an answer.")
        return work_out(bench, work, fetch)

    monkeypatch.setattr(LocalWorkbench, "work_out", breaking)
    organiser = world.organiser()
    play(world, [world.trainer("trainer", organiser, unchanged)], organiser)
    assert len(broken) == len(world.committee)
    assert len(organiser.rounds.paid()) == 1
