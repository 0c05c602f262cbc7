"""A round of a training job, worked out from the evidence: who is paid what, and where the next round starts."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

import numpy as np
from eth_abi.abi import encode
from eth_typing import ChecksumAddress
from eth_utils.address import to_checksum_address

from chain.contribution import Leaf, MalformedRecordError, content_digest
from chain.merkle import leaf_hash, merkle_proof, merkle_root, verify_proof
from chain.typed_data import Domain
from scoring.training.filters import Refusal
from scoring.training.models import Floats, Rows
from scoring.training.payout import payout
from scoring.training.rounds import Update, value_round
from verifier.shared.blocks import Fetch, needed
from verifier.workloads.errors import MalformedEvidenceError
from verifier.workloads.training_records import STANDING_UNIT, Opening, RoundHeader, RoundState, TrainingJob
from verifier.workloads.training_tensors import read_parameters, read_update, write_parameters


@dataclass(frozen=True)
class Adopted:
    """A batch whose payload the court has adopted; `root` is that payload."""

    batch_id: bytes
    root: bytes


@dataclass(frozen=True)
class RecordedRound:
    """A round as the chain has it. pot: in the token's smallest unit. seed: of the audit. adopted: the round before it
    that was paid, None for a job's first. leaves: of the manifest, checked against the batch."""

    job_id: int
    batch_id: bytes
    leaves: Sequence[Leaf]
    pot: int
    seed: bytes
    adopted: Adopted | None


@dataclass(frozen=True)
class RoundResult:
    """What comes of a round. refused: trainers without a share and why. traces: for positions in the batch, what is
    fingerprinted, shape (1, samples)."""

    batch_id: bytes
    shares: dict[ChecksumAddress, int]
    refused: dict[ChecksumAddress, str]
    state: RoundState
    parameters: bytes
    traces: dict[int, np.ndarray]

    @property
    def payload(self) -> bytes:
        """The allocation root: a tree over the shares and the state that the next round starts from."""
        return merkle_root(self._leaves())

    def share_proof(self, account: ChecksumAddress) -> list[bytes]:
        """What `JobEscrow.claim` asks for; KeyError for an account without a share."""
        return merkle_proof(self._leaves(), list(self.shares).index(account))

    def state_proof(self) -> list[bytes]:
        """What the next round's header holds."""
        return merkle_proof(self._leaves(), len(self.shares))

    def _leaves(self) -> list[bytes]:
        shares = [share_leaf(self.batch_id, account, amount) for account, amount in self.shares.items()]
        return [*shares, state_leaf(self.batch_id, self.state.digest)]


def share_leaf(batch_id: bytes, account: ChecksumAddress, amount: int) -> bytes:
    """As `Leaf.share` of the contracts."""
    return leaf_hash(encode(["bytes32", "address", "uint256"], [batch_id, account, amount]))


def state_leaf(batch_id: bytes, state: bytes) -> bytes:
    """The leaf of a state; longer than a share before it is hashed, so that it can never be claimed as one."""
    return leaf_hash(encode(["string", "bytes32", "bytes32"], ["merit training state", batch_id, state]))


def assigned_rows(job: TrainingJob, job_id: int, number: int, trainer: ChecksumAddress, rows: int) -> Rows:
    """Which of the data's rows a trainer is given in a round."""
    seed = content_digest(encode(["bytes32", "uint256", "uint256", "address"], [job.data, job_id, number, trainer]))
    return np.sort(_random(seed, "assigned").permutation(rows)[: job.assigned])


