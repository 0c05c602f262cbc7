"""The calibrated profile of a model: how its traces are digested and where honest runs end. Data, never code."""

from dataclasses import dataclass

from verifier.fingerprint.consensus import Bands
from verifier.fingerprint.lattice import LatticeProfile
from verifier.fingerprint.sampling import MarginLimits


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
class Profile:
    """Everything that a verifier of a model needs besides the model."""

    lattice: LatticeProfile
    bands: Bands
    margins: MarginLimits
    report: CalibrationReport
