"""Calibrates models that answer by one row: the fingerprint of rows, and the limits of what is served beside them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from verifier.fingerprint.sampling import MarginLimits
from verifier.models.answers import Answers, Rows, choice_margins, value_margins
from verifier.models.calibration import CalibrationTerms, LeafSample, clear_gap, conformal_upper, fit_fingerprint
from verifier.models.profile import Profile

Model = TypeVar("Model")
Request = TypeVar("Request")


@dataclass(frozen=True)
class AnswerTrial(Generic[Model, Request]):
    """The registered model on the requests of a calibration; a trace has one row, whatever the terms say.

    answer: how a model answers a batch of requests.
    choice: whether the place of the largest value is served instead of the values.
    """

    model: Model
    answer: Callable[[Model, Sequence[Request]], Answers]
    choice: bool
    requests: Sequence[Request]
    terms: CalibrationTerms

    def calibrate(self, cheats: Mapping[str, Model]) -> Profile:
        """The profile that tells the model from every cheat, by its rows. Raises CalibrationError.

        The report says how often what a cheat serves would be refused even if it committed to the model's own rows.
        """
        terms = replace(self.terms, chunk_rows=1)
        honest, second, third = (self._answers(self.model, shift) for shift in range(3))
        theirs = {name: self._answers(cheat, 0) for name, cheat in cheats.items()}
        fit = fit_fingerprint(
            _samples(honest.traced, second.traced, third.traced),
            {name: _samples(answers.traced, second.traced, third.traced) for name, answers in theirs.items()},
            terms,
        )
        limits = self._limits(second.served, honest.served, [answers.served for answers in theirs.values()])
        refused = {
            name: float(np.mean([not limits.consistent(m) for m in self._margins(second.served, answers.served)]))
            for name, answers in theirs.items()
        }
        return Profile(fit.lattice, fit.bands, limits, replace(fit.report, token_cheats=refused))

    def _answers(self, model: Model, shift: int) -> Answers:
        """Of all requests: each part of them in another combination of batch size and threads.

        shift: by how many combinations later than another run, so that two runs of a request differ in theirs.
        """
        combinations = [(batch, threads) for batch in self.terms.batches for threads in self.terms.threads]
        parts: list[Answers] = []
        threads_before = torch.get_num_threads()
        try:
            for position in range(len(combinations)):
                batch, threads = combinations[(position + shift) % len(combinations)]
                torch.set_num_threads(threads)
                # Parts in one piece each, so that both halves of a calibration, odd and even, hold every combination.
                first, end = (len(self.requests) * p // len(combinations) for p in (position, position + 1))
                parts += [
                    self.answer(model, self.requests[start : min(start + batch, end)])
                    for start in range(first, end, batch)
                ]
        finally:
            torch.set_num_threads(threads_before)
        return Answers(np.concatenate([p.traced for p in parts]), np.concatenate([p.served for p in parts]))

    def _limits(self, own: Rows, honest: Rows, cheats: Sequence[Rows]) -> MarginLimits:
        rate = self.terms.false_alarm
        if self.choice:
            # A choice that is the best by one run is at most this far from the best by the other.
            bound = conformal_upper([2 * float(m.max()) for m in map(value_margins, own, honest)], rate)
            return MarginLimits(mean=bound, peak=bound)
        ours, *theirs = (self._margins(own, served) for served in (honest, *cheats))
        means, *cheat_means = ([float(m.mean()) for m in margins] for margins in (ours, *theirs))
        peaks, *cheat_peaks = ([float(m.max()) for m in margins] for margins in (ours, *theirs))
        return MarginLimits(mean=_between(means, cheat_means, rate), peak=_between(peaks, cheat_peaks, rate))

    def _margins(self, own: Rows, served: Rows) -> list[NDArray[np.float64]]:
        if self.choice:
            return [choice_margins(a, int(b.argmax())) for a, b in zip(own, served, strict=True)]
        return [value_margins(a, b) for a, b in zip(own, served, strict=True)]


def _samples(providers: Rows, verifiers: Rows, others: Rows) -> list[LeafSample]:
    return [
        LeafSample.draw(i, provider[None], (verifier[None], other[None]), 1)
        for i, (provider, verifier, other) in enumerate(zip(providers, verifiers, others, strict=True))
    ]


def _between(honest: Sequence[float], cheats: Sequence[Sequence[float]], rate: float) -> float:
    """Half way through the gap. Pictures of eight bits by colour that are nearer than it are as good as honest ones."""
    end, start = clear_gap(honest, cheats, rate)
    return (end + start) / 2
