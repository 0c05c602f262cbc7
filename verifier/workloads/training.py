"""A round of a training job, worked out from the evidence: who is paid what, and where the next round starts."""

from collections.abc import Collection
from dataclasses import dataclass, field
from hashlib import sha256

import numpy as np
from eth_abi.abi import encode
from eth_typing import ChecksumAddress
from eth_utils.address import to_checksum_address

from chain.contribution import MalformedRecordError, content_digest
from chain.merkle import leaf_hash, merkle_proof, merkle_root, verify_proof
from chain.typed_data import Domain
from scoring.training.filters import Refusal
from scoring.training.models import Floats, Mapper, Rows
from scoring.training.payout import payout
from scoring.training.rounds import Update, value_round
from verifier.shared.blocks import Fetch, needed
from verifier.workloads.errors import MalformedEvidenceError
from verifier.workloads.recorded_round import Adopted, RecordedRound
from verifier.workloads.training_models import JudgedModel
from verifier.workloads.training_records import STANDING_UNIT, Opening, RoundHeader, RoundState, TrainingJob
from verifier.workloads.training_tensors import read_parameters, read_update, write_parameters


@dataclass(frozen=True)
class RoundResult:
    """What comes of a round.

    refused: trainers without a share and why. traces: for positions in the batch, what is fingerprinted, shape
    (1, samples). taken: positions of the updates that were valued.
    """

    batch_id: bytes
    shares: dict[ChecksumAddress, int]
    refused: dict[ChecksumAddress, str]
    state: RoundState
    parameters: bytes
    traces: dict[int, np.ndarray] = field(compare=False)
    taken: tuple[int, ...]

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


@dataclass(frozen=True)
class Sent:
    """An opening, and the update that it leads to or why there is none."""

    opening: Opening
    update: Floats | Refusal


@dataclass(frozen=True)
class OpenedRound:
    """A round with what is published of it. sent: by position in the batch, in its order."""

    job: TrainingJob
    recorded: RecordedRound
    number: int
    standing: dict[ChecksumAddress, int]
    base: Floats
    model: JudgedModel
    sent: dict[int, Sent]

    @property
    def published(self) -> tuple[int, ...]:
        """Positions whose opening and update are there."""
        return tuple(position for position, one in self.sent.items() if one.update is not Refusal.NOT_OPENED)


def work_out(
    fetch: Fetch, job: TrainingJob, domain: Domain, recorded: RecordedRound, mapper: Mapper = map
) -> RoundResult:
    """Work a round out; everybody who does gets the same bytes. Raises as `open_round` and `value`."""
    return value(open_round(fetch, job, domain, recorded), mapper=mapper)


def open_round(fetch: Fetch, job: TrainingJob, domain: Domain, recorded: RecordedRound) -> OpenedRound:
    """Fetch a round and check what does not depend on its trainers.

    Raises UnavailableBlockError where owner or organiser did not publish what they have to, MalformedEvidenceError
    where what the organiser recorded is not a round of this job.
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
    if len(recorded.leaves) - 1 > job.most_trainers:
        raise MalformedEvidenceError(f"a round of this job has at most {job.most_trainers} commitments")
    base = read_parameters(needed(fetch, state.parameters, "the parameters of the round before"), job.size)
    model = job.model.judged(needed(fetch, job.data, "the job's data"))
    sent = {
        position: Sent(opening, _update(fetch(opening.update), job.size))
        for position, leaf in enumerate(recorded.leaves[1:], start=1)
        if (opening := _opening(fetch(leaf.evidence), domain, recorded.job_id, header.number)) is not None
    }
    return OpenedRound(job, recorded, header.number, state.standing, base, model, sent)


def value(opened: OpenedRound, among: Collection[int] | None = None, mapper: Mapper = map) -> RoundResult:
    """What the round comes to if only the commitments at the positions `among` had been opened; of all, without it.

    What trainers do wrong is in `refused`. Raises MalformedEvidenceError where the job's data does not suffice.
    """
    job, recorded, model = opened.job, opened.recorded, opened.model
    updates, places, refused = _first_of_each(opened, among)
    given = np.concatenate([update.assigned for update in updates]) if updates else np.empty(0, dtype=np.int64)
    samples = np.setdiff1d(np.arange(model.samples), given)
    samples = _random(recorded.seed, "evaluated").permutation(samples)[: job.evaluated]
    if not samples.size:
        raise MalformedEvidenceError("the job's data is too small for so many trainers")
    valuation = value_round(
        model.on,
        samples,
        opened.base,
        updates,
        {name: standing / STANDING_UNIT for name, standing in opened.standing.items()},
        seed=int.from_bytes(sha256(recorded.seed).digest()[:4], "big"),
        coalitions=job.coalitions,
        mapper=mapper,
    )
    parameters = write_parameters(valuation.parameters)
    standing = {to_checksum_address(name): round(STANDING_UNIT * score) for name, score in valuation.standing.items()}
    return RoundResult(
        batch_id=recorded.batch_id,
        shares={to_checksum_address(name): share for name, share in payout(valuation.values, recorded.pot).items()},
        refused=refused | {to_checksum_address(name): reason.value for name, reason in valuation.refused.items()},
        state=RoundState(opened.number, content_digest(parameters), standing),
        parameters=parameters,
        traces={
            places[to_checksum_address(name)]: deltas[None].astype(np.float32)
            for name, deltas in valuation.loss_deltas.items()
        },
        taken=tuple(places[to_checksum_address(update.trainer)] for update in updates),
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


def _opening(block: bytes | None, domain: Domain, job_id: int, number: int) -> Opening | None:
    """None for a commitment that nobody opened, or to something else than an update in this round: it is nobody's."""
    try:
        opening = None if block is None else Opening.from_block(block)
    except MalformedRecordError:
        return None
    if opening is None or (opening.job_id, opening.number) != (job_id, number) or opening.base_number > number:
        return None
    return opening if opening.is_signed(domain) else None


def _update(block: bytes | None, size: int) -> Floats | Refusal:
    try:
        return Refusal.NOT_OPENED if block is None else read_update(block, size)
    except MalformedEvidenceError:
        return Refusal.MALFORMED


def _first_of_each(
    opened: OpenedRound, among: Collection[int] | None
) -> tuple[list[Update], dict[ChecksumAddress, int], dict[ChecksumAddress, str]]:
    """The updates, at which position each trainer committed, and who is out for what reason.

    A trainer has one update: the one it committed to first.
    """
    updates: list[Update] = []
    places: dict[ChecksumAddress, int] = {}
    refused: dict[ChecksumAddress, str] = {}
    for position, sent in opened.sent.items():
        opening, update = sent.opening, sent.update
        if opening.trainer in places:
            continue
        if among is not None and position not in among:
            refused[opening.trainer] = (update if isinstance(update, Refusal) else Refusal.NOT_OPENED).value
            continue
        places[opening.trainer] = position
        if isinstance(update, Refusal):
            refused[opening.trainer] = update.value
            continue
        refused.pop(opening.trainer, None)
        given = assigned_rows(opened.job, opening.job_id, opening.base_number, opening.trainer, opened.model.samples)
        updates.append(Update(opening.trainer, update, position, given, opened.number - opening.base_number))
    return updates, places, refused


def _random(seed: bytes, purpose: str) -> np.random.RandomState:
    """Of the one generator of numpy whose stream is frozen."""
    words = np.frombuffer(sha256(seed + purpose.encode()).digest(), dtype=">u4").astype(np.uint32)
    return np.random.RandomState(words)
