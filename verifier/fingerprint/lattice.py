"""The dithered-lattice digest: a locality-sensitive hash whose resolution is tuned to the honest noise of a model.

For a whitened chunk v of a trace, bit i of the digest is

    b_i = floor((R v)_i / w + d_i) mod 2,

with R a structured projection and d_i a dither, both drawn from a key that exists only after the trace was committed.
A difference x between two traces' projections flips the bit with probability `flip_probability(x / w)`: about x/w when
that is small, one half on average when it is large (Datar et al., *Locality-sensitive hashing scheme based on p-stable
distributions*, 2004, taken modulo two).

A word looks at the chunk on two scales. Honest noise is heavy-tailed: now and then one row is ten times as noisy as its
neighbours. Its 192 *fine* bits therefore look at one row each, at the scale of honest noise, so that a row can spoil
its own bits only; they tell a model that is slightly off everywhere. Its 64 *coarse* bits look at all rows at once, on
a scale that honest noise hardly moves; they tell a chunk in which even one row was not computed at all. R is the
Walsh-Hadamard transform after random signs: fine bits read it when the rows have been transformed, coarse bits when the
transform has gone on across them.

All arithmetic after whitening is on 64-bit integers, so that the digest is a function of the trace's bytes: two
verifiers that open the same committed chunk get the same words, bit for bit, on any machine.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numba
import numpy as np
from numpy.typing import NDArray

from verifier.fingerprint.philox import key_words, philox_block

WORD_BITS = 256
FINE_BITS = 192
MAXIMUM_WORDS = 4
# Whitened values are integers in units of 2**-20 and are cut at 2**11 standard deviations: with at most 2**24 values a
# chunk, no sum in the transform reaches 2**56.
FRACTION_BITS = 20
MAXIMUM_CHUNK_VALUES = 2**24
_ONE = float(2**FRACTION_BITS)
_LIMIT = float(2**11)


@dataclass(frozen=True)
class Whitening:
    """Mean and scale by column of a trace, each float32 of shape (columns,): v = (x - mean) * scale."""

    mean: NDArray[np.float32]
    scale: NDArray[np.float32]

    def __post_init__(self) -> None:
        if self.mean.shape != self.scale.shape or self.mean.ndim != 1 or not self.mean.size:
            raise ValueError("a whitening needs one mean and one scale for each column of the trace")
        if not (np.isfinite(self.mean).all() and np.isfinite(self.scale).all() and (self.scale > 0).all()):
            raise ValueError("a whitening's means must be finite and its scales finite and positive")

    @property
    def columns(self) -> int:
        return int(self.mean.size)

    @cached_property
    def stacked(self) -> NDArray[np.float64]:
        """Means and scales, float64 of shape (2, columns)."""
        return np.stack([self.mean, self.scale]).astype(np.float64)

    @staticmethod
    def fit(traces: Sequence[NDArray[np.float32]], others: Sequence[NDArray[np.float32]]) -> "Whitening":
        """Whitens the noise between honest runs: `traces` and `others` are (rows, columns), two runs of the same work.

        The scale of a column is the inverse of its root mean square difference, so that columns that are noisy among
        honest runs cannot drown the others; a common factor brings the median column to unit deviation. Columns without
        noise are treated like the quietest column that has some. Raises ValueError when no column has noise.
        """
        rows = np.concatenate(traces).astype(np.float64)
        differences = rows - np.concatenate(others)
        noise = np.sqrt(np.mean(differences**2, axis=0))
        if not noise.any():
            raise ValueError("honest runs agree bit for bit: there is no noise to whiten")
        noise = np.maximum(noise, noise[noise > 0].min())
        unit = float(np.median(noise)) / max(float(np.median(rows.std(axis=0))), float(np.finfo(np.float32).tiny))
        return Whitening(rows.mean(axis=0).astype(np.float32), (unit / noise).astype(np.float32))


@dataclass(frozen=True)
class LatticeProfile:
    """How the chunks of one model's traces are turned into digests.

    fine_width, coarse_width: the lattice's cells w for the two kinds of bits, in units of 2**-20 of a projected value.
    words: 256-bit words in a digest, 1 to 4.
    chunk_rows: rows of the trace in a chunk.
    """

    whitening: Whitening
    fine_width: int
    coarse_width: int
    words: int
    chunk_rows: int

    def __post_init__(self) -> None:
        if not 1 <= self.words <= MAXIMUM_WORDS:
            raise ValueError(f"a digest has 1 to {MAXIMUM_WORDS} words, not {self.words}")
        if not (1 <= self.fine_width < 2**56 and 1 <= self.coarse_width < 2**56):
            raise ValueError("the lattice's widths must be positive integers below 2**56")
        if self.chunk_rows < 1 or self.chunk_rows * self.whitening.columns > MAXIMUM_CHUNK_VALUES:
            raise ValueError(f"a chunk holds 1 to {MAXIMUM_CHUNK_VALUES} values")

    @property
    def bits(self) -> int:
        return self.words * WORD_BITS

    @cached_property
    def transform_shape(self) -> tuple[int, int]:
        """Rows and columns of the transform: powers of two that hold a full chunk, together at least 256."""
        rows = 1 << (self.chunk_rows - 1).bit_length()
        return rows, 1 << (max(self.whitening.columns, WORD_BITS // rows) - 1).bit_length()


def digest(chunk: NDArray[np.float32], key: bytes, profile: LatticeProfile) -> tuple[int, ...]:
    """The `profile.words` words of a chunk's digest; bit i of a word is `word >> i & 1`, the first 192 are fine.

    chunk: float32 of shape (rows, columns) with 1 <= rows <= profile.chunk_rows. Rows and columns are repeated until
    they fill the transform, so that short chunks are judged on the same scale as full ones.
    Raises ValueError for another shape or for values that are not finite.
    """
    words = key_words(key)
    packed = _digest(_projected(chunk, words, profile), profile.fine_width, profile.coarse_width, words)
    return tuple(int.from_bytes(row.tobytes(), "little") for row in packed.astype("<u8"))


def projections(chunk: NDArray[np.float32], key: bytes, profile: LatticeProfile) -> NDArray[np.int64]:
    """The numbers (R v)_i behind a digest, int64 of shape (words, 256): what a calibration measures noise with."""
    return _projected(chunk, key_words(key), profile)


def _projected(chunk: NDArray[np.float32], key: NDArray[np.uint64], profile: LatticeProfile) -> NDArray[np.int64]:
    columns = profile.whitening.columns
    if chunk.dtype != np.float32 or chunk.ndim != 2 or chunk.shape[1] != columns:
        raise ValueError(f"a chunk of this profile is float32 of shape (rows, {columns})")
    if not 1 <= chunk.shape[0] <= profile.chunk_rows:
        raise ValueError(f"a chunk of this profile has 1 to {profile.chunk_rows} rows, not {chunk.shape[0]}")
    whitened = np.empty(profile.transform_shape, dtype=np.int64)
    if not _whiten(np.ascontiguousarray(chunk), profile.whitening.stacked, whitened):
        raise ValueError("a chunk may hold finite numbers only")
    return np.asarray(_project(whitened, profile.words, key), dtype=np.int64)


def hamming(a: Sequence[int], b: Sequence[int]) -> int:
    """Bits in which two digests of equal length differ. Raises ValueError when their lengths differ."""
    if len(a) != len(b):
        raise ValueError(f"digests of {len(a)} and {len(b)} words cannot be compared")
    return sum((x ^ y).bit_count() for x, y in zip(a, b, strict=True))


def flip_probability(cells: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probability, over the dither, that a bit differs when the projections differ by `cells` cells of the lattice.

    It is the distance of `cells` from the nearest even number: a triangle wave.
    """
    return np.abs(cells - 2 * np.round(cells / 2))


