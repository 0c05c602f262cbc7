"""Calibrates an encoder: the fingerprint of its rows, and the limits of what is served beside them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from verifier.fingerprint.sampling import MarginLimits
from verifier.models.calibration import CalibrationTerms, LeafSample, conformal_lower, conformal_upper, fit_fingerprint
from verifier.models.encoder import Encoder, encode, label_margins, value_margins
from verifier.models.errors import CalibrationError
from verifier.models.profile import Profile

Rows = NDArray[np.float32]


@dataclass(frozen=True)
class EncoderTrial:
    """The registered model on the sequences of a calibration; a trace has one row, whatever the terms say."""

    model: Encoder
    sequences: Sequence[tuple[int, ...]]
    terms: CalibrationTerms

    def calibrate(self, cheats: Mapping[str, Encoder]) -> Profile:
        """The profile that tells the model from every cheat, by its rows. Raises CalibrationError.

        The report says how often what a cheat serves would be refused even if it committed to the model's own rows.
        """
        terms = replace(self.terms, chunk_rows=1)
        honest, second, third = (self._rows(self.model, shift) for shift in range(3))
        theirs = {name: self._rows(cheat, 0) for name, cheat in cheats.items()}
        fit = fit_fingerprint(
            _samples(honest, second, third),
            {name: _samples(rows, second, third) for name, rows in theirs.items()},
            terms,
        )
        limits = self._limits(honest, second, theirs)
        refused = {
            name: float(np.mean([not limits.consistent(m) for m in self._served_margins(second, rows)]))
            for name, rows in theirs.items()
        }
        return Profile(fit.lattice, fit.bands, limits, replace(fit.report, token_cheats=refused))

    def _rows(self, model: Encoder, shift: int) -> Rows:
        """Rows (sequences, columns): each part of the sequences in another combination of batch size and threads.

        shift: by how many combinations later than another run, so that two runs of a sequence differ in theirs.
        """
        combinations = [(batch, threads) for batch in self.terms.batches for threads in self.terms.threads]
        rows = np.empty((len(self.sequences), model.columns), dtype=np.float32)
        threads_before = torch.get_num_threads()
        try:
            for position in range(len(combinations)):
                batch, threads = combinations[(position + shift) % len(combinations)]
                torch.set_num_threads(threads)
                # Parts in one piece each, so that both halves of a calibration, odd and even, hold every combination.
                first, end = (len(self.sequences) * p // len(combinations) for p in (position, position + 1))
                for start in range(first, end, batch):
                    stop = min(start + batch, end)
                    rows[start:stop] = encode(model, self.sequences[start:stop])
        finally:
            torch.set_num_threads(threads_before)
        return rows

    def _limits(self, honest: Rows, verifiers: Rows, cheats: Mapping[str, Rows]) -> MarginLimits:
        rate = self.terms.false_alarm
        if self.model.labels:
            # A label that is the best by one run is at most this far from the best by the other.
            bound = conformal_upper([2 * float(m.max()) for m in map(value_margins, verifiers, honest)], rate)
            return MarginLimits(mean=bound, peak=bound)
        ours = [value_margins(row, served) for row, served in zip(verifiers, honest, strict=True)]
        theirs = [
            [value_margins(row, served) for row, served in zip(verifiers, rows, strict=True)]
            for rows in cheats.values()
        ]
        return MarginLimits(
            mean=_between(
                [float(m.mean()) for m in ours], [[float(m.mean()) for m in cheat] for cheat in theirs], rate
            ),
            peak=_between([float(m.max()) for m in ours], [[float(m.max()) for m in cheat] for cheat in theirs], rate),
        )

    def _served_margins(self, verifiers: Rows, providers: Rows) -> list[NDArray[np.float64]]:
        if self.model.labels:
            labels = providers[:, -self.model.labels :].argmax(axis=1)
            return [label_margins(self.model, row, int(label)) for row, label in zip(verifiers, labels, strict=True)]
        return [value_margins(row, served) for row, served in zip(verifiers, providers, strict=True)]


def _samples(providers: Rows, verifiers: Rows, others: Rows) -> list[LeafSample]:
    return [
        LeafSample.draw(i, provider[None], (verifier[None], other[None]), 1)
        for i, (provider, verifier, other) in enumerate(zip(providers, verifiers, others, strict=True))
    ]


def _between(honest: Sequence[float], cheats: Sequence[Sequence[float]], rate: float) -> float:
    """Half way from the end of the honest band to the beginning of the closest cheat's."""
    end, start = conformal_upper(honest, rate), min(conformal_lower(values, rate) for values in cheats)
    if start <= end:
        raise CalibrationError(
            f"served values of honest runs differ by up to {end:.3g} and a cheaper model's by {start:.3g} or more: "
            "they overlap; register a numeric class with less noise"
        )
    return (end + start) / 2
