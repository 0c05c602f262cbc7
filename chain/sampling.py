"""What an audit's seed decides, mirrored from the contracts: sampled leaves, opened chunks, the fingerprint key."""

from eth_abi.abi import encode
from eth_utils.crypto import keccak


def fingerprint_key(seed: bytes) -> bytes:
    """32-byte key of the audit's fingerprints."""
    return keccak(encode(["bytes32", "string"], [seed, "key"]))


def opened_chunk(seed: bytes, sample: int, chunks: int) -> int:
    """Index of the chunk to fingerprint in the `sample`-th sampled leaf, whose trace has `chunks` chunks."""
    return _draw(seed, "chunk", sample) % chunks


def _draw(seed: bytes, label: str, index: int) -> int:
    return int.from_bytes(keccak(encode(["bytes32", "string", "uint256"], [seed, label, index])), "big")
