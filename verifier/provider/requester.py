"""What a requester signs so that a contributor can be paid for answering it."""

from dataclasses import asdict, dataclass
from typing import Any, Generic, TypeVar

from eth_account.signers.base import BaseAccount
from eth_typing import ChecksumAddress

from chain.contribution import canonical_json
from chain.typed_data import Domain, sign
from verifier.node.served_work import request_digest

Request = TypeVar("Request")


@dataclass(frozen=True)
class Order(Generic[Request]):
    """A workload's request, ordered as number `sequence` of what one contributor serves for one job."""

    sequence: int
    request: Request
    signature: bytes


def place_order(
    domain: Domain, requester: BaseAccount, *, job_id: int, contributor: ChecksumAddress, sequence: int, request: Any
) -> Order[Any]:
    """Sign `request`, a dataclass with the fields of the workload's request, for one contributor and number."""
    digest = request_digest(canonical_json(asdict(request)))
    signature = sign(requester, domain.request(job_id, contributor, sequence, digest))
    return Order(sequence, request, signature)
