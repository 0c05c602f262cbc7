"""TOPLOC proofs: the published vector, tolerance to noise, and the hostile bytes on which the reference crashes."""

import base64

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from verifier.fingerprint.errors import MalformedOpeningError
from verifier.fingerprint.toploc import FIELD, SMALLEST_MODULUS, ToplocProof, toploc_distance, toploc_proof


def chunk_of(seed: int, rows: int = 32, columns: int = 64) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal((rows, columns)).astype(np.float32)


@pytest.mark.parametrize("top", [1, 2, 16, 128])
def test_distance__same_chunk__nothing_apart(top: int) -> None:
    chunk = chunk_of(0)
    proof = ToplocProof.from_bytes(toploc_proof(chunk, top).to_bytes(), top)
    distance = toploc_distance(proof, chunk)
    assert (distance.exponent_mismatches, distance.mantissa_mean, distance.mantissa_median) == (0, 0, 0)


def test_distance__chunk_larger_than_the_field__indices_reduced_on_both_sides() -> None:
    """The published Python path forgets the reduction, and refuses honest chunks whose modulus is not the largest."""
    moduli = set()
    for seed in range(12):
        chunk = chunk_of(seed, 32, 4096)
        proof = toploc_proof(chunk, 128)
        assert toploc_distance(proof, chunk).exponent_mismatches == 0
        moduli.add(proof.modulus)
    assert len(moduli) > 1


@pytest.mark.parametrize(
    ("factor", "mismatches", "apart"),
    [(1.01, (0, 8), (0.0, 3.0)), (1.1, (0, 40), (8.0, 40.0)), (4.0, (128, 128), None)],
)
def test_distance__scaled_chunk__grows_with_the_factor(
    factor: float, mismatches: tuple[int, int], apart: tuple[float, float] | None
) -> None:
    chunk = chunk_of(1)
    distance = toploc_distance(toploc_proof(chunk, 128), (chunk * np.float32(factor)).astype(np.float32))
    assert mismatches[0] <= distance.exponent_mismatches <= mismatches[1]
    if apart is not None:
        assert apart[0] < distance.mantissa_mean < apart[1]


def test_distance__unrelated_chunk__far() -> None:
    assert toploc_distance(toploc_proof(chunk_of(1), 128), chunk_of(2)).exponent_mismatches > 100


def test_proof__coefficients__interpolate_the_values() -> None:
    """Evaluated with Python's integers at each index, the polynomial gives back the bfloat16 bits."""
    chunk = chunk_of(3)
    proof = toploc_proof(chunk, 16)
    flat = chunk.reshape(-1)
    for index in np.argsort(-np.abs(flat))[:16]:
        value = (
            sum(c * pow(int(index) % proof.modulus, power, FIELD) for power, c in enumerate(proof.coefficients)) % FIELD
        )
        restored = np.array([value << 16], dtype="<u4").view("<f4")[0]
        assert restored == pytest.approx(flat[index], rel=2**-8)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xd9",
        bytes(2 + 2 * 4),
        (0).to_bytes(2, "big") + bytes(8),
        (SMALLEST_MODULUS - 1).to_bytes(2, "big") + bytes(8),
        (FIELD + 1).to_bytes(2, "big") + bytes(8),
        FIELD.to_bytes(2, "big") + bytes(6),
        FIELD.to_bytes(2, "big") + bytes(10),
        FIELD.to_bytes(2, "big") + b"\xff" * 8,
    ],
)
def test_parse__bytes_that_no_prover_sends__typed_error(data: bytes) -> None:
    with pytest.raises(MalformedOpeningError):
        ToplocProof.from_bytes(data, 4)


@given(data=st.binary(max_size=20), top=st.integers(1, 8))
def test_parse__any_bytes__typed_error_or_round_trip(data: bytes, top: int) -> None:
    try:
        proof = ToplocProof.from_bytes(data, top)
    except MalformedOpeningError:
        return
    assert proof.to_bytes() == data
    toploc_distance(proof, chunk_of(0))


def test_proof__chunk_with_too_few_values__refused() -> None:
    with pytest.raises(ValueError, match="has no 128 largest"):
        toploc_proof(chunk_of(0, 1, 64), 128)


@pytest.mark.parametrize(
    ("published", "size", "largest"),
    [
        ("/9kbQitnukt1bQ==", 80, {35: 2.890625, 63: 2.390625, 70: -2.171875, 79: -2.671875}),
        ("/9nLuJrxhiVUoA==", 48, {2: -2.375, 6: -1.78125, 35: -2.546875, 44: 2.53125}),
        ("/9m0aNrm5KtBtg==", 48, {3: 2.203125, 8: 2.8125, 19: 2.03125, 47: -2.234375}),
        ("/9mAZNZYMOKvcw==", 48, {3: 2.0, 33: 2.015625, 43: 2.109375, 44: -2.21875}),
        ("/9nSBGTqkZH21w==", 16, {1: -1.28125, 4: 1.2109375, 13: -2.453125, 14: 1.1796875}),
    ],
)
def test_proof__published_example__same_bytes(published: str, size: int, largest: dict[int, float]) -> None:
    """The five proofs of the reference's README, for chunks with the largest values that they encode."""
    chunk = np.full((1, size), 0.5, dtype=np.float32)
    for index, value in largest.items():
        chunk[0, index] = value
    assert toploc_proof(chunk, 4).to_bytes() == base64.b64decode(published)