@numba.njit(cache=True)
def _whiten(chunk: NDArray[np.float32], whitening: NDArray[np.float64], whitened: NDArray[np.int64]) -> bool:
    """Fills `whitened`; whether all values are finite, without which it means nothing."""
    rows, columns = chunk.shape
    finite = True
    for r in range(rows):
        for c in range(columns):
            value = (np.float64(chunk[r, c]) - whitening[0, c]) * whitening[1, c]
            finite &= abs(value) < np.inf
            whitened[r, c] = np.int64(np.rint(min(max(value, -_LIMIT), _LIMIT) * _ONE))
        for c in range(columns, whitened.shape[1]):
            whitened[r, c] = whitened[r, c - columns]
    for r in range(rows, whitened.shape[0]):
        for c in range(whitened.shape[1]):
            whitened[r, c] = whitened[r - rows, c]
    return finite


@numba.njit(cache=True)
def _project(whitened: NDArray[np.int64], words: int, key: NDArray[np.uint64]) -> NDArray[np.int64]:
    rows, columns = whitened.shape
    flat = whitened.reshape(-1)
    signed = np.empty(flat.size, dtype=np.int64)
    projected = np.empty((words, WORD_BITS), dtype=np.int64)
    for word in range(words):
        for block in range(flat.size // 128):
            quartet = philox_block(block, 3 * word, key)
            for part in range(4):
                bits = quartet[part]
                for i in range(32):
                    n = 128 * block + 32 * part + i
                    # 0 keeps the value, 1 negates it.
                    flip = -np.int64((bits >> np.uint64(i)) & np.uint64(1))
                    signed[n] = (flat[n] ^ flip) - flip
        a, b, c, d = philox_block(0, 3 * word + 1, key)
        # An odd step modulo a power of two visits distinct places.
        fine_start, fine_step, coarse_start, coarse_step = np.int64(a), np.int64(b) | 1, np.int64(c), np.int64(d) | 1
        _walsh_hadamard(signed, 1, columns)
        for i in range(FINE_BITS):
            column = (fine_start + i // rows * fine_step) & (columns - 1)
            projected[word, i] = signed[i % rows * columns + column]
        _walsh_hadamard(signed, columns, flat.size)
        for i in range(FINE_BITS, WORD_BITS):
            projected[word, i] = signed[(coarse_start + i * coarse_step) & (flat.size - 1)]
    return projected


@numba.njit(cache=True)
def _digest(
    projected: NDArray[np.int64], fine_width: int, coarse_width: int, key: NDArray[np.uint64]
) -> NDArray[np.uint64]:
    words = projected.shape[0]
    packed = np.zeros((words, WORD_BITS // 64), dtype=np.uint64)
    for word in range(words):
        for pair in range(WORD_BITS // 2):
            a, b, c, d = philox_block(pair, 3 * word + 2, key)
            for i, low, high in ((2 * pair, a, b), (2 * pair + 1, c, d)):
                width = fine_width if i < FINE_BITS else coarse_width
                dither = np.int64(((high << np.uint64(32)) | low) % np.uint64(2 * width))
                bit = ((projected[word, i] + dither) // width) & 1
                packed[word, i // 64] |= np.uint64(bit) << np.uint64(i % 64)
    return packed


@numba.njit(cache=True)
def _walsh_hadamard(values: NDArray[np.int64], first: int, last: int) -> None:
    """In place, in Sylvester's order, without a factor: the butterflies of spans first, 2 first, ... below last.

    Two spans at a time, which halves the passes over memory.
    """
    half = first
    while 2 * half < last:
        for start in range(0, values.size, 4 * half):
            for i in range(start, start + half):
                a, b, c, d = values[i], values[i + half], values[i + 2 * half], values[i + 3 * half]
                values[i] = a + b + c + d
                values[i + half] = a - b + c - d
                values[i + 2 * half] = a + b - c - d
                values[i + 3 * half] = a - b - c + d
        half *= 4
    if half < last:
        for start in range(0, values.size, 2 * half):
            for i in range(start, start + half):
                a, b = values[i], values[i + half]
                values[i] = a + b
                values[i + half] = a - b
