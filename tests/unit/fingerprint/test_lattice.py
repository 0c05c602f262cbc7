"""The digest against a reference on Python's integers, its collision law, and traces that were never computed."""

import json
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from verifier.fingerprint.lattice import LatticeProfile, Whitening, digest, flip_probability, hamming, projections
from verifier.fingerprint.philox import random_words

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "fingerprint_digest.json").read_text())


def unit_profile(columns: int, cell: float = 0.02, words: int = 2, chunk_rows: int = 32) -> LatticeProfile:
    """A profile for standard normal traces, its two widths `cell` deviations of the projected values."""
    whitening = Whitening(np.zeros(columns, dtype=np.float32), np.ones(columns, dtype=np.float32))
    rows, width = LatticeProfile(whitening, 1, 1, words, chunk_rows).transform_shape
    unit = cell * 2**20 * math.sqrt(width)
    return LatticeProfile(whitening, round(unit), round(unit * math.sqrt(rows)), words, chunk_rows)


def normal_chunk(seed: int, rows: int, columns: int) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal((rows, columns)).astype(np.float32)


@dataclass(frozen=True)
class Case:
    """A chunk and a profile as plain numbers."""

    chunk: list[list[float]]
    mean: list[float]
    scale: list[float]
    fine_width: int
    coarse_width: int
    words: int
    chunk_rows: int
    key: bytes

    @property
    def profile(self) -> LatticeProfile:
        whitening = Whitening(np.array(self.mean, dtype=np.float32), np.array(self.scale, dtype=np.float32))
        return LatticeProfile(whitening, self.fine_width, self.coarse_width, self.words, self.chunk_rows)


def power_of_two(least: int) -> int:
    return 1 << (least - 1).bit_length()


