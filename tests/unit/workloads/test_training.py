"""A round worked out from its evidence: the same bytes everywhere, and what is wrong with it is named."""

import base64
import json
import os
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_utils.crypto import keccak
from hypothesis import given
from hypothesis import strategies as st

from chain.contribution import Leaf, MalformedRecordError, content_digest
from chain.merkle import verify_proof
from chain.typed_data import Domain
from scoring.training import rounds
from scoring.training.filters import Refusal
from scoring.training.loss_scores import first_order_influence
from scoring.training.models import Floats
from verifier.node.workbench import open_workbench
from verifier.node.worker import WorkerWorkbench
from verifier.shared.blocks import UnavailableBlockError
from verifier.shared.ledger import TRAINING
from verifier.training.examiner import work_out as examined
from verifier.workloads import training_records
from verifier.workloads.errors import MalformedEvidenceError
from verifier.workloads.recorded_round import Adopted, RecordedRound
from verifier.workloads.training import RoundResult, open_round, share_leaf, state_leaf, value, work_out
from verifier.workloads.training_models import named_model
from verifier.workloads.training_records import Opening, RoundHeader, RoundState, TrainingJob
from verifier.workloads.training_tensors import (
    read_data,
    read_parameters,
    read_update,
    write_data,
    write_parameters,
    write_update,
)

VECTOR = Path(__file__).parents[2] / "vectors" / "training.json"
# What another process does with the vector: batches of another size, and as many threads as it is told to.
ELSEWHERE = """
import sys
sys.path.insert(0, sys.argv[1])
from tests.unit.workloads.test_training import Case
from scoring.training import models, perceptron
from verifier.workloads import training_networks
models.CHUNK = perceptron.CHUNK = training_networks._SAMPLES = int(sys.argv[3])
print(Case(sys.argv[2]).result().payload.hex())
"""
FAMILIES = ["perceptron", "convolution", "gpt"]


class Case:
    """A round of the vector, for tests to change; `blocks` is what the evidence store has."""

    def __init__(self, family: str = "perceptron") -> None:
        self.told: dict[str, Any] = json.loads(VECTOR.read_text())["rounds"][family]
        self.blocks: dict[bytes, bytes] = {}
        for text in self.told["blocks"]:
            self.publish(base64.b64decode(text))
        self.domain = Domain(self.told["chain_id"], self.told["court"])
        self.job = TrainingJob.from_block(self.blocks[bytes.fromhex(self.told["job"])])
        leaves = [
            Leaf(7, self.told["organiser"], i, 0 if i else self.told["units"], bytes(32), bytes.fromhex(evidence))
            for i, evidence in enumerate(self.told["leaves"])
        ]
        batch_id, seed = bytes.fromhex(self.told["batch_id"]), bytes.fromhex(self.told["seed"])
        self.recorded = RecordedRound(7, batch_id, leaves, int(self.told["pot"]), seed, None)

    def publish(self, block: bytes) -> bytes:
        self.blocks[content_digest(block)] = block
        return content_digest(block)

    def result(self) -> RoundResult:
        return work_out(self.blocks.get, self.job, self.domain, self.recorded)

    def opening(self, place: int) -> Opening:
        return Opening.from_block(self.blocks[self.recorded.leaves[place].evidence])

    def commit(self, evidence: bytes) -> None:
        """One more commitment in the batch."""
        last = self.recorded.leaves[-1]
        leaf = replace(last, sequence=last.sequence + 1, units=0, evidence=evidence)
        self.recorded = replace(self.recorded, leaves=[*self.recorded.leaves, leaf])

    def next_round(self, result: RoundResult, updates: list[bytes]) -> None:
        """The round after `result`, with updates for the parameters of the first."""
        self.publish(result.parameters)
        header = RoundHeader(2, result.batch_id, self.publish(result.state.to_block()), tuple(result.state_proof()))
        leaves = [replace(self.recorded.leaves[0], evidence=self.publish(header.to_block()))]
        self.recorded = RecordedRound(
            7, keccak(text="second"), leaves, 1000, keccak(text="seed"), Adopted(result.batch_id, result.payload)
        )
        for i, update in enumerate(updates):
            opening = signed(self, trainer(i), update, number=2)
            self.commit(self.publish(opening.to_block()))


