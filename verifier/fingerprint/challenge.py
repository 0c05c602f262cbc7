"""What the audit's seed decides within a leaf: the key of its digests and the chunk that is opened."""

from eth_utils.crypto import keccak


def leaf_key(seed: bytes, leaf: int) -> bytes:
    """The 32-byte fingerprint key of leaf `leaf` of a batch (0 <= leaf < 2**256) under the audit's 32-byte seed."""
    return keccak(seed + leaf.to_bytes(32, "big"))


def drawn_chunk(key: bytes, chunks: int) -> int:
    """The chunk of a leaf's trace that `key` asks to be opened, 0 <= chunk < chunks.

    The bias of the remainder is below chunks / 2**256.
    """
    return int.from_bytes(keccak(key + b"chunk"), "big") % chunks
