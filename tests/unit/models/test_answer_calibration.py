"""Calibration of models that answer by a row, where the fingerprint can tell a cheat and served values cannot."""

import pytest
import torch

from verifier.models.answer_calibration import AnswerTrial
from verifier.models.calibration import CalibrationTerms
from verifier.models.encoder import encode
from verifier.models.errors import CalibrationError

SEQUENCES = [(index, 1, 2) for index in range(80)]
TERMS = CalibrationTerms(false_alarm=0.05, words=2, batches=(1, 8), threads=(1,))
QUIET = 1e-4


class MadeUpEncoder:
    """Rows drawn by the sequence, with noise by the size of the batch: 1e-4, but `loud` in the first column."""

    vocabulary, context, columns, labels = 100, 3, 32, 0

    def __init__(self, loud: float, shift: float = 0.0) -> None:
        self.loud = loud
        self.shift = shift

    def rows(self, tokens: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        scale = torch.full((self.columns,), QUIET)
        scale[0] = self.loud
        return torch.stack(
            [self.drawn(int(first)) + scale * self.drawn(1_000 * len(tokens) + int(first)) for first in tokens[:, 0]]
        ) + torch.linspace(0, self.shift, self.columns)

    def drawn(self, seed: int) -> torch.Tensor:
        return torch.randn(self.columns, generator=torch.Generator().manual_seed(seed))


def trial(model: MadeUpEncoder) -> AnswerTrial[MadeUpEncoder, tuple[int, ...]]:
    return AnswerTrial(model, encode, choice=False, requests=SEQUENCES, terms=TERMS)


def test_calibrate__cheat_far_beyond_the_noise__limits_between_the_bands() -> None:
    cheats = {"shifted": MadeUpEncoder(QUIET, shift=0.1)}
    profile = trial(MadeUpEncoder(QUIET)).calibrate(cheats)
    assert profile.report.token_cheats == {"shifted": 1.0}
    assert profile.lattice.chunk_rows == 1
    # Honest values differ by some 1e-4 and end within 1e-3; the cheat's by 0.05 on average and 0.1 at most.
    assert 0.02 < profile.margins.mean < 0.03
    assert 0.045 < profile.margins.peak < 0.055


def test_calibrate__noise_of_one_column_hides_the_cheat_from_the_served_values__refused() -> None:
    """The digest whitens the loud column away, so that it alone would still tell the two apart."""
    cheats = {"shifted": MadeUpEncoder(1.0, shift=0.01)}
    with pytest.raises(CalibrationError, match="no limit lies safely between"):
        trial(MadeUpEncoder(1.0)).calibrate(cheats)


def test_calibrate__one_cheat_within_the_noise_of_served_values__limits_tell_the_other() -> None:
    cheats = {"shifted": MadeUpEncoder(1.0, shift=0.01), "far": MadeUpEncoder(1.0, shift=100.0)}
    profile = trial(MadeUpEncoder(1.0)).calibrate(cheats)
    assert profile.report.token_cheats == {"shifted": 0.0, "far": 1.0}
    assert all(seen.share_above(profile.bands.hard) == 1 for seen in profile.report.cheats.values())
