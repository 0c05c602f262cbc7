"""EIP-712 messages: what each party signs, bound to one chain and one deployment."""

from dataclasses import dataclass
from typing import Any

from eth_account import Account
from eth_account.messages import SignableMessage, encode_typed_data
from eth_account.signers.base import BaseAccount
from eth_typing import ChecksumAddress
from eth_utils.crypto import keccak

from chain.contribution import Batch, Leaf

_BATCH = {
    "Batch": [
        {"name": "jobId", "type": "uint256"},
        {"name": "contributor", "type": "address"},
        {"name": "first", "type": "uint64"},
        {"name": "count", "type": "uint32"},
        {"name": "units", "type": "uint64"},
        {"name": "leavesRoot", "type": "bytes32"},
        {"name": "dataHash", "type": "bytes32"},
        {"name": "deadline", "type": "uint48"},
    ]
}
_REQUEST = {
    "Request": [
        {"name": "jobId", "type": "uint256"},
        {"name": "contributor", "type": "address"},
        {"name": "sequence", "type": "uint64"},
        {"name": "input", "type": "bytes32"},
    ]
}
_RECEIPT = {
    "Receipt": [
        {"name": "leaf", "type": "bytes32"},
        {"name": "jobId", "type": "uint256"},
        {"name": "contributor", "type": "address"},
        {"name": "sequence", "type": "uint64"},
        {"name": "receivedAt", "type": "uint64"},
    ]
}


@dataclass(frozen=True)
class Domain:
    """The EIP-712 domain `{name: "Merit", version: "1"}` of one `AuditCourt`."""

    chain_id: int
    court: ChecksumAddress

    def batch(self, batch: Batch) -> SignableMessage:
        """A contributor's promise to stand behind every leaf of a batch; `AuditCourt.record` verifies it."""
        return self._encode(
            _BATCH,
            {
                "jobId": batch.job_id,
                "contributor": batch.contributor,
                "first": batch.first,
                "count": batch.count,
                "units": batch.units,
                "leavesRoot": batch.leaves_root,
                "dataHash": batch.data_hash,
                "deadline": batch.deadline,
            },
        )

    def request(self, job_id: int, contributor: ChecksumAddress, sequence: int, input_digest: bytes) -> SignableMessage:
        """A requester's order for one piece of work; without it a contributor could be paid for inputs of its own."""
        return self._encode(
            _REQUEST,
            {"jobId": job_id, "contributor": contributor, "sequence": sequence, "input": input_digest},
        )

    def receipt(self, leaf: Leaf, received_at: int) -> SignableMessage:
        """A recorder's promise to put a leaf on the chain; a dropped contribution can be proven by it."""
        return self._encode(
            _RECEIPT,
            {
                "leaf": leaf.hash,
                "jobId": leaf.job_id,
                "contributor": leaf.contributor,
                "sequence": leaf.sequence,
                "receivedAt": received_at,
            },
        )

    def _encode(self, types: dict[str, Any], message: dict[str, Any]) -> SignableMessage:
        domain = {"name": "Merit", "version": "1", "chainId": self.chain_id, "verifyingContract": self.court}
        return encode_typed_data(domain, types, message)


def message_digest(message: SignableMessage) -> bytes:
    """The 32 bytes that are signed; of a batch, its id on the chain."""
    return keccak(b"\x19" + message.version + message.header + message.body)


def sign(account: BaseAccount, message: SignableMessage) -> bytes:
    """65-byte signature."""
    return bytes(account.sign_message(message).signature)


def signer_of(message: SignableMessage, signature: bytes) -> ChecksumAddress | None:
    """The address that signed, or None where the signature is malformed."""
    try:
        signer: ChecksumAddress = Account.recover_message(message, signature=signature)
    except Exception:  # eth-account raises half a dozen types for malformed signatures
        return None
    return signer
