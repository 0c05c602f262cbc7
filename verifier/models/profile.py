"""The calibrated profile of a model: how its traces are digested and where honest runs end. Data, never code."""

from dataclasses import dataclass

import numpy as np

from verifier.fingerprint.consensus import Bands
from verifier.fingerprint.lattice import LatticeProfile, Whitening
from verifier.fingerprint.sampling import MarginLimits
from verifier.fingerprint.sequential import SequentialTest
from verifier.fingerprint.trace import MAXIMUM_COLUMNS


@dataclass(frozen=True)
class Histogram:
    """Counts of Hamming distances: counts[d] leaves were at distance d."""

    counts: tuple[int, ...]

    @property
    def total(self) -> int:
        return sum(self.counts)

    @property
    def mean(self) -> float:
        return sum(distance * count for distance, count in enumerate(self.counts)) / self.total

    def share_above(self, distance: int) -> float:
        """Share of the leaves further away than `distance`."""
        return sum(self.counts[distance + 1 :]) / self.total


@dataclass(frozen=True)
class CalibrationReport:
    """What a calibration saw, for people who have to trust its thresholds.

    false_alarm: stated rate of honest leaves beyond the end of the honest band, by split conformal prediction.
    honest, verifiers: distances of held-out honest leaves, and between two honest verifiers.
    cheats: distances of each cheat's leaves from what the registered model gives.
    token_cheats: share of each cheat's outputs that the token check refuses.
    """

    false_alarm: float
    honest: Histogram
    verifiers: Histogram
    cheats: dict[str, Histogram]
    token_cheats: dict[str, float]


@dataclass(frozen=True)
class ToplocLimits:
    """For models whose contributors commit to TOPLOC proofs.

    top: values in a proof. soft, hard: of the `difference` of an output's worst proof, 0 to 128: up to `soft` it is
    paid, above `hard` slashed. detected: share of each cheat's outputs above `hard`.
    """

    top: int
    soft: float
    hard: float
    detected: dict[str, float]

    def __post_init__(self) -> None:
        if not (1 <= self.top < MAXIMUM_COLUMNS and 0 <= self.soft < self.hard):
            raise ValueError("TOPLOC needs one value or more in a proof, and 0 <= soft < hard")


@dataclass(frozen=True)
class Profile:
    """Everything that a verifier of a model needs besides the model.

    toploc: where contributors commit to TOPLOC proofs. `bands` then let every disclosed digest pass.
    """

    lattice: LatticeProfile
    bands: Bands
    margins: MarginLimits
    report: CalibrationReport
    toploc: ToplocLimits | None = None

    @property
    def detection(self) -> dict[str, float]:
        """Share of each cheat's leaves that is slashed, by digests or by proofs; the tokens' margins not counted."""
        if self.toploc is not None:
            return self.toploc.detected
        return {name: seen.share_above(self.bands.hard) for name, seen in self.report.cheats.items()}

    def sequential_test(self, cheat: str, false_alarm: float, miss: float) -> SequentialTest:
        """The test, over the distances of many leaves, of honest runs against one of the report's cheats.

        A sly one cheats for a part of each chunk: for a quarter, a half, three quarters or all of it, each as likely.
        """
        report = self.report
        honest, theirs = (np.array(seen.counts, dtype=np.int64) for seen in (report.honest, report.cheats[cheat]))
        shares, distances = np.arange(1, 5)[:, None] / 4, np.arange(theirs.size)
        between = np.rint(report.honest.mean + shares * (distances - report.honest.mean)).astype(np.int64).clip(0)
        parts = np.bincount(between.ravel(), np.tile(theirs, 4), theirs.size).astype(np.int64)
        return SequentialTest.between(honest, parts, false_alarm, miss)

    @property
    def disclosed(self) -> LatticeProfile:
        """How what a contributor has committed to is digested: chunks of its trace, or its proofs, a row each."""
        if self.toploc is None:
            return self.lattice
        columns = 1 + self.toploc.top
        # Coefficients are below 2**16 and stay whole at this scale; nobody compares their digests.
        whitening = Whitening(np.zeros(columns, dtype=np.float32), np.full(columns, 2**-6, dtype=np.float32))
        return LatticeProfile(whitening, 1, 1, self.lattice.words, 1)
