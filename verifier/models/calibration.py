"""Fits the thresholds of a model's profile to honest runs, by split conformal prediction; none is set by hand.

Half of the leaves chooses the whitening and the lattice's width, the other half the thresholds. For a stated false
alarm rate a, the honest band ends at the ceil((n + 1)(1 - a))-th smallest of n held-out distances: a further honest
leaf lies above it with probability at most a (Vovk, Gammerman, Shafer, *Algorithmic Learning in a Random World*). The
closest cheat's band begins at the mirror image. The gap between the two is shared out: a quarter to `soft`, below
which work is paid, and half to `hard`, above which it is slashed. Where there is no gap, there is no profile.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from eth_utils.crypto import keccak
from numpy.typing import NDArray

from verifier.fingerprint.challenge import drawn_chunk, leaf_key
from verifier.fingerprint.consensus import Bands
from verifier.fingerprint.lattice import (
    FINE_BITS,
    LatticeProfile,
    Whitening,
    digest,
    flip_probability,
    hamming,
    projections,
)
from verifier.fingerprint.trace import TraceShape
from verifier.models.errors import CalibrationError
from verifier.models.profile import CalibrationReport, Histogram

Matrix = NDArray[np.float32]


@dataclass(frozen=True)
class CalibrationTerms:
    """What a calibration is asked for.

    false_alarm: share of honest leaves that may fall outside the honest band; needs 2/false_alarm runs or more.
    words: 256-bit words in a leaf's digest. chunk_rows: rows of the trace in a chunk.
    batches, threads: batch sizes and numbers of threads whose combinations are the honest matrix.
    """

    false_alarm: float
    words: int
    chunk_rows: int = 32
    batches: tuple[int, ...] = (1, 8, 32)
    threads: tuple[int, ...] = (1, 2)


@dataclass(frozen=True)
class LeafSample:
    """The drawn chunk of one leaf, as its provider and two verifiers see it: float32 (rows, columns) each."""

    key: bytes
    provider: Matrix
    verifier: Matrix
    second_verifier: Matrix

    @staticmethod
    def draw(index: int, provider: Matrix, verifiers: tuple[Matrix, Matrix], chunk_rows: int) -> "LeafSample":
        """Draws the chunk of leaf `index` of a calibration from whole traces (rows, columns)."""
        key = leaf_key(keccak(b"merit.calibration/1"), index)
        rows, columns = verifiers[0].shape
        shape = TraceShape(rows, columns, chunk_rows)
        span = shape.span(drawn_chunk(key, shape.chunks))
        chunk = slice(span.start, span.stop)
        return LeafSample(key, provider[chunk], verifiers[0][chunk], verifiers[1][chunk])


@dataclass(frozen=True)
class FingerprintFit:
    """What the samples of honest runs and cheats give: the digest, its bands, and the report on them."""

    lattice: LatticeProfile
    bands: Bands
    report: CalibrationReport


def fit_fingerprint(
    honest: Sequence[LeafSample], cheats: Mapping[str, Sequence[LeafSample]], terms: CalibrationTerms
) -> FingerprintFit:
    """The digest that tells the honest runs from every cheat.

    Even samples choose the lattice and odd ones the bands. Raises CalibrationError when there are too few for the
    stated rate, when honest runs agree bit for bit, or when the bands overlap.
    """
    if not cheats:
        raise CalibrationError("a calibration needs at least one cheaper model to tell from the registered one")
    needed = 2 * math.ceil(1 / terms.false_alarm)
    fewest = min(len(honest), *map(len, cheats.values()))
    if fewest < needed:
        raise CalibrationError(
            f"a false alarm rate of {terms.false_alarm} needs at least {needed} runs of each model, not {fewest}; "
            "give more requests or allow a higher rate"
        )
    fitted, held_out = honest[0::2], honest[1::2]
    lattice = _fitted_lattice(fitted, {name: samples[0::2] for name, samples in cheats.items()}, terms)
    honest_distances = _distances(held_out, lattice)
    verifier_distances = [
        hamming(digest(x.verifier, x.key, lattice), digest(x.second_verifier, x.key, lattice)) for x in held_out
    ]
    cheat_distances = {name: _distances(samples[1::2], lattice) for name, samples in cheats.items()}
    report = CalibrationReport(
        false_alarm=terms.false_alarm,
        honest=_histogram(honest_distances, lattice),
        verifiers=_histogram(verifier_distances, lattice),
        cheats={name: _histogram(distances, lattice) for name, distances in cheat_distances.items()},
        token_cheats={},
    )
    bands = _bands(honest_distances, verifier_distances, cheat_distances, terms.false_alarm)
    return FingerprintFit(lattice, bands, report)


def conformal_upper(values: Sequence[float], rate: float) -> float:
    """The value that a further exchangeable one exceeds with probability at most `rate`.

    Raises CalibrationError when there are fewer than 1/rate - 1 values, for which no finite bound exists.
    """
    rank = math.ceil((len(values) + 1) * (1 - rate))
    if rank > len(values):
        raise CalibrationError(f"{len(values)} honest runs cannot support a false alarm rate of {rate}; give more runs")
    return sorted(values)[rank - 1]


def conformal_lower(values: Sequence[float], rate: float) -> float:
    """The value that a further exchangeable one falls short of with probability at most `rate`."""
    return -conformal_upper([-value for value in values], rate)


def clear_gap(honest: Sequence[float], cheats: Sequence[Sequence[float]], rate: float) -> tuple[float, float]:
    """The end of the honest band, and the beginning of the closest cheat's that lies well beyond it.

    A gap that is narrower than the honest band would have no room for the tail of honest noise. What a cheat comes
    nearer with cannot be told by these values. Raises CalibrationError when that goes for all.
    """
    end = conformal_upper(honest, rate)
    starts = [conformal_lower(values, rate) for values in cheats]
    beyond = [start for start in starts if start > 2 * end]
    if not beyond:
        raise CalibrationError(
            f"honest runs differ by up to {end:.3g} and cheaper models by {max(starts):.3g} or more, so that no limit "
            "lies safely between them; register a numeric class with less noise"
        )
    return end, min(beyond)


def _fitted_lattice(
    honest: Sequence[LeafSample], cheats: Mapping[str, Sequence[LeafSample]], terms: CalibrationTerms
) -> LatticeProfile:
    """Fine cells that part honest leaves from the closest cheat, and coarse ones that part them from one forged row."""
    if all(np.array_equal(leaf.provider, leaf.verifier) for leaf in honest):
        raise CalibrationError(
            "honest runs agree bit for bit, so that no width can be fitted to their noise; "
            "widen the honest matrix (batches, threads) or register another numeric class"
        )
    whitening = Whitening.fit([leaf.verifier for leaf in honest], [leaf.provider for leaf in honest])
    ruler = LatticeProfile(whitening, 1, 1, terms.words, terms.chunk_rows)
    forged = [_with_forged_row(leaf, other) for leaf, other in zip(honest, [*honest[1:], honest[0]], strict=True)]
    ours = np.stack([_projected_noise(leaf, ruler) for leaf in honest])
    theirs = np.stack([_projected_noise(leaf, ruler) for leaves in cheats.values() for leaf in leaves])
    rows_apart = np.stack([_projected_noise(leaf, ruler) for leaf in forged])
    return LatticeProfile(
        whitening,
        _separating_width(ours[..., :FINE_BITS], theirs[..., :FINE_BITS]),
        _separating_width(ours[..., FINE_BITS:], rows_apart[..., FINE_BITS:]),
        terms.words,
        terms.chunk_rows,
    )


def _with_forged_row(leaf: LeafSample, other: LeafSample) -> LeafSample:
    """The leaf of a provider that put another leaf's row in the place of its first."""
    provider = leaf.provider.copy()
    provider[0] = other.provider[-1]
    return replace(leaf, provider=provider)


