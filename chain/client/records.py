"""What the client takes and gives, and how it fails."""

from dataclasses import dataclass
from typing import Any

from eth_typing import ChecksumAddress

from chain.contribution import Leaf
from chain.errors import MeritError
from chain.typed_data import Domain, signer_of


class ServiceUnavailableError(MeritError):
    """The service cannot be reached, or was not able to answer in several attempts."""


class UntrustworthyServiceError(MeritError):
    """The service answered with something that it cannot have in good faith."""


class RequestRefusedError(MeritError):
    """A refusal of the service: `kind` is stable, `members` is the whole problem document."""

    def __init__(self, status: int, kind: str, sentence: str, members: dict[str, Any]) -> None:
        super().__init__(sentence)
        self.status = status
        self.kind = kind
        self.members = members


@dataclass(frozen=True)
class Work:
    """One piece of work to submit: its evidence block and the Merkle root over the chunks of its trace."""

    units: int
    trace_root: bytes
    evidence: bytes


@dataclass(frozen=True)
class Receipt:
    """A leaf and the recorder's signed promise to bring it to the chain."""

    leaf: Leaf
    received_at: int
    recorder: ChecksumAddress
    signature: bytes

    @property
    def id(self) -> str:
        """The contribution's id, for `MeritClient.contribution`."""
        return "0x" + self.leaf.hash.hex()

    def is_signed(self, domain: Domain) -> bool:
        """Whether it is the recorder's."""
        return signer_of(domain.receipt(self.leaf, self.received_at), self.signature) == self.recorder