def reference_digest(case: Case) -> tuple[int, ...]:
    """The definition, with every row of the Hadamard matrix written out: bit parity of (row & column)."""
    rows = power_of_two(case.chunk_rows)
    columns = power_of_two(max(len(case.mean), 256 // rows))
    whitened = [
        [round(min(max((row[c % len(row)] - m) * s, -2048.0), 2048.0) * 2**20) for c in range(columns)
         for m, s in [(case.mean[c % len(row)], case.scale[c % len(row)])]]
        for row in (case.chunk[r % len(case.chunk)] for r in range(rows))
    ]  # fmt: skip
    digest_words = []
    for word in range(case.words):
        sign_words = random_words(case.key, 3 * word, rows * columns // 32).tolist()
        signed = [
            [
                -x if sign_words[(r * columns + c) // 32] >> ((r * columns + c) % 32) & 1 else x
                for c, x in enumerate(row)
            ]
            for r, row in enumerate(whitened)
        ]
        fine_start, fine_step, coarse_start, coarse_step = random_words(case.key, 3 * word + 1, 4).tolist()
        dithers = random_words(case.key, 3 * word + 2, 2 * 256).tolist()
        value = 0
        for i in range(256):
            if i < 192:
                frequency, terms = (fine_start + i // rows * (fine_step | 1)) % columns, signed[i % rows]
            else:
                frequency = (coarse_start + i * (coarse_step | 1)) % (rows * columns)
                terms = [x for row in signed for x in row]
            width = case.fine_width if i < 192 else case.coarse_width
            projected = sum(-x if (frequency & place).bit_count() % 2 else x for place, x in enumerate(terms))
            dither = (dithers[2 * i] + 2**32 * dithers[2 * i + 1]) % (2 * width)
            value |= (projected + dither) // width % 2 << i
        digest_words.append(value)
    return tuple(digest_words)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: str(vector["name"]))
def test_digest__published_vectors__same_words_as_file_and_reference(vector: dict[str, Any]) -> None:
    case = Case(
        **{
            **{name: vector[name] for name in vector if name not in {"name", "digest"}},
            "key": bytes.fromhex(vector["key"]),
        }
    )
    ours = digest(np.array(case.chunk, dtype=np.float32), case.key, case.profile)
    assert [f"{word:064x}" for word in ours] == vector["digest"]
    assert reference_digest(case) == ours


@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_digest__any_chunk__equals_reference(data: st.DataObject) -> None:
    chunk_rows, columns = data.draw(st.integers(1, 6)), data.draw(st.integers(1, 40))
    chunk = normal_chunk(data.draw(st.integers(0, 2**32 - 1)), data.draw(st.integers(1, chunk_rows)), columns)
    fine_width, coarse_width, words = (data.draw(st.integers(1, largest)) for largest in (2**30, 2**30, 4))
    key = data.draw(st.binary(min_size=32, max_size=32))
    case = Case(
        chunk.tolist(), [0.25] * columns, [1.5] * columns, fine_width, coarse_width, words, chunk_rows, key
    )  # fmt: skip
    assert digest(chunk, key, case.profile) == reference_digest(case)


def gaussian_flips(noise: float) -> float:
    """Probability that N(0, noise**2) cells flip a bit: the triangle wave's Fourier series against the normal law."""
    terms = (math.exp(-((k * math.pi * noise) ** 2) / 2) / k**2 for k in range(1, 2000, 2))
    return 0.5 - 4 / math.pi**2 * sum(terms)


@pytest.mark.parametrize("noise", [0.05, 0.125, 0.25, 0.5, 1.0, 4.0])
def test_digest__gaussian_noise__flips_bits_at_the_stated_probability(noise: float) -> None:
    profile = unit_profile(128)
    random = np.random.default_rng(7)
    flips = 0
    for trial in range(60):
        chunk = normal_chunk(trial, 32, 128)
        noisy = chunk + (0.02 * noise * random.standard_normal(chunk.shape)).astype(np.float32)
        key = trial.to_bytes(32, "little")
        flips += hamming(digest(chunk, key, profile), digest(noisy, key, profile))
    bits = 60 * profile.bits
    expected = gaussian_flips(noise)
    # Bits of one chunk are nearly independent; six standard errors, half a percent for what is not.
    assert abs(flips / bits - expected) < 6 * math.sqrt(expected * (1 - expected) / bits) + 0.005


def test_flip_probability__cells__triangle_wave() -> None:
    cells = np.array([0.0, 0.25, -0.25, 1.0, 1.5, 2.0, -3.0, 3.75])
    assert flip_probability(cells) == pytest.approx([0, 0.25, 0.25, 1, 0.5, 0, 1, 0.25])


def test_digest__short_chunk__judged_on_the_scale_of_a_full_one() -> None:
    """One row of noise flips as many bits as 32 rows of the same noise."""
    profile = unit_profile(128)
    random = np.random.default_rng(3)
    rates = []
    for rows in (1, 5, 32):
        flips = 0
        for trial in range(60):
            chunk = normal_chunk(trial, rows, 128)
            noisy = chunk + (0.005 * random.standard_normal(chunk.shape)).astype(np.float32)
            key = trial.to_bytes(32, "little")
            flips += hamming(digest(chunk, key, profile), digest(noisy, key, profile))
        rates.append(flips / (60 * profile.bits))
    assert rates == pytest.approx([gaussian_flips(0.25)] * 3, abs=0.02)


def distances_over_keys(a: NDArray[np.float32], b: NDArray[np.float32], profile: LatticeProfile) -> NDArray[np.int64]:
    keys = [bytes([k]) * 32 for k in range(40)]
    return np.array([hamming(digest(a, key, profile), digest(b, key, profile)) for key in keys])


def test_digest__one_row_as_noisy_as_ten__moves_no_more_than_its_own_fine_bits() -> None:
    """The heavy tail of honest noise; coarse cells as wide as one forged row asks for."""
    profile = replace(unit_profile(128), coarse_width=30 * unit_profile(128).coarse_width)
    chunk = normal_chunk(0, 32, 128)
    noisy = chunk.copy()
    noisy[5] += 0.05 * normal_chunk(1, 1, 128)[0]
    # Two words have twelve fine bits in that row.
    assert distances_over_keys(chunk, noisy, profile).max() <= 12 + 6


def test_digest__one_row_of_thirty_two_forged__half_of_the_coarse_bits_flip() -> None:
    profile = unit_profile(128)
    chunk = normal_chunk(0, 32, 128)
    forged = chunk.copy()
    forged[17] = normal_chunk(1, 1, 128)[0]
    # 128 coarse bits flip evenly: 40 is 4.2 standard deviations below 64.
    assert distances_over_keys(chunk, forged, profile).min() > 40


def test_digest__other_key__unrelated_words() -> None:
    profile = unit_profile(64)
    chunk = normal_chunk(0, 32, 64)
    distances = [
        hamming(digest(chunk, bytes([k]) * 32, profile), digest(chunk, bytes(32), profile)) for k in range(1, 50)
    ]
    assert 0.4 * profile.bits < min(distances)
    assert max(distances) < 0.6 * profile.bits


def test_digest__every_bit__is_even_over_keys() -> None:
    """No bit of an honest digest can be guessed without the chunk."""
    profile = unit_profile(16, words=1)
    chunk = normal_chunk(5, 32, 16)
    ones = np.zeros(256)
    for k in range(1000):
        (word,) = digest(chunk, k.to_bytes(32, "little"), profile)
        ones += [word >> i & 1 for i in range(256)]
    # Standard error 16; the largest of 256 deviations stays below five of them but once in 7000 keys sets.
    assert np.abs(ones - 500).max() < 80


def test_whitening_fit__noisy_column__weighs_less() -> None:
    random = np.random.default_rng(0)
    trace = random.standard_normal((4000, 3)).astype(np.float32)
    other = trace + (random.standard_normal((4000, 3)) * [0.01, 0.01, 0.1]).astype(np.float32)
    whitening = Whitening.fit([trace], [other])
    assert whitening.scale[0] == pytest.approx(10 * whitening.scale[2], rel=0.1)
    assert whitening.mean == pytest.approx([0, 0, 0], abs=0.1)


def test_whitening_fit__no_noise__refused() -> None:
    trace = normal_chunk(0, 10, 3)
    with pytest.raises(ValueError, match="bit for bit"):
        Whitening.fit([trace], [trace])


@pytest.mark.parametrize(
    ("mean", "scale"),
    [([], []), ([0.0], [1.0, 1.0]), ([0.0], [0.0]), ([0.0], [-1.0]), ([math.nan], [1.0]), ([0.0], [math.inf])],
)
def test_whitening__impossible_values__refused(mean: list[float], scale: list[float]) -> None:
    with pytest.raises(ValueError, match="whitening"):
        Whitening(np.array(mean, dtype=np.float32), np.array(scale, dtype=np.float32))


@pytest.mark.parametrize(
    "changes", [(0, 9, 2, 32), (9, 2**56, 2, 32), (9, 9, 0, 32), (9, 9, 5, 32), (9, 9, 2, 0), (9, 9, 2, 2**23)]
)
def test_profile__out_of_bounds__refused(changes: tuple[int, int, int, int]) -> None:
    whitening = Whitening(np.zeros(4, dtype=np.float32), np.ones(4, dtype=np.float32))
    with pytest.raises(ValueError, match=r"digest|width|chunk"):
        LatticeProfile(whitening, *changes)


@pytest.mark.parametrize(
    "chunk",
    [
        np.zeros((0, 4), np.float32),
        np.zeros((3, 4), np.float32),
        np.zeros((2, 5), np.float32),
        np.zeros(4, np.float32),
        np.zeros((2, 4), np.float64),
        np.full((2, 4), np.nan, np.float32),
        np.full((2, 4), np.inf, np.float32),
    ],
)
def test_projections__chunk_that_does_not_fit__refused(chunk: NDArray[np.float32]) -> None:
    profile = unit_profile(4, chunk_rows=2)
    with pytest.raises(ValueError, match="a chunk"):
        projections(chunk, bytes(32), profile)


def test_digest__largest_float32_values__no_overflow() -> None:
    profile = unit_profile(4096, cell=1.0, words=1)
    huge = np.full((32, 4096), np.finfo(np.float32).max, dtype=np.float32)
    # All values are cut alike, so the projections are those of a constant: 2**31 times a sum of 2**17 signs.
    assert np.abs(projections(huge, bytes(32), profile)).max() < 2**48


def test_hamming__digests_of_different_length__refused() -> None:
    with pytest.raises(ValueError, match="cannot be compared"):
        hamming((1,), (1, 2))


def test_hamming__known_words__counted() -> None:
    assert hamming((0b1011, 2**255), (0b0001, 0)) == 3