def trainer(number: int) -> LocalAccount:
    made: LocalAccount = Account.from_key(keccak(text=f"golden trainer {number}"))
    return made


def signed(case: Case, account: LocalAccount, update: bytes, number: int = 1) -> Opening:
    return Opening.signed(
        case.domain, account, job_id=7, number=number, base_number=1, update=update, salt=bytes(31) + b"\1"
    )


@pytest.mark.parametrize("family", FAMILIES)
def test_work_out__vector__payload_shares_and_parameters(family: str) -> None:
    case = Case(family)
    result = case.result()
    assert result.payload.hex() == case.told["payload"]
    assert {name: str(share) for name, share in result.shares.items()} == case.told["shares"]
    assert content_digest(result.parameters).hex() == case.told["parameters"]
    assert sum(result.shares.values()) == case.recorded.pot
    assert trainer(4).address not in result.shares, "the sign flipper"


@pytest.mark.parametrize(
    ("family", "threads", "chunk"), [("perceptron", "1", "64"), *((family, "2", "25") for family in FAMILIES)]
)
def test_work_out__another_process_thread_count_and_batch_size__same_payload(
    family: str, threads: str, chunk: str
) -> None:
    root = str(Path(__file__).parents[3])
    environment = os.environ | {"OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads}
    done = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, root, family, chunk],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == Case(family).told["payload"]


def test_work_out__in_a_worker__same_payload(tmp_path: Path) -> None:
    """Within its limits of memory and time, and by what the node sends it alone."""
    case = Case()
    specification = case.publish(TRAINING.specification(bytes.fromhex(case.told["job"])).to_block())
    with closing(WorkerWorkbench(partial(open_workbench, tmp_path), memory=2**32, seconds=60)) as worker:
        found = worker.work_out(partial(examined, specification, case.domain, case.recorded, map), case.blocks.get)
    assert found.payload.hex() == case.told["payload"]
    assert set(found.traces) == set(case.result().traces)


def test_value__among_some__as_if_the_others_had_not_opened() -> None:
    whole, gone = Case(), Case()
    for place in (2, 3):
        del gone.blocks[gone.recorded.leaves[place].evidence]
    opened = open_round(whole.blocks.get, whole.job, whole.domain, whole.recorded)
    among = [place for place in opened.published if place not in (2, 3)]
    result = value(opened, among)
    assert result.payload == gone.result().payload != whole.result().payload
    assert list(result.taken) == among
    assert result.refused == {trainer(place - 1).address: Refusal.NOT_OPENED.value for place in (2, 3)}


def test_value__first_commitment_without_its_update__the_second_counts_where_only_that_is_taken() -> None:
    """A trainer is out whose first opening leads nowhere; whoever looks later is told which one was valued then."""
    case = Case()
    second = signed(case, trainer(0), case.opening(1).update)
    gone = signed(case, trainer(0), keccak(text="an update that nobody has"))
    leaves = [*case.recorded.leaves]
    leaves[1] = replace(leaves[1], evidence=case.publish(gone.to_block()))
    case.recorded = replace(case.recorded, leaves=leaves)
    case.commit(case.publish(second.to_block()))
    last = len(leaves)
    opened = open_round(case.blocks.get, case.job, case.domain, case.recorded)
    assert value(opened).refused == {trainer(0).address: Refusal.NOT_OPENED.value}
    assert 1 not in opened.published
    assert last in value(opened, opened.published).taken
    assert trainer(0).address not in value(opened, opened.published).refused


def test_result__proofs__lead_to_the_payload() -> None:
    result = Case().result()
    for account, share in result.shares.items():
        assert verify_proof(share_leaf(result.batch_id, account, share), result.share_proof(account), result.payload)
    assert verify_proof(state_leaf(result.batch_id, result.state.digest), result.state_proof(), result.payload)


def test_work_out__no_commitments__only_the_state() -> None:
    case = Case()
    case.recorded = replace(case.recorded, leaves=case.recorded.leaves[:1])
    result = case.result()
    assert result.shares == {}
    assert result.payload == state_leaf(result.batch_id, result.state.digest)


