"""Providers that save work, each through the whole audit of a leaf: the check that must see them does."""

import copy
from collections import Counter
from dataclasses import replace

import pytest
import torch

from verifier.fingerprint.challenge import leaf_key
from verifier.fingerprint.consensus import LeafReveal, Outcome, Verdict, batch_outcome, leaf_outcome
from verifier.fingerprint.lattice import hamming
from verifier.fingerprint.sampling import MarginLimits, SamplingRule
from verifier.fingerprint.sequential import Decision
from verifier.fingerprint.trace import Trace
from verifier.models.causal import CausalModel
from verifier.models.cheaper import quantised_copy
from verifier.models.demonstration import DemonstrationModels, sample_requests
from verifier.models.generation import TextRequest, generate, replay
from verifier.models.gpt import Gpt
from verifier.models.training import END_TOKEN, standard_library_corpus
from verifier.workloads.audit import audit_leaf, disclose, opens_commitment
from verifier.workloads.providers import CheapTokensProvider, HonestProvider, SubstituteProvider, TextProvider
from verifier.workloads.text_generation import TextGeneration, Tokens
from verifier.workloads.workload import Run

BATCHES, LEAVES = 8, 4


def requests(seed: int) -> list[TextRequest]:
    return sample_requests(standard_library_corpus(), LEAVES, 96, seed=10_000 + seed)


def audited(workload: TextGeneration, provider: TextProvider, seed: int) -> tuple[Outcome, Counter[Verdict]]:
    """The outcome of a batch whose every leaf is sampled by three honest verifiers, and the verdicts on its leaves."""
    outcomes, verdicts = [], Counter[Verdict]()
    for leaf, request in enumerate(requests(seed)):
        run = provider.serve(request)
        key = leaf_key(seed.to_bytes(32, "big"), leaf)
        report = audit_leaf(workload, workload.write_evidence(request, run.output), key)
        disclosure = disclose(run.trace, key, workload.profile.lattice)
        opened = opens_commitment(run.trace.root, report.shape, key, workload.profile.lattice, disclosure)
        reveal = LeafReveal(report.verdict, opened, bytes(32), report.digest)
        outcomes.append(leaf_outcome([reveal] * 3, disclosure.digest, workload.profile.bands))
        verdicts[report.verdict] += 1
    return batch_outcome(outcomes), verdicts


def outcomes(workload: TextGeneration, provider: TextProvider) -> Counter[Outcome]:
    return Counter(audited(workload, provider, seed)[0] for seed in range(BATCHES))


class OwnSamplingProvider:
    """Runs the registered model, but draws its tokens by another rule or from another seed."""

    def __init__(self, workload: TextGeneration, rule: SamplingRule, seed_shift: int = 0) -> None:
        self.workload = workload
        self.rule = rule
        self.seed_shift = seed_shift

    def serve(self, request: TextRequest) -> Run[Tokens]:
        asked = replace(request, sampling_seed=request.sampling_seed ^ self.seed_shift)
        generation = generate(self.workload.model, self.rule, END_TOKEN, [asked])[0]
        return Run(generation.tokens, Trace(generation.hidden, self.workload.profile.lattice.chunk_rows))


class OwnPromptProvider:
    """Runs the registered model on another prompt than the one it was given: cut short, or with words put in front."""

    def __init__(self, workload: TextGeneration, prefix: bytes, dropped: int) -> None:
        self.workload = workload
        self.prefix = tuple(prefix)
        self.dropped = dropped

    def serve(self, request: TextRequest) -> Run[Tokens]:
        return self.workload.run(replace(request, prompt=self.prefix + request.prompt[self.dropped :]))


class PatchworkProvider:
    """Commits to the registered model's trace with some rows made up, for which nothing was computed."""

    def __init__(self, workload: TextGeneration, rows: int) -> None:
        self.workload = workload
        self.rows = rows

    def serve(self, request: TextRequest) -> Run[Tokens]:
        run = self.workload.run(request)
        values = run.trace.values.copy()
        values[: self.rows] = values[-self.rows :][::-1]
        return Run(run.output, Trace(values, run.trace.chunk_rows))


class AlternatingProvider:
    """Takes an int8 copy for one token in so many, and commits to what it computed."""

    def __init__(self, workload: TextGeneration, int8: CausalModel, every: int) -> None:
        self.workload = workload
        self.int8 = int8
        self.every = every

    def serve(self, request: TextRequest) -> Run[Tokens]:
        run = self.workload.run(request)
        values = run.trace.values.copy()
        cheap, _ = replay(self.int8, self.workload.rule, [request], [run.output])[0]
        values[:: self.every] = cheap[:: self.every]
        return Run(run.output, Trace(values, run.trace.chunk_rows))


class ShortOutputProvider:
    """Stops early, or goes on for longer than asked, and commits to a trace that fits."""

    def __init__(self, workload: TextGeneration, tokens: int) -> None:
        self.workload = workload
        self.tokens = tokens

    def serve(self, request: TextRequest) -> Run[Tokens]:
        return self.workload.run(replace(request, maximum_new_tokens=request.maximum_new_tokens + self.tokens))


def without_last_layer(model: Gpt) -> Gpt:
    cheat = copy.copy(model)
    cheat._modules = {**model._modules, "blocks": model.blocks[:-1]}
    return cheat


def with_coarse_cache(model: Gpt) -> Gpt:
    cheat = copy.copy(model)
    cheat.cache_type = torch.float8_e4m3fn
    return cheat


def test_honest__every_batch__passes(workload: TextGeneration) -> None:
    assert outcomes(workload, HonestProvider(workload)) == {Outcome.PASS: BATCHES}


