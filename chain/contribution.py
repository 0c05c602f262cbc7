"""What a contribution is, byte for byte: requests, leaves, batches and their manifests.

A *leaf* is one piece of work. It commits to its evidence (the request, the requester's signature on it and the output)
by the SHA-256 digest of the evidence block, and to the trace of the run by a Merkle root, before any audit key exists.
A *batch* is what one contributor signs and the chain records: a Merkle root over leaves with consecutive sequence
numbers. Its *manifest* lists the leaves, is stored as one evidence block and is named by its digest in the batch.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from eth_typing import ChecksumAddress
from eth_utils.address import to_checksum_address

from chain.errors import MeritError
from chain.merkle import leaf_hash, merkle_root
from chain.words import encode_words

MAX_BATCH_LEAVES = 1024
_LEAF = ("uint256", "address", "uint64", "uint64", "bytes32", "bytes32")


class MalformedRecordError(MeritError):
    """Bytes that are not the record they should be."""


@dataclass(frozen=True)
class Leaf:
    """One piece of work; `evidence` is the SHA-256 digest of its evidence block, `units` what it is paid by."""

    job_id: int
    contributor: ChecksumAddress
    sequence: int
    units: int
    trace_root: bytes
    evidence: bytes

    def __post_init__(self) -> None:
        # The ABI encoder would pad a short digest in silence, and two records would share one hash.
        if len(self.trace_root) != 32 or len(self.evidence) != 32:
            raise MalformedRecordError("A leaf's trace root and evidence digest are 32 bytes each.")

    @property
    def hash(self) -> bytes:
        """Merkle leaf, `keccak256(bytes.concat(keccak256(abi.encode(...))))`; also the contribution's id."""
        # Not `cached_property`: before Python 3.12 that lets one thread at a time compute, for all leaves together.
        found: bytes | None = self.__dict__.get("_hash")
        if found is None:
            words = (self.job_id, self.contributor, self.sequence, self.units, self.trace_root, self.evidence)
            found = self.__dict__["_hash"] = leaf_hash(encode_words(_LEAF, words))
        return found


@dataclass(frozen=True)
class Batch:
    """The struct that `AuditCourt.record` takes, in its field order; `deadline` is the signature's, in Unix seconds."""

    job_id: int
    contributor: ChecksumAddress
    first: int
    count: int
    units: int
    leaves_root: bytes
    data_hash: bytes
    deadline: int

    def as_tuple(self) -> tuple[int, ChecksumAddress, int, int, int, bytes, bytes, int]:
        """Positional arguments for the ABI's `Batch` struct."""
        return (
            self.job_id,
            self.contributor,
            self.first,
            self.count,
            self.units,
            self.leaves_root,
            self.data_hash,
            self.deadline,
        )


def canonical_json(value: Any) -> bytes:
    """The one byte string of a JSON value: sorted keys, no spaces, ASCII, no NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode()


def content_digest(block: bytes) -> bytes:
    """SHA-256 digest by which evidence blocks are addressed."""
    return sha256(block).digest()


def build_batch(leaves: Sequence[Leaf], deadline: int) -> tuple[Batch, bytes]:
    """The batch over `leaves` and its manifest. Leaves are one contributor's, of one job, in sequence."""
    if not 0 < len(leaves) <= MAX_BATCH_LEAVES:
        raise MalformedRecordError(f"A batch holds 1 to {MAX_BATCH_LEAVES} leaves, not {len(leaves)}.")
    first = leaves[0]
    for position, leaf in enumerate(leaves):
        if (leaf.job_id, leaf.contributor, leaf.sequence) != (
            first.job_id,
            first.contributor,
            first.sequence + position,
        ):
            raise MalformedRecordError(
                f"Leaf {position} of the batch is number {leaf.sequence} of job {leaf.job_id} by {leaf.contributor}; "
                f"expected number {first.sequence + position} of job {first.job_id} by {first.contributor}."
            )
    manifest = canonical_json(
        {
            "contributor": first.contributor,
            "job_id": first.job_id,
            "leaves": [
                {
                    "evidence": leaf.evidence.hex(),
                    "sequence": leaf.sequence,
                    "trace_root": leaf.trace_root.hex(),
                    "units": leaf.units,
                }
                for leaf in leaves
            ],
        }
    )
    batch = Batch(
        job_id=first.job_id,
        contributor=first.contributor,
        first=first.sequence,
        count=len(leaves),
        units=sum(leaf.units for leaf in leaves),
        leaves_root=merkle_root([leaf.hash for leaf in leaves]),
        data_hash=content_digest(manifest),
        deadline=deadline,
    )
    return batch, manifest


def parse_manifest(block: bytes) -> list[Leaf]:
    """The leaves that a manifest lists. Raises `MalformedRecordError` for anything but a canonical manifest."""
    try:
        raw = json.loads(block)
        contributor = to_checksum_address(raw["contributor"])
        leaves = [
            Leaf(
                job_id=raw["job_id"],
                contributor=contributor,
                sequence=entry["sequence"],
                units=entry["units"],
                trace_root=bytes.fromhex(entry["trace_root"]),
                evidence=bytes.fromhex(entry["evidence"]),
            )
            for entry in raw["leaves"]
        ]
        _, canonical = build_batch(leaves, deadline=0)
    except MeritError:
        raise
    except Exception as error:  # whatever hostile bytes provoke in the parser means the same thing
        raise MalformedRecordError("The batch manifest is not a list of leaves.") from error
    if canonical != block:
        raise MalformedRecordError("The batch manifest is not in canonical form.")
    return leaves