def test_work_out__next_round__takes_late_updates_for_less(monkeypatch: pytest.MonkeyPatch) -> None:
    """From the parameters of the round before, updates that were made for those before that."""
    case = Case()
    first = case.result()
    case.next_round(first, [case.opening(i).update for i in range(1, 5)])
    discounted = case.result()
    monkeypatch.setattr(rounds, "sync_score", lambda behind: 1.0)
    whole = case.result()
    base, moved, farther = (read_parameters(one.parameters, case.job.size) for one in (first, discounted, whole))
    assert discounted.state.number == 2
    assert 0 < np.linalg.norm(moved - base) < np.linalg.norm(farther - base)


def test_work_out__next_round_with_another_proof__refused() -> None:
    case = Case()
    case.next_round(case.result(), [])
    assert case.recorded.adopted is not None
    case.recorded = replace(case.recorded, adopted=replace(case.recorded.adopted, root=keccak(text="another")))
    with pytest.raises(MalformedEvidenceError, match="adopted last"):
        case.result()


def test_work_out__first_round_after_an_adopted_one__refused() -> None:
    case = Case()
    result = case.result()
    case.recorded = replace(case.recorded, adopted=Adopted(result.batch_id, result.payload))
    with pytest.raises(MalformedEvidenceError, match="adopted last"):
        case.result()


def test_work_out__another_organiser__refused() -> None:
    case = Case()
    leaves = [replace(leaf, contributor=trainer(0).address) for leaf in case.recorded.leaves]
    case.recorded = replace(case.recorded, leaves=leaves)
    with pytest.raises(MalformedEvidenceError, match="held by"):
        case.result()


def test_work_out__larger_pot_than_agreed__refused() -> None:
    case = Case()
    leaves = [replace(leaf, units=leaf.units + 1) for leaf in case.recorded.leaves]
    case.recorded = replace(case.recorded, leaves=leaves)
    with pytest.raises(MalformedEvidenceError, match="90 units"):
        case.result()


@pytest.mark.parametrize(
    ("text", "assigned", "evaluated", "trainers"),
    [
        ("perceptron widths=64,32,10", 48, 160, 512),
        ("gpt vocabulary=256 context=32 columns=16 layers=1 heads=2", 48, 160, 512),
        ("perceptron widths=8192,4096,10", 48, 160, 5),
        ("perceptron widths=8192,4096,10", 48, 400, 4),
        ("perceptron widths=8192,4096,10", 24, 160, 10),
        ("perceptron widths=8192,4096,10", 2**20, 160, 0),
        ("perceptron widths=8192,4096,10", 48, 2**20, 0),
    ],
)
def test_job__most_trainers__what_a_verifier_can_value(text: str, assigned: int, evaluated: int, trainers: int) -> None:
    model = named_model(text)
    job = replace(Case().job, model=model, assigned=assigned, evaluated=evaluated)
    assert job.most_trainers == trainers
    assert (4 * trainers + 2) * model.work * evaluated <= 2**38 or trainers == 0


def test_work_out__more_commitments_than_can_be_valued__refused(monkeypatch: pytest.MonkeyPatch) -> None:
    case = Case()
    monkeypatch.setattr(training_records, "_MOST_TRAINERS", len(case.recorded.leaves) - 1)
    assert case.result().payload.hex() == case.told["payload"]
    case.commit(keccak(text="nothing"))
    with pytest.raises(MalformedEvidenceError, match="at most 5 commitments"):
        case.result()


