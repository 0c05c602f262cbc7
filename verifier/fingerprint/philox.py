"""Counter-based random integers: Philox4x32-10 (Salmon, Moraes, Dror, Shaw, *Parallel Random Numbers*, SC 2011).

Everything that provider and verifier must draw alike (projection signs, rows, dither, sampling noise) comes from here.
The generator is integer arithmetic modulo 2**32, so that every language and machine draws the same numbers; test
vectors are in `tests/vectors/fingerprint_philox.json`.

A 32-byte key, itself a hash, is used as follows: bytes 0..7 are Philox' key, bytes 8..15 the two upper words of its
counter, all as little-endian 32-bit words. The counter's word 0 counts blocks and its word 1 names the domain, which
keeps what is drawn for one purpose apart from what is drawn for another.
"""

import numba
import numpy as np
from numpy.typing import NDArray

KEY_BYTES = 32

_MULTIPLIER_0 = np.uint64(0xD2511F53)
_MULTIPLIER_1 = np.uint64(0xCD9E8D57)
_WEYL_0 = np.uint64(0x9E3779B9)
_WEYL_1 = np.uint64(0xBB67AE85)
_MASK = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)


def key_words(key: bytes) -> NDArray[np.uint64]:
    """The four 32-bit words of a 32-byte key that the generator uses. Raises ValueError for another length."""
    if len(key) != KEY_BYTES:
        raise ValueError(f"a fingerprint key has {KEY_BYTES} bytes, not {len(key)}")
    return np.frombuffer(key, dtype="<u4", count=4).astype(np.uint64)


@numba.njit(cache=True)
def philox_block(block: int, domain: int, key: NDArray[np.uint64]) -> tuple[np.uint64, np.uint64, np.uint64, np.uint64]:
    """The four 32-bit words (each in a uint64) of one counter value."""
    c0, c1, c2, c3 = np.uint64(block) & _MASK, np.uint64(domain) & _MASK, key[2], key[3]
    k0, k1 = key[0], key[1]
    for _ in range(10):
        p0 = _MULTIPLIER_0 * c0
        p1 = _MULTIPLIER_1 * c2
        c0, c1, c2, c3 = (p1 >> _HALF) ^ c1 ^ k0, p1 & _MASK, (p0 >> _HALF) ^ c3 ^ k1, p0 & _MASK
        k0 = (k0 + _WEYL_0) & _MASK
        k1 = (k1 + _WEYL_1) & _MASK
    return c0, c1, c2, c3


@numba.njit(cache=True)
def _words(count: int, domain: int, key: NDArray[np.uint64]) -> NDArray[np.uint32]:
    words = np.empty((count + 3) // 4 * 4, dtype=np.uint32)
    for block in range(words.size // 4):
        a, b, c, d = philox_block(block, domain, key)
        words[4 * block] = a
        words[4 * block + 1] = b
        words[4 * block + 2] = c
        words[4 * block + 3] = d
    return words[:count]


def random_words(key: bytes, domain: int, count: int) -> NDArray[np.uint32]:
    """The first `count` 32-bit words that `key` gives in `domain` (0 <= domain < 2**32)."""
    return np.asarray(_words(count, domain, key_words(key)), dtype=np.uint32)


def random_uniforms(key: bytes, domain: int, count: int) -> NDArray[np.float64]:
    """`count` numbers in the open interval (0, 1): the centres of 2**32 equal cells, exact in float64."""
    return (random_words(key, domain, count).astype(np.float64) + 0.5) / 2.0**32
