"""EIP-712 messages: what each party signs, bound to one chain and one deployment."""

from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass
from functools import cached_property
from typing import Any

from coincurve import PrivateKey, PublicKey
from eth_account.messages import SignableMessage
from eth_account.signers.base import BaseAccount
from eth_account.signers.local import LocalAccount
from eth_hash.auto import keccak
from eth_typing import ChecksumAddress

from chain.addresses import checksummed
from chain.contribution import Batch, Leaf
from chain.words import encode_words

_RECOVERY = 27  # what Ethereum adds to a signature's recovery number


@dataclass(frozen=True)
class _StructType:
    """An EIP-712 struct, its members each written `"type name"`; `inner` is the type of those that are lists of it."""

    name: str
    members: tuple[str, ...]
    inner: "_StructType | None" = None

    @property
    def text(self) -> str:
        """EIP-712's `encodeType`."""
        return f"{self.name}({','.join(self.members)})" + (self.inner.text if self.inner else "")

    @cached_property
    def hash(self) -> bytes:
        """`hashStruct`'s constant part."""
        return keccak(self.text.encode())

    @cached_property
    def types(self) -> list[str]:
        """What the hashed words are encoded as: of text and of lists, their hash."""
        written = [member.split(" ")[0] for member in self.members]
        return ["bytes32" if one == "string" or one.endswith("[]") else one for one in written]

    def hash_of(self, *values: Any) -> bytes:
        """EIP-712's `hashStruct`; values in the order of the members."""
        words = [
            keccak(value.encode()) if isinstance(value, str) and kind == "bytes32" else value
            for kind, value in zip(self.types, values, strict=True)
        ]
        return keccak(self.hash + encode_words(self.types, words))


_DOMAIN = _StructType("EIP712Domain", ("string name", "string version", "uint256 chainId", "address verifyingContract"))
_BATCH = _StructType(
    "Batch",
    (
        "uint256 jobId",
        "address contributor",
        "uint64 first",
        "uint32 count",
        "uint64 units",
        "bytes32 leavesRoot",
        "bytes32 dataHash",
        "uint48 deadline",
    ),
)
_REQUEST = _StructType("Request", ("uint256 jobId", "address contributor", "uint64 sequence", "bytes32 input"))
_RECEIPT = _StructType(
    "Receipt", ("bytes32 leaf", "uint256 jobId", "address contributor", "uint64 sequence", "uint64 receivedAt")
)
_OPENING = _StructType(
    "Opening", ("uint256 jobId", "uint64 number", "uint64 baseNumber", "bytes32 update", "bytes32 salt")
)
_ENTRY = _StructType("Entry", ("uint256 jobId", "uint64 number", "bytes32 commitment"))
_QUERY = _StructType("Query", ("uint256 jobId", "uint64 window", "bytes32 nonce", "uint32 count", "string text"))
_PASSAGE = _StructType("Passage", ("uint32 position", "bytes32 digest", "uint32 relevance", "bytes32[] proof"))
_ANSWER = _StructType(
    "Answer", ("uint256 sourceId", "uint32 version", "bytes32 query", "Passage[] passages"), inner=_PASSAGE
)
_FEEDBACK = _StructType("Feedback", ("bytes32 query", "uint8 verdict", "bytes32[] shown", "bytes32[] grounded"))
_CALL = _StructType(
    "Call",
    (
        "string origin",
        "string method",
        "string path",
        "string query",
        "bytes32 body",
        "bytes32 nonce",
        "uint64 expiry",
    ),
)


@dataclass(frozen=True)
class Call:
    """An HTTP request that its sender signs; `body` is the SHA-256 digest of its body, `expiry` in Unix seconds.

    `origin` is the service's scheme, host and port, so that one service cannot use the request at another; `nonce`
    is 32 random bytes, so that it is used once.
    """

    origin: str
    method: str
    path: str
    query: str
    body: bytes
    nonce: bytes
    expiry: int


