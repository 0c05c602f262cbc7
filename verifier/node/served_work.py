"""The evidence block of a leaf: what was asked for and what was served, with the requester's signature on the request.

    {"request_signature": "0x...", "work": {"request": ..., ...}}

`work` is the workload's own evidence. Without the signature, a contributor could be paid for requests of its own.
"""

import json
from dataclasses import dataclass

from eth_typing import ChecksumAddress

from chain.contribution import MalformedRecordError, canonical_json, content_digest
from chain.typed_data import Domain, signer_of


@dataclass(frozen=True)
class ServedWork:
    """`work`: canonical JSON of an object with a member `request`; `request_signature`: 65 bytes."""

    work: bytes
    request_signature: bytes

    def to_block(self) -> bytes:
        """The block that the leaf's `evidence` names."""
        return canonical_json({"request_signature": "0x" + self.request_signature.hex(), "work": json.loads(self.work)})

    @classmethod
    def from_block(cls, block: bytes) -> "ServedWork":
        """Parse a stranger's block. Raises `MalformedRecordError` for anything but the canonical form."""
        try:
            raw = json.loads(block)
            served = cls(canonical_json(raw["work"]), bytes.fromhex(raw["request_signature"][2:]))
            canonical = served.to_block()
        except Exception as error:  # whatever hostile bytes provoke in the parser means the same thing
            raise MalformedRecordError("The evidence is not work with a signed request.") from error
        if canonical != block:
            raise MalformedRecordError("The evidence is not in canonical form.")
        return served

    def is_ordered_by(
        self, requester: ChecksumAddress, domain: Domain, job_id: int, contributor: ChecksumAddress, sequence: int
    ) -> bool:
        """Whether `requester` signed this request as number `sequence` of the job for `contributor`."""
        request = json.loads(self.work)
        if not isinstance(request, dict) or "request" not in request:
            return False
        digest = request_digest(canonical_json(request["request"]))
        return signer_of(domain.request(job_id, contributor, sequence, digest), self.request_signature) == requester


def request_digest(request: bytes) -> bytes:
    """What a requester signs of a request: the SHA-256 of its canonical JSON."""
    return content_digest(request)