def test_work_out__exact_values_would_take_too_much__screened_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes place of exact values, which five trainers need 32 coalitions for."""
    case, screened = Case(), []

    def screen(gradient: Floats, updates: Floats) -> Floats:
        screened.append(len(updates))
        return first_order_influence(gradient, updates)

    monkeypatch.setattr(rounds, "first_order_influence", screen)
    assert case.result().payload.hex() == case.told["payload"]
    assert screened == []
    monkeypatch.setattr(TrainingJob, "coalitions", 31)
    assert sum(case.result().shares.values()) == case.recorded.pot
    assert screened == [5]


@pytest.mark.parametrize("what", ["data", "parameters"])
def test_work_out__what_the_owner_publishes_is_gone__unavailable(what: str) -> None:
    case = Case()
    del case.blocks[getattr(case.job, what)]
    with pytest.raises(UnavailableBlockError):
        case.result()


def test_work_out__update_is_gone__its_trainer_alone_is_out() -> None:
    case = Case()
    del case.blocks[case.opening(1).update]
    result = case.result()
    assert result.refused == {trainer(0).address: Refusal.NOT_OPENED.value}
    assert result.shares


@pytest.mark.parametrize(
    "block",
    [b"", b"not tensors", write_update(np.zeros(5)), write_parameters(np.zeros(83)), b"\x80\x04\x95\x00pickle"],
)
def test_work_out__malformed_update__its_trainer_alone_is_out(block: bytes) -> None:
    case = Case()
    case.commit(case.publish(signed(case, trainer(9), case.publish(block)).to_block()))
    result = case.result()
    assert result.refused == {trainer(9).address: Refusal.MALFORMED.value}
    assert result.shares


def test_work_out__not_finite_update__its_trainer_alone_is_out() -> None:
    case = Case()
    update = case.publish(write_update(np.full(case.job.size, np.nan)))
    case.commit(case.publish(signed(case, trainer(9), update).to_block()))
    assert case.result().refused == {trainer(9).address: Refusal.NOT_FINITE.value}


def test_work_out__second_update_of_a_trainer__does_not_count() -> None:
    case = Case()
    expected = case.result().payload
    case.commit(case.publish(signed(case, trainer(4), case.opening(1).update).to_block()))
    assert case.result().payload == expected


@pytest.mark.parametrize("change", [{"job_id": 8}, {"number": 2}, {"base_number": 2}, {"signature": bytes(65)}])
def test_work_out__opening_for_something_else__is_nobodys(change: dict[str, Any]) -> None:
    """A signature is for one job, round and update; a changed opening is not the trainer's."""
    case = Case()
    expected = case.result().payload
    opening = replace(signed(case, trainer(9), case.opening(1).update), **change)
    case.commit(case.publish(opening.to_block()))
    assert case.result().payload == expected


def test_work_out__copied_update_in_another_name__is_a_duplicate() -> None:
    case = Case()
    case.commit(case.publish(signed(case, trainer(9), case.opening(1).update).to_block()))
    assert case.result().refused == {trainer(9).address: Refusal.DUPLICATE.value}


@given(st.integers(0, 2**32 - 1), st.sampled_from([1.0, 0.5, 0.1, 0.01]))
def test_update__written_and_read__the_largest_values_to_a_127th(seed: int, kept: float) -> None:
    delta = np.random.default_rng(seed).standard_normal(300)
    found = read_update(write_update(delta, kept), 300)
    step = 1e-6 if kept == 1 else np.abs(delta).max() / 127
    places = np.flatnonzero(found)
    assert found[places] == pytest.approx(delta[places], abs=0.51 * step)
    assert len(places) <= max(1, 300 * kept)
    if len(places) < 300:
        assert np.abs(np.delete(delta, places)).max() <= np.abs(delta[places]).min() + step


def test_update__zeros__compressed_and_read() -> None:
    assert read_update(write_update(np.zeros(10), 0.5), 10).tolist() == [0] * 10


def test_data_and_parameters__written_and_read__the_same() -> None:
    random = np.random.default_rng(0)
    features, labels = random.standard_normal((4, 3)), np.array([0, 1, 2, 1])
    found = read_data(write_data(features, labels))
    assert found[0] == pytest.approx(features, abs=1e-6)
    assert found[1].tolist() == labels.tolist()
    assert read_parameters(write_parameters(features[0]), 3) == pytest.approx(features[0], abs=1e-6)


@given(st.binary(max_size=200))
def test_records__any_bytes__are_refused(block: bytes) -> None:
    for record in (TrainingJob, RoundState, RoundHeader, Opening):
        with pytest.raises(MalformedRecordError):
            record.from_block(block)
    with pytest.raises(MalformedEvidenceError):
        read_update(block, 3)


@pytest.mark.parametrize("family", FAMILIES)
def test_work_out__data_of_another_model__refused(family: str) -> None:
    case = Case(family)
    other = Case("gpt" if family != "gpt" else "perceptron")
    case.job = replace(case.job, data=case.publish(other.blocks[other.job.data]))
    with pytest.raises(MalformedEvidenceError):
        case.result()
