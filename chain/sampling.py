"""What an audit's seed decides, mirrored from the contracts: sampled leaves and the fingerprint key."""

from eth_abi.abi import encode
from eth_utils.crypto import keccak


def fingerprint_key(seed: bytes) -> bytes:
    """32-byte key of the audit's fingerprints."""
    return keccak(encode(["bytes32", "string"], [seed, "key"]))


def sampled_positions(seed: bytes, count: int, samples: int) -> list[int]:
    """Positions in a batch of `count` leaves that an audit looks at, `min(samples, count)` of them, all distinct.

    Sampling without replacement by R. W. Floyd (Communications of the ACM, 1987), as `AuditCourt.sampledLeaves`.
    """
    size = min(samples, count)
    chosen: list[int] = []
    for i in range(size):
        last = count - size + i
        position = _draw(seed, "leaf", i) % (last + 1)
        chosen.append(last if position in chosen else position)
    return chosen


def _draw(seed: bytes, label: str, index: int) -> int:
    return int.from_bytes(keccak(encode(["bytes32", "string", "uint256"], [seed, label, index])), "big")
