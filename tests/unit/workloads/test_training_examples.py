"""The examples of training: the functions that the documentation names, one round each."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from chain.contribution import Leaf, content_digest
from chain.typed_data import Domain
from verifier.training.own_function import LocalUpdate, TrainingData, load_function, own_update
from verifier.workloads.recorded_round import RecordedRound
from verifier.workloads.training import assigned_rows, first_state, work_out
from verifier.workloads.training_models import AnyModel, named_model
from verifier.workloads.training_networks import Network
from verifier.workloads.training_records import Opening, RoundHeader, TrainingJob
from verifier.workloads.training_tensors import read_parameters, write_parameters, write_update

EXAMPLES = Path(__file__).parents[3] / "examples" / "training"
DOMAIN = Domain(31337, to_checksum_address("0x" + "11" * 20))
ORGANISER = to_checksum_address("0x" + "22" * 20)
POT, TRAINERS, ASSIGNED, EVALUATED = 10**18, 4, 48, 100


def trainer(number: int) -> LocalAccount:
    made: LocalAccount = Account.from_key(keccak(text=f"trainer of the examples {number}"))
    return made


def mean_loss(model: AnyModel, data: bytes, parameters: np.ndarray) -> float:
    losses = Network(model.structure(), *model.tensors(data)).losses(
        parameters, np.zeros((1, model.size)), np.zeros((1, 1))
    )
    return float(losses.mean())


def one_round(model: AnyModel, data: bytes, function_of: Callable[[int], LocalUpdate]) -> None:
    """Of honest trainers and one that sends the opposite of its work, who is not paid."""
    blocks: dict[bytes, bytes] = {}

    def publish(block: bytes) -> bytes:
        blocks[content_digest(block)] = block
        return content_digest(block)

    first = write_parameters(model.initial_parameters(0))
    job = TrainingJob(ORGANISER, model, publish(first), publish(data), ASSIGNED, EVALUATED, 1)
    header = RoundHeader(1, bytes(32), publish(first_state(job).to_block()), ())
    evidence = [publish(header.to_block())]
    inputs, targets = model.tensors(data)
    base = read_parameters(first, model.size)
    for i in range(TRAINERS + 1):
        rows = assigned_rows(job, 1, 1, trainer(i).address, len(targets))
        delta = own_update(function_of(i), model, TrainingData(inputs[rows], targets[rows], rows), base, 1)
        update = publish(write_update(-delta if i == TRAINERS else delta))
        opening = Opening.signed(
            DOMAIN, trainer(i), job_id=1, number=1, base_number=1, update=update, salt=keccak(bytes([i]))
        )
        evidence.append(publish(opening.to_block()))
    leaves = [Leaf(1, ORGANISER, i, int(i == 0), bytes(32), digest) for i, digest in enumerate(evidence)]
    recorded = RecordedRound(1, keccak(text="batch"), leaves, POT, keccak(text="seed"), None)
    result = work_out(blocks.get, TrainingJob.from_block(job.to_block()), DOMAIN, recorded)

    assert sum(result.shares.values()) == POT
    assert trainer(TRAINERS).address not in result.shares
    assert not result.refused
    assert mean_loss(model, data, read_parameters(result.parameters, model.size)) < mean_loss(model, data, base)


def test_digits__one_round_of_the_network__is_better_and_paid() -> None:
    model = named_model("convolution image=1,8,8 channels=4 classes=10")
    local_update = load_function(f"{EXAMPLES / 'digits.py'}:local_update")
    job_data = load_function(f"{EXAMPLES / 'digits.py'}:job_data")
    own = [slice(600 + 100 * i, 700 + 100 * i) for i in range(TRAINERS + 1)]
    one_round(model, job_data(), lambda i: partial(local_update, own=own[i]))


def test_text__one_round_of_the_gpt__is_better_and_paid() -> None:
    model = named_model("gpt vocabulary=256 context=32 columns=16 layers=1 heads=2")
    local_update = load_function(f"{EXAMPLES / 'text.py'}:local_update")
    job_data = load_function(f"{EXAMPLES / 'text.py'}:job_data")
    one_round(model, job_data(), lambda i: local_update)
