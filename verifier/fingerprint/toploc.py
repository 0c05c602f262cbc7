"""TOPLOC (arXiv 2501.16007), so that networks that already publish its proofs can join: a second fingerprint.

A proof of a chunk interpolates, over the integers modulo 65,497, the bfloat16 bits of its k largest values at their
indices; the indices are taken modulo the largest m <= 65,497 that keeps them apart. On the wire it is m and the k
coefficients from the constant up, two bytes each, big-endian. A verifier evaluates the polynomial at its own k largest
indices and compares exponents and mantissas.

Two defects of the published scheme are closed here. Indices are reduced modulo m on both sides. And a proof is parsed
strictly: exactly k coefficients in the field, and the very modulus that the verifier's own activations call for or,
where these are slightly off, one large enough that the proof is no lookup table. What the scheme itself cannot see
stays so: signs, and all but the k largest values.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from verifier.fingerprint.errors import MalformedOpeningError
from verifier.fingerprint.trace import Trace

FIELD = 65497
# With 128 indices spread over a chunk, the canonical modulus is almost always among the few largest.
SMALLEST_MODULUS = 60000
_EXPONENT_BITS = 0x7F80
_MANTISSA_BITS = 0x7F
_MANTISSA_STEPS = 128
# Values in a proof, as published.
TOP = 128


@dataclass(frozen=True)
class ToplocProof:
    """modulus and coefficients of one chunk; see the module."""

    modulus: int
    coefficients: tuple[int, ...]

    def to_bytes(self) -> bytes:
        return struct.pack(f">{1 + len(self.coefficients)}H", self.modulus, *self.coefficients)

    @staticmethod
    def from_bytes(data: bytes, top: int) -> "ToplocProof":
        """Parses a stranger's proof over `top` values. Raises MalformedOpeningError."""
        if len(data) != 2 + 2 * top:
            raise MalformedOpeningError(f"a proof over {top} values has {2 + 2 * top} bytes, not {len(data)}")
        modulus, *coefficients = struct.unpack(f">{1 + top}H", data)
        if not SMALLEST_MODULUS <= modulus <= FIELD:
            raise MalformedOpeningError(f"a proof's modulus is from {SMALLEST_MODULUS} to {FIELD}, not {modulus}")
        if max(coefficients) >= FIELD:
            raise MalformedOpeningError(f"a proof's coefficients are below {FIELD}")
        return ToplocProof(modulus, tuple(coefficients))


@dataclass(frozen=True)
class ToplocDistance:
    """What separates a proof from a verifier's chunk.

    exponent_mismatches: of the top values, how many have another exponent.
    mantissa_mean, mantissa_median: of the differences of the seven mantissa bits where exponents agree; infinite when
    none does.
    difference: the mean over all top values, a whole mantissa of 128 steps where exponents disagree: one number to set
    limits to.
    """

    exponent_mismatches: int
    mantissa_mean: float
    mantissa_median: float
    difference: float


def toploc_proof(chunk: NDArray[np.float32], top: int) -> ToplocProof:
    """The proof over the `top` values of largest magnitude of a chunk of bfloat16 numbers, of any shape.

    Raises ValueError when the chunk has fewer values, or when no modulus keeps their indices apart.
    """
    indices = _top_indices(chunk, top)
    modulus = next((m for m in range(FIELD, SMALLEST_MODULUS - 1, -1) if np.unique(indices % m).size == top), None)
    if modulus is None:
        raise ValueError("no modulus keeps the indices of the largest values apart")
    values = _bfloat16_bits(chunk.reshape(-1)[indices])
    return ToplocProof(modulus, _interpolated(indices % modulus, values))


def toploc_distance(proof: ToplocProof, chunk: NDArray[np.float32]) -> ToplocDistance:
    """How far a verifier's own chunk is from a proof. Raises ValueError when the chunk has too few values."""
    indices = _top_indices(chunk, len(proof.coefficients))
    ours = _bfloat16_bits(chunk.reshape(-1)[indices])
    theirs = _evaluated(proof.coefficients, indices % proof.modulus)
    agree = (ours & _EXPONENT_BITS) == (theirs & _EXPONENT_BITS)
    if not agree.any():
        return ToplocDistance(int(agree.size), float("inf"), float("inf"), float(_MANTISSA_STEPS))
    apart = np.abs((ours & _MANTISSA_BITS) - (theirs & _MANTISSA_BITS))[agree]
    mismatches = int((~agree).sum())
    difference = (float(apart.sum()) + _MANTISSA_STEPS * mismatches) / agree.size
    return ToplocDistance(mismatches, float(apart.mean()), float(np.median(apart)), difference)


def proofs_of(trace: Trace, top: int) -> list[ToplocProof]:
    """The proofs of all chunks of a trace, over all values where a chunk has no more than `top`."""
    chunks = [trace.chunk(index) for index in range(trace.shape.chunks)]
    return [toploc_proof(chunk, min(top, chunk.size)) for chunk in chunks]


def largest_difference(proofs: Sequence[ToplocProof], trace: Trace) -> float:
    """The `difference` of the worst of the chunks of a verifier's trace from its proof."""
    return max(toploc_distance(proof, trace.chunk(chunk)).difference for chunk, proof in enumerate(proofs))


def _top_indices(chunk: NDArray[np.float32], top: int) -> NDArray[np.int64]:
    """Indices of the largest magnitudes, the lower index first among equals."""
    flat = np.abs(chunk.reshape(-1))
    if flat.size < top:
        raise ValueError(f"a chunk of {flat.size} values has no {top} largest")
    return np.argsort(-flat, kind="stable")[:top].astype(np.int64)


def _bfloat16_bits(values: NDArray[np.float32]) -> NDArray[np.int64]:
    """The upper sixteen bits of float32 after rounding to nearest, ties to even."""
    bits = values.astype("<f4").view("<u4").astype(np.int64)
    return (bits + 0x7FFF + (bits >> 16 & 1)) >> 16


def _interpolated(points: NDArray[np.int64], values: NDArray[np.int64]) -> tuple[int, ...]:
    """Coefficients, from the constant up, of the polynomial of least degree through the points (Newton)."""
    differences = values % FIELD
    for order in range(1, points.size):
        inverses = np.array([pow(int(d), -1, FIELD) for d in points[order:] - points[:-order]], dtype=np.int64)
        differences[order:] = (differences[order:] - differences[order - 1 : -1]) * inverses % FIELD
    coefficients = np.zeros(points.size, dtype=np.int64)
    for point, difference in zip(points[::-1], differences[::-1], strict=True):
        shifted = np.roll(coefficients, 1)
        shifted[0] = 0
        coefficients = (shifted - point * coefficients) % FIELD
        coefficients[0] = (coefficients[0] + difference) % FIELD
    return tuple(map(int, coefficients))


def _evaluated(coefficients: tuple[int, ...], points: NDArray[np.int64]) -> NDArray[np.int64]:
    values = np.zeros(points.size, dtype=np.int64)
    for coefficient in reversed(coefficients):
        values = (values * points + coefficient) % FIELD
    return values
