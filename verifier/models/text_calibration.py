"""Calibrates a causal language model: the fingerprint from decodes and prefills, the margin limits from tokens."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from verifier.fingerprint.consensus import Bands
from verifier.fingerprint.sampling import MarginLimits, SamplingRule
from verifier.fingerprint.toploc import TOP, largest_difference, proofs_of
from verifier.fingerprint.trace import Trace
from verifier.models.calibration import (
    CalibrationTerms,
    LeafSample,
    Matrix,
    clear_gap,
    conformal_upper,
    fit_fingerprint,
)
from verifier.models.causal import CausalModel
from verifier.models.generation import TextRequest, generate, replay
from verifier.models.profile import Profile, ToplocLimits


@dataclass(frozen=True)
class _TextLeaf:
    """One output: its drawn chunk, the margins of its tokens, and bounds on what noise alone can make of them.

    margin_bounds: by token, twice the largest difference between the logits of provider and verifier: a token that is
    the best by one is at most this far from the best by the other. toploc: difference of the worst of its proofs.
    """

    sample: LeafSample
    toploc: float
    margins: NDArray[np.float64]
    margin_bounds: NDArray[np.float64]


@dataclass(frozen=True)
class TextTrial:
    """The registered model on the requests of a calibration. toploc: for contributors who commit to TOPLOC proofs."""

    model: CausalModel
    rule: SamplingRule
    end_token: int
    requests: Sequence[TextRequest]
    terms: CalibrationTerms
    toploc: bool = False

    def calibrate(
        self, fingerprint_cheats: Mapping[str, CausalModel], token_cheats: Mapping[str, CausalModel]
    ) -> Profile:
        """The profile that tells the model from every cheat.

        fingerprint_cheats: models whose traces must fall beyond the honest band (an int8 copy, a smaller model, ...).
        token_cheats: models whose tokens should be refused even where the registered model recomputes the trace; the
        report says how often they are. One that is also a fingerprint cheat of the same name is run once.
        Raises CalibrationError as `fit_fingerprint` does.
        """
        honest = self._leaves(self.model)
        cheats = {name: self._leaves(cheat) for name, cheat in fingerprint_cheats.items()}
        tokens = {name: cheats.get(name) or self._leaves(cheat) for name, cheat in token_cheats.items()}
        fit = fit_fingerprint(
            [leaf.sample for leaf in honest],
            {name: [leaf.sample for leaf in leaves] for name, leaves in cheats.items()},
            self.terms,
        )
        limits = _margin_limits(honest, self.terms.false_alarm)
        refused = {
            name: sum(not limits.consistent(leaf.margins) for leaf in leaves) / len(leaves)
            for name, leaves in tokens.items()
        }
        profile = Profile(fit.lattice, fit.bands, limits, replace(fit.report, token_cheats=refused))
        return self._with_toploc(profile, honest, cheats) if self.toploc else profile

    def _with_toploc(
        self, profile: Profile, honest: Sequence[_TextLeaf], cheats: Mapping[str, Sequence[_TextLeaf]]
    ) -> Profile:
        """Limits for the differences of proofs; the court is left nothing to compare. Raises CalibrationError."""
        theirs = {name: [leaf.toploc for leaf in leaves] for name, leaves in cheats.items()}
        rate = self.terms.false_alarm
        end, start = clear_gap([leaf.toploc for leaf in honest], list(theirs.values()), rate)
        hard = end + (start - end) / 2
        detected = {name: sum(d > hard for d in apart) / len(apart) for name, apart in theirs.items()}
        limits = ToplocLimits(TOP, end + (start - end) / 4, hard, detected)
        bits = profile.lattice.bits
        return replace(profile, toploc=limits, bands=Bands(profile.bands.tau, soft=bits - 2, hard=bits - 1))

    def _leaves(self, provider: CausalModel) -> list[_TextLeaf]:
        """Runs the matrix: each slice of the requests in another combination of batch size and number of threads.

        A cheat is run in the largest batch only: its distance is what matters, not how it varies.
        """
        batches = self.terms.batches if provider is self.model else (max(self.terms.batches),)
        combinations = [(batch, threads) for batch in batches for threads in self.terms.threads]
        threads_before = torch.get_num_threads()
        leaves: list[_TextLeaf] = []
        try:
            for position, (batch, threads) in enumerate(combinations):
                other_batch, other_threads = combinations[(position + 1) % len(combinations)]
                part = [self.requests[i] for i in range(position, len(self.requests), len(combinations))]
                groups = _groups(part, batch)
                part = [request for group in groups for request in group]
                torch.set_num_threads(threads)
                generations = [run for group in groups for run in generate(provider, self.rule, self.end_token, group)]
                outputs = [generation.tokens for generation in generations]
                first = self._replayed(part, outputs, batch)
                torch.set_num_threads(other_threads)
                second = self._replayed(part, outputs, other_batch)
                for generation, (rows, margins), (other_rows, _) in zip(generations, first, second, strict=True):
                    bounds = _margin_bounds(self.model, generation.hidden, rows)
                    verifiers = (rows, other_rows)
                    sample = LeafSample.draw(len(leaves), generation.hidden, verifiers, self.terms.chunk_rows)
                    leaves.append(_TextLeaf(sample, self._difference(generation.hidden, rows), margins, bounds))
        finally:
            torch.set_num_threads(threads_before)
        return leaves

    def _difference(self, provider: Matrix, verifier: Matrix) -> float:
        if not self.toploc:
            return 0.0
        ours, theirs = (Trace(rows, self.terms.chunk_rows) for rows in (provider, verifier))
        return largest_difference(proofs_of(ours, TOP), theirs)

    def _replayed(
        self, requests: Sequence[TextRequest], outputs: Sequence[tuple[int, ...]], batch: int
    ) -> list[tuple[Matrix, NDArray[np.float64]]]:
        return [
            result
            for i in range(0, len(requests), batch)
            for result in replay(self.model, self.rule, requests[i : i + batch], outputs[i : i + batch])
        ]


def _groups(requests: Sequence[TextRequest], batch: int) -> list[list[TextRequest]]:
    """Batches of requests with prompts of one length each."""
    by_length: dict[int, list[TextRequest]] = {}
    for request in requests:
        by_length.setdefault(len(request.prompt), []).append(request)
    return [same[i : i + batch] for same in by_length.values() for i in range(0, len(same), batch)]


@torch.inference_mode()
def _margin_bounds(model: CausalModel, provider: Matrix, verifier: Matrix) -> NDArray[np.float64]:
    ours, theirs = model.logits(torch.from_numpy(np.stack([provider, verifier])).to(model.device))
    return 2 * np.asarray((ours - theirs).abs().amax(dim=-1).double().cpu().numpy())


def _margin_limits(honest: Sequence[_TextLeaf], false_alarm: float) -> MarginLimits:
    """The most that numerical noise can make of an output's margins, at the stated rate."""
    return MarginLimits(
        mean=conformal_upper([float(leaf.margin_bounds.mean()) for leaf in honest], false_alarm),
        peak=conformal_upper([float(leaf.margin_bounds.max()) for leaf in honest], false_alarm),
    )
