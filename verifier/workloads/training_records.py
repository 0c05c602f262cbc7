"""The evidence blocks of training, byte for byte: the job, what a round starts from, and what a trainer opens."""

from dataclasses import dataclass
from typing import Any

from eth_account.signers.base import BaseAccount
from eth_typing import ChecksumAddress
from eth_utils.address import to_checksum_address

from chain.contribution import canonical_json, content_digest
from chain.typed_data import Domain, sign, signer_of
from scoring.training.uniqueness import PEERS
from verifier.shared.blocks import parse_digest, parse_record
from verifier.workloads.training_models import AnyModel, parse_model

# With fewer in a round there is nobody to compare a trainer with, and nobody is paid.
LEAST_TRAINERS = 3
# Rules of the protocol, by which every verifier can work a round out within its limits: so many trainers take part, and
# the mixtures of their updates take so many multiplications, as do their standings; one core does 1 to 15 billion in a
# second, by the model.
_MOST_TRAINERS = 512
_MOST_WORK = 2**38
# A standing is kept in millionths, so that everybody writes the same number.
STANDING_UNIT = 10**6


@dataclass(frozen=True)
class TrainingJob:
    """What is trained, on what, and what a round of it costs; `Specification.model` is its digest.

    organiser: the only account whose batches are rounds of the job; otherwise anybody could hold a round for itself.
    parameters, data: digests of safetensors blocks with the first parameters and with the samples. assigned: rows of
    the data that each trainer is given in a round. evaluated: rows that decide what updates are worth. units: what a
    round is paid by.
    """

    organiser: ChecksumAddress
    model: AnyModel
    parameters: bytes
    data: bytes
    assigned: int
    evaluated: int
    units: int

    @property
    def size(self) -> int:
        """Number of parameters."""
        return self.model.size

    @property
    def coalitions(self) -> int:
        """How many mixtures of updates may be evaluated in a round."""
        return _MOST_WORK // (self.model.work * self.evaluated)

    @property
    def most_trainers(self) -> int:
        """Commitments that a round may have: for so many, values can be estimated and standings be told."""
        by_standing = _MOST_WORK // (self.model.work * self.assigned * (2 * PEERS + 2))
        return max(0, min(_MOST_TRAINERS, (self.coalitions - 2) // 4, by_standing))

    def to_block(self) -> bytes:
        """The canonical block."""
        return canonical_json(
            {
                "assigned": self.assigned,
                "data": self.data.hex(),
                "evaluated": self.evaluated,
                "model": self.model.to_raw(),
                "organiser": self.organiser,
                "parameters": self.parameters.hex(),
                "units": self.units,
            }
        )

    @classmethod
    def from_block(cls, block: bytes) -> "TrainingJob":
        """Parse a stranger's block. Raises `MalformedRecordError`."""

        def read(raw: Any) -> TrainingJob:
            return cls(
                to_checksum_address(raw["organiser"]),
                parse_model(raw["model"]),
                parse_digest(raw["parameters"]),
                parse_digest(raw["data"]),
                _count(raw["assigned"], 2**20),
                _count(raw["evaluated"], 2**20),
                _count(raw["units"], 2**64 - 1),
            )

        return parse_record(block, read, TrainingJob.to_block, "a training job")


@dataclass(frozen=True)
class RoundState:
    """What a round leaves behind: its number, the digest of its parameters, the trainers' standing in millionths."""

    number: int
    parameters: bytes
    standing: dict[ChecksumAddress, int]

    def to_block(self) -> bytes:
        """The canonical block."""
        return canonical_json(
            {"number": self.number, "parameters": self.parameters.hex(), "standing": dict(self.standing)}
        )

    @property
    def digest(self) -> bytes:
        """What the round's payload names it by."""
        return content_digest(self.to_block())

    @classmethod
    def from_block(cls, block: bytes) -> "RoundState":
        """Parse a stranger's block. Raises `MalformedRecordError`."""

        def read(raw: Any) -> RoundState:
            standing = {to_checksum_address(name): int(value) for name, value in raw["standing"].items()}
            return cls(_count(raw["number"], 2**64 - 1, least=0), parse_digest(raw["parameters"]), standing)

        return parse_record(block, read, RoundState.to_block, "the state of a training job")


@dataclass(frozen=True)
class RoundHeader:
    """The first leaf of a round's batch: its number and the state that it starts from.

    previous: batch that ended in that state, zeros before the first. proof: that the state is in its payload.
    """

    number: int
    previous: bytes
    state: bytes
    proof: tuple[bytes, ...]

    def to_block(self) -> bytes:
        """The canonical block."""
        return canonical_json(
            {
                "number": self.number,
                "previous": self.previous.hex(),
                "proof": [node.hex() for node in self.proof],
                "state": self.state.hex(),
            }
        )

    @classmethod
    def from_block(cls, block: bytes) -> "RoundHeader":
        """Parse a stranger's block. Raises `MalformedRecordError`."""

        def read(raw: Any) -> RoundHeader:
            proof = tuple(parse_digest(node) for node in raw["proof"])
            number = _count(raw["number"], 2**64 - 1)
            return cls(number, parse_digest(raw["previous"]), parse_digest(raw["state"]), proof)

        return parse_record(block, read, RoundHeader.to_block, "the header of a round")


@dataclass(frozen=True)
class Opening:
    """What a trainer commits to by the digest of this block, and publishes once the commitment is on the chain.

    base_number: of the round whose parameters the update was made from. update: digest of the safetensors block.
    salt: 32 random bytes, without which the digest could be tried against a copied update.
    """

    job_id: int
    number: int
    base_number: int
    trainer: ChecksumAddress
    update: bytes
    salt: bytes
    signature: bytes

    @classmethod
    def signed(
        cls,
        domain: Domain,
        account: BaseAccount,
        *,
        job_id: int,
        number: int,
        base_number: int,
        update: bytes,
        salt: bytes,
    ) -> "Opening":
        """An opening in the name of `account`."""
        signature = sign(account, domain.opening(job_id, number, base_number, update, salt))
        return cls(job_id, number, base_number, to_checksum_address(account.address), update, salt, signature)

    def is_signed(self, domain: Domain) -> bool:
        """Whether the trainer that it names signed it."""
        message = domain.opening(self.job_id, self.number, self.base_number, self.update, self.salt)
        return signer_of(message, self.signature) == self.trainer

    def to_block(self) -> bytes:
        """The canonical block."""
        return canonical_json(
            {
                "base_number": self.base_number,
                "job_id": self.job_id,
                "number": self.number,
                "salt": self.salt.hex(),
                "signature": self.signature.hex(),
                "trainer": self.trainer,
                "update": self.update.hex(),
            }
        )

    @classmethod
    def from_block(cls, block: bytes) -> "Opening":
        """Parse a stranger's block. Raises `MalformedRecordError`."""

        def read(raw: Any) -> Opening:
            return cls(
                _count(raw["job_id"], 2**256 - 1, least=0),
                _count(raw["number"], 2**64 - 1),
                _count(raw["base_number"], 2**64 - 1),
                to_checksum_address(raw["trainer"]),
                parse_digest(raw["update"]),
                parse_digest(raw["salt"]),
                bytes.fromhex(raw["signature"]),
            )

        return parse_record(block, read, Opening.to_block, "the opening of an update")


def _count(value: Any, most: int, least: int = 1) -> int:
    if type(value) is not int or not least <= value <= most:
        raise ValueError(f"expected a whole number from {least} to {most}")
    return value