@pytest.mark.parametrize("cheat", ["int8", "int4", "fp8 cache", "last layer dropped", "smaller model"])
def test_other_model__every_batch__fraud_by_the_digest(
    models: DemonstrationModels, workload: TextGeneration, cheat: str
) -> None:
    registered = models.registered.model
    assert isinstance(registered, Gpt)
    substitute = {
        "int8": lambda: models.int8,
        "int4": lambda: quantised_copy(registered, 4),
        "fp8 cache": lambda: with_coarse_cache(registered),
        "last layer dropped": lambda: without_last_layer(registered),
        "smaller model": lambda: models.small,
    }[cheat]()
    # The digest alone: margins are ignored, so that no verdict can help.
    blind = without_margin_limits(workload)
    assert outcomes(blind, SubstituteProvider(blind, substitute)) == {Outcome.FRAUD: BATCHES}


def without_margin_limits(workload: TextGeneration) -> TextGeneration:
    blind = copy.copy(workload)
    blind.profile = replace(workload.profile, margins=MarginLimits(mean=1e9, peak=1e9))
    return blind


def test_cheap_tokens_with_the_right_trace__every_batch__fraud_by_the_margins_alone(
    models: DemonstrationModels, workload: TextGeneration
) -> None:
    assert outcomes(workload, CheapTokensProvider(workload, models.small)) == {Outcome.FRAUD: BATCHES}
    blind = without_margin_limits(workload)
    assert outcomes(blind, CheapTokensProvider(blind, models.small)) == {Outcome.PASS: BATCHES}


@pytest.mark.parametrize(
    ("rule", "seed_shift"),
    [
        (SamplingRule(0.0), 0),
        (SamplingRule(0.4), 0),
        (SamplingRule(1.2), 0),
        (SamplingRule(0.8), 1),
        (SamplingRule(0.8, 0.9), 0),
    ],
)
def test_own_sampling__every_batch__fraud_by_the_margins_alone(
    workload: TextGeneration, rule: SamplingRule, seed_shift: int
) -> None:
    provider = OwnSamplingProvider(workload, rule, seed_shift)
    assert outcomes(workload, provider) == {Outcome.FRAUD: BATCHES}
    assert outcomes(without_margin_limits(workload), provider) == {Outcome.PASS: BATCHES}


@pytest.fixture
def nucleus_workload(workload: TextGeneration) -> TextGeneration:
    """The same model registered with top-p; the margins' limits do not depend on the rule."""
    other = copy.copy(workload)
    other.rule = SamplingRule(0.8, 0.9)
    return other


def test_honest_with_top_p__every_batch__passes(nucleus_workload: TextGeneration) -> None:
    assert outcomes(nucleus_workload, HonestProvider(nucleus_workload)) == {Outcome.PASS: BATCHES}


@pytest.mark.parametrize("rule", [SamplingRule(0.8), SamplingRule(0.8, 0.6), SamplingRule(0.0)])
def test_own_sampling_where_top_p_is_registered__every_batch__fraud_by_the_margins_alone(
    nucleus_workload: TextGeneration, rule: SamplingRule
) -> None:
    provider = OwnSamplingProvider(nucleus_workload, rule)
    assert outcomes(nucleus_workload, provider) == {Outcome.FRAUD: BATCHES}
    assert outcomes(without_margin_limits(nucleus_workload), provider) == {Outcome.PASS: BATCHES}


def test_cheap_tokens_with_top_p_and_the_right_trace__every_batch__fraud(
    models: DemonstrationModels, nucleus_workload: TextGeneration
) -> None:
    assert outcomes(nucleus_workload, CheapTokensProvider(nucleus_workload, models.small)) == {Outcome.FRAUD: BATCHES}


@pytest.mark.parametrize(("prefix", "dropped"), [(b"", 12), (b"# advert\n", 0)])
def test_own_prompt__every_batch__fraud_by_the_digest(workload: TextGeneration, prefix: bytes, dropped: int) -> None:
    blind = without_margin_limits(workload)
    assert outcomes(blind, OwnPromptProvider(blind, prefix, dropped)) == {Outcome.FRAUD: BATCHES}


@pytest.mark.parametrize("rows", [2, 8])
def test_rows_made_up__every_batch__not_paid(workload: TextGeneration, rows: int) -> None:
    found = outcomes(workload, PatchworkProvider(workload, rows))
    assert found[Outcome.PASS] == 0


def distances(workload: TextGeneration, provider: TextProvider) -> list[int]:
    """How far each leaf's disclosed digest is from a verifier's, over all batches."""
    found = []
    for seed in range(BATCHES):
        for leaf, request in enumerate(requests(seed)):
            run, key = provider.serve(request), leaf_key(seed.to_bytes(32, "big"), leaf)
            report = audit_leaf(workload, workload.write_evidence(request, run.output), key)
            found.append(hamming(report.digest, disclose(run.trace, key, workload.profile.lattice).digest))
    return found


def test_every_third_token_by_int8__no_leaf_slashed__caught_over_several_audits(
    models: DemonstrationModels, workload: TextGeneration
) -> None:
    test = workload.profile.sequential_test("int8", false_alarm=1e-4, miss=1e-4)
    sly = distances(workload, AlternatingProvider(workload, models.int8, every=3))
    fair = distances(workload, HonestProvider(workload))
    assert max(sly) <= workload.profile.bands.hard
    assert test.decide(sly) is Decision.CHEAT
    assert test.decide(fair) is Decision.HONEST


@pytest.mark.parametrize("tokens", [-5, 5])
def test_other_length__every_leaf__inconsistent(workload: TextGeneration, tokens: int) -> None:
    provider = ShortOutputProvider(workload, tokens)
    outcome, verdicts = audited(workload, provider, seed=0)
    assert (outcome, verdicts) == (Outcome.FRAUD, {Verdict.INCONSISTENT: LEAVES})