@dataclass(frozen=True)
class Domain:
    """The EIP-712 domain `{name: "Merit", version: "1"}` of one `AuditCourt`."""

    chain_id: int
    court: ChecksumAddress

    def batch(self, batch: Batch) -> SignableMessage:
        """A contributor's promise to stand behind every leaf of a batch; `AuditCourt.record` verifies it."""
        return self._message(_BATCH.hash_of(*batch.as_tuple()))

    def request(self, job_id: int, contributor: ChecksumAddress, sequence: int, input_digest: bytes) -> SignableMessage:
        """A requester's order for one piece of work; without it a contributor could be paid for inputs of its own."""
        return self._message(_REQUEST.hash_of(job_id, contributor, sequence, input_digest))

    def receipt(self, leaf: Leaf, received_at: int) -> SignableMessage:
        """A recorder's promise to put a leaf on the chain; a dropped contribution can be proven by it."""
        return self._message(_RECEIPT.hash_of(leaf.hash, leaf.job_id, leaf.contributor, leaf.sequence, received_at))

    def opening(self, job_id: int, number: int, base_number: int, update: bytes, salt: bytes) -> SignableMessage:
        """A trainer's update for a round, by its SHA-256 digest; the update was made from the parameters of another."""
        return self._message(_OPENING.hash_of(job_id, number, base_number, update, salt))

    def entry(self, job_id: int, number: int, commitment: bytes) -> SignableMessage:
        """A trainer's word to the organiser that a commitment for a round is its own."""
        return self._message(_ENTRY.hash_of(job_id, number, commitment))

    def call(self, call: Call) -> SignableMessage:
        """A program's proof of who sends a request to the HTTP API."""
        return self._message(_CALL.hash_of(*astuple(call)))

    @cached_property
    def _separator(self) -> bytes:
        return _DOMAIN.hash_of("Merit", "1", self.chain_id, self.court)

    def _message(self, struct_hash: bytes) -> SignableMessage:
        return SignableMessage(b"\x01", self._separator, struct_hash)


@dataclass(frozen=True)
class SourceDomain:
    """The EIP-712 domain `{name: "Merit", version: "1"}` of one `SourceRegistry`."""

    chain_id: int
    registry: ChecksumAddress

    def query(self, job_id: int, window: int, nonce: bytes, count: int, text: str) -> SignableMessage:
        """A query to sources; who holds a job's windows signs it, so that sources know for whom they work."""
        return self._message(_QUERY.hash_of(job_id, window, nonce, count, text))

    def answer(self, source_id: int, version: int, query: bytes, passages: Sequence[bytes]) -> SignableMessage:
        """A source's answer; `SourceRegistry.slash` verifies it. passages: the `passage_hash` of each, best first."""
        return self._message(_ANSWER.hash_of(source_id, version, query, keccak(b"".join(passages))))

    def feedback(
        self, query: bytes, verdict: int, shown: Sequence[bytes], grounded: Sequence[bytes]
    ) -> SignableMessage:
        """What somebody says of an answer: 0 without a reference, 1 right, 2 wrong, and which passages it rests on."""
        return self._message(_FEEDBACK.hash_of(query, verdict, keccak(b"".join(shown)), keccak(b"".join(grounded))))

    @cached_property
    def _separator(self) -> bytes:
        return _DOMAIN.hash_of("Merit", "1", self.chain_id, self.registry)

    def _message(self, struct_hash: bytes) -> SignableMessage:
        return SignableMessage(b"\x01", self._separator, struct_hash)


def passage_hash(position: int, digest: bytes, relevance: int, proof: Sequence[bytes]) -> bytes:
    """EIP-712's hash of one passage of an answer; relevance in millionths, proof as of `MerkleTree.proof`."""
    return _PASSAGE.hash_of(position, digest, relevance, keccak(b"".join(proof)))


def message_digest(message: SignableMessage) -> bytes:
    """The 32 bytes that are signed; of a batch, its id on the chain."""
    return keccak(b"\x19" + message.version + message.header + message.body)


def sign(account: BaseAccount, message: SignableMessage) -> bytes:
    """65-byte signature."""
    return signer_for(account)(message)


def signer_for(account: BaseAccount) -> Callable[[SignableMessage], bytes]:
    """How `account` signs: a key that is here by libsecp256k1 itself, ten times faster than through eth-account."""
    if not isinstance(account, LocalAccount):
        return lambda message: bytes(account.sign_message(message).signature)
    key = PrivateKey(bytes(account.key))

    def sign_locally(message: SignableMessage) -> bytes:
        signature = key.sign_recoverable(message_digest(message), hasher=None)
        return signature[:64] + bytes([signature[64] + _RECOVERY])

    return sign_locally


def signer_of(message: SignableMessage, signature: bytes) -> ChecksumAddress | None:
    """The address that signed, or None where the signature is malformed."""
    if len(signature) != 65 or signature[64] not in (0, 1, _RECOVERY, _RECOVERY + 1):
        return None
    plain = signature[:64] + bytes([signature[64] % _RECOVERY])
    try:
        key = PublicKey.from_signature_and_message(plain, message_digest(message), hasher=None)
    except Exception:  # of libsecp256k1: there is no point with these numbers
        return None
    return checksummed(keccak(key.format(compressed=False)[1:])[-20:])