def work_out(fetch: Fetch, job: TrainingJob, domain: Domain, recorded: RecordedRound) -> RoundResult:
    """Work a round out; everybody who does gets the same bytes.

    Raises UnavailableBlockError where owner or organiser did not publish what they have to, MalformedEvidenceError
    where what the organiser recorded is not a round of this job. What trainers do wrong is in `refused`.
    """
    if recorded.leaves[0].contributor != job.organiser:
        raise MalformedEvidenceError(f"rounds of this job are held by {job.organiser}")
    try:
        header = RoundHeader.from_block(needed(fetch, recorded.leaves[0].evidence, "the round's header"))
        state = RoundState.from_block(needed(fetch, header.state, "the state of the round before"))
    except MalformedRecordError as error:
        raise MalformedEvidenceError(str(error)) from error
    if state.number + 1 != header.number:
        raise MalformedEvidenceError("the round does not follow the state that it starts from")
    _check_start(job, header, state, recorded.adopted)
    if sum(leaf.units for leaf in recorded.leaves) != job.units:
        raise MalformedEvidenceError(f"a round of this job is paid by {job.units} units")
    base = read_parameters(needed(fetch, state.parameters, "the parameters of the round before"), job.size)
    model = job.model.judged(needed(fetch, job.data, "the job's data"))

    updates, places, refused = _opened(fetch, job, domain, recorded, header.number, model.samples)
    taken = np.concatenate([update.assigned for update in updates]) if updates else np.empty(0, dtype=np.int64)
    samples = np.setdiff1d(np.arange(model.samples), taken)
    samples = _random(recorded.seed, "evaluated").permutation(samples)[: job.evaluated]
    if not samples.size:
        raise MalformedEvidenceError("the job's data is too small for so many trainers")
    valuation = value_round(
        model.on,
        samples,
        base,
        updates,
        {name: standing / STANDING_UNIT for name, standing in state.standing.items()},
        seed=int.from_bytes(sha256(recorded.seed).digest()[:4], "big"),
    )
    parameters = write_parameters(valuation.parameters)
    standing = {to_checksum_address(name): round(STANDING_UNIT * value) for name, value in valuation.standing.items()}
    return RoundResult(
        batch_id=recorded.batch_id,
        shares={to_checksum_address(name): share for name, share in payout(valuation.values, recorded.pot).items()},
        refused=refused | {to_checksum_address(name): reason.value for name, reason in valuation.refused.items()},
        state=RoundState(header.number, content_digest(parameters), standing),
        parameters=parameters,
        traces={
            places[to_checksum_address(name)]: deltas[None].astype(np.float32)
            for name, deltas in valuation.loss_deltas.items()
        },
    )


def first_state(job: TrainingJob) -> RoundState:
    """What a job's first round starts from."""
    return RoundState(0, job.parameters, {})


def _check_start(job: TrainingJob, header: RoundHeader, state: RoundState, adopted: Adopted | None) -> None:
    if adopted is None:
        right = header.previous == bytes(32) and state == first_state(job)
    else:
        leaf = state_leaf(adopted.batch_id, header.state)
        right = header.previous == adopted.batch_id and verify_proof(leaf, header.proof, adopted.root)
    if not right:
        raise MalformedEvidenceError("the round does not start from the state that the court adopted last")


def _opened(
    fetch: Fetch, job: TrainingJob, domain: Domain, recorded: RecordedRound, number: int, rows: int
) -> tuple[list[Update], dict[ChecksumAddress, int], dict[ChecksumAddress, str]]:
    """The updates of the round, at which position each trainer committed, and who is out for what reason.

    A trainer has one update: the one it committed to first. Commitments that nobody opened are nobody's.
    """
    updates: list[Update] = []
    places: dict[ChecksumAddress, int] = {}
    refused: dict[ChecksumAddress, str] = {}
    for position, leaf in enumerate(recorded.leaves[1:], start=1):
        block = fetch(leaf.evidence)
        if block is None:
            continue
        try:
            opening = Opening.from_block(block)
        except MalformedRecordError:
            continue
        told = (opening.job_id, opening.number) == (recorded.job_id, number) and opening.base_number <= number
        if not told or not opening.is_signed(domain) or opening.trainer in places:
            continue
        places[opening.trainer] = position
        update = fetch(opening.update)
        try:
            if update is None:
                refused[opening.trainer] = Refusal.NOT_OPENED.value
                continue
            delta: Floats = read_update(update, job.size)
        except MalformedEvidenceError:
            refused[opening.trainer] = Refusal.MALFORMED.value
            continue
        given = assigned_rows(job, recorded.job_id, opening.base_number, opening.trainer, rows)
        updates.append(Update(opening.trainer, delta, position, given, number - opening.base_number))
    return updates, places, refused


def _random(seed: bytes, purpose: str) -> np.random.RandomState:
    """Of the one generator of numpy whose stream is frozen."""
    words = np.frombuffer(sha256(seed + purpose.encode()).digest(), dtype=">u4").astype(np.uint32)
    return np.random.RandomState(words)