def _projected_noise(leaf: LeafSample, ruler: LatticeProfile) -> NDArray[np.float64]:
    """How far provider and verifier are apart along each projection, float64 of shape (words, 256)."""
    difference = projections(leaf.provider, leaf.key, ruler) - projections(leaf.verifier, leaf.key, ruler)
    return np.abs(difference.astype(np.float64))


def _separating_width(honest: NDArray[np.float64], cheats: NDArray[np.float64]) -> int:
    """The width at which the noisiest honest leaf and the closest cheat's leaf are most deviations of a digest apart.

    honest, cheats: differences along projections, of shape (leaves, words, bits).
    """

    def separation(width: int) -> float:
        p = float(flip_probability(honest / width).mean(axis=(1, 2)).max())
        q = float(flip_probability(cheats / width).mean(axis=(1, 2)).min())
        return (q - p) / (math.sqrt(p * (1 - p)) + math.sqrt(q * (1 - q)) + 1e-9)

    typical = float(np.sqrt(np.mean(honest**2)))
    return max((max(1, round(typical * 2 ** (step / 12))) for step in range(145)), key=separation)


def _distances(leaves: Sequence[LeafSample], lattice: LatticeProfile) -> list[int]:
    return [hamming(digest(x.provider, x.key, lattice), digest(x.verifier, x.key, lattice)) for x in leaves]


def _bands(
    honest: Sequence[int], verifiers: Sequence[int], cheats: Mapping[str, Sequence[int]], false_alarm: float
) -> Bands:
    honest_end = int(conformal_upper(honest, false_alarm))
    starts = {name: int(conformal_lower(distances, false_alarm)) for name, distances in cheats.items()}
    closest = min(starts, key=lambda name: starts[name])
    gap = starts[closest] - honest_end
    # Four bits are the least that can be split into quarters.
    if gap < 4:
        raise CalibrationError(
            f"the band of honest runs ends at {honest_end} bits and that of '{closest}' begins at {starts[closest]}: "
            "they overlap; use more words, or register a numeric class with less noise"
        )
    verifiers_end = int(conformal_upper(verifiers, false_alarm))
    return Bands(
        tau=verifiers_end + (starts[closest] - verifiers_end) // 4,
        soft=honest_end + gap // 4,
        hard=honest_end + gap // 2,
    )


def _histogram(distances: Sequence[int], lattice: LatticeProfile) -> Histogram:
    return Histogram(tuple(map(int, np.bincount(distances, minlength=lattice.bits + 1))))
