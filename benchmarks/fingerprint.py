"""What fingerprints of traces tell apart, what they cost, and what forgeries they accept.

    python benchmarks/fingerprint.py [--quick] [--json]

Providers decode with a key-value cache, verifiers prefill. Honest chunks calibrate the lattice digest (`hard`) and its
rivals (the largest honest distance seen); everything is measured on chunks that calibrated nothing. `--quick` takes
smaller models, a twentieth of the chunks, and leaves out the other architectures.
"""

import copy
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from report import Row, parser, report
from scipy.stats import beta

from verifier.fingerprint.challenge import leaf_key
from verifier.fingerprint.consensus import LeafReveal, Outcome, batch_outcome, leaf_outcome
from verifier.fingerprint.lattice import LatticeProfile, Whitening, digest, hamming
from verifier.fingerprint.sampling import SamplingRule
from verifier.fingerprint.toploc import toploc_distance, toploc_proof
from verifier.fingerprint.trace import Trace
from verifier.models.calibration import CalibrationTerms, FingerprintFit, LeafSample, fit_fingerprint
from verifier.models.causal import CausalModel
from verifier.models.cheaper import quantised_copy
from verifier.models.demonstration import (
    DemonstrationModels,
    DemonstrationSizes,
    demonstration_models,
    sample_requests,
)
from verifier.models.errors import CalibrationError
from verifier.models.generation import TextRequest, generate, replay
from verifier.models.gpt import Gpt, GptArchitecture
from verifier.models.manifest import GenerationRule
from verifier.models.numeric_class import NumericClass
from verifier.models.registration import random_requests, register_files
from verifier.models.store import ModelStore
from verifier.models.training import Recipe, standard_library_corpus
from verifier.workloads.audit import audit_leaf, disclose, opens_commitment
from verifier.workloads.providers import CheapTokensProvider, HonestProvider, SubstituteProvider, TextProvider
from verifier.workloads.text_generation import TextGeneration

MODELS = Path(__file__).resolve().parent.parent / ".merit" / "models"
QUICK_SIZES = DemonstrationSizes(
    recipe=Recipe(GptArchitecture(columns=64, layers=2), steps=150),
    small_recipe=Recipe(GptArchitecture(columns=64, layers=1), steps=40),
    requests=80,
    terms=CalibrationTerms(false_alarm=0.025, words=2, batches=(1, 16), threads=(1,)),
)
CHUNK_ROWS = 32
CALIBRATION = 400
NEVER_ENDS = -1

Distances = NDArray[np.float64]
Method = Callable[[Sequence[LeafSample]], Distances]


@dataclass(frozen=True)
class Subject:
    """A model, the class that its verifiers run it in, and what providers run instead."""

    name: str
    model: CausalModel
    verifier: CausalModel
    cheats: Mapping[str, CausalModel]
    rule: SamplingRule


@dataclass(frozen=True)
class Scale:
    honest: int
    cheat: int
    forgeries: int


def chunks(
    subject: Subject, provider: CausalModel, requests: Sequence[TextRequest], dropped: int = 0
) -> list[LeafSample]:
    """Every full chunk of the outputs of `requests`, as provider and verifier see it.

    dropped: tokens that the provider cuts from the front of each prompt, to save work.
    """
    samples: list[LeafSample] = []
    for i in range(0, len(requests), 64):
        asked = requests[i : i + 64]
        served = [replace(request, prompt=request.prompt[dropped:]) for request in asked]
        runs = generate(provider, subject.rule, NEVER_ENDS, served)
        seen = replay(subject.verifier, subject.rule, asked, [run.tokens for run in runs])
        for run, (rows, _) in zip(runs, seen, strict=True):
            for start in range(0, len(rows) - CHUNK_ROWS + 1, CHUNK_ROWS):
                part = slice(start, start + CHUNK_ROWS)
                key = leaf_key(bytes(32), len(samples))
                samples.append(LeafSample(key, run.hidden[part], rows[part], rows[part]))
    return samples


def requests_of(subject: Subject, corpus: bytes | None, chunk_count: int, seed: int) -> list[TextRequest]:
    """Requests for `chunk_count` chunks, two to an output: text where the model knows some, random tokens otherwise."""
    count = -(-chunk_count // 2)
    if corpus is None:
        return [replace(r, maximum_new_tokens=2 * CHUNK_ROWS) for r in random_requests(subject.model, count, seed)]
    random = np.random.default_rng(seed)
    starts = random.integers(len(corpus) - 48, size=count)
    seeds = random.integers(2**63, size=count)
    return [
        TextRequest(tuple(corpus[start : start + 48]), 2 * CHUNK_ROWS, int(s))
        for start, s in zip(starts, seeds, strict=True)
    ]


def lattice_distances(lattice: LatticeProfile) -> Method:
    def distances(samples: Sequence[LeafSample]) -> Distances:
        pairs = ((digest(s.provider, s.key, lattice), digest(s.verifier, s.key, lattice)) for s in samples)
        return np.array([hamming(ours, theirs) for ours, theirs in pairs], dtype=np.float64)

    return distances


def projected(
    whitening: Whitening, outputs: int, finish: Callable[[NDArray[np.float32]], NDArray[np.float32]]
) -> Method:
    """Distances between dense Gaussian projections of whitened chunks, after `finish` (their signs, or rounding)."""
    matrix = np.random.default_rng(0).standard_normal((CHUNK_ROWS * whitening.columns, outputs)).astype(np.float32)

    def distances(samples: Sequence[LeafSample]) -> Distances:
        ours, theirs = (
            finish(np.stack([((chunk - whitening.mean) * whitening.scale).ravel() for chunk in side]) @ matrix)
            for side in ([s.provider for s in samples], [s.verifier for s in samples])
        )
        return np.asarray(np.linalg.norm(ours - theirs, axis=1), dtype=np.float64)

    return distances


def toploc_distances(samples: Sequence[LeafSample]) -> Distances:
    """Mean mantissa difference, and a whole mantissa for every mismatched exponent."""
    found = [toploc_distance(toploc_proof(s.provider, 128), s.verifier) for s in samples]
    return np.array([min(d.mantissa_mean, 128.0) + 128.0 * d.exponent_mismatches for d in found])


def bfloat16(values: NDArray[np.float32]) -> NDArray[np.float32]:
    rounded: NDArray[np.float32] = torch.from_numpy(values).bfloat16().float().numpy()
    return rounded


def area_under_curve(honest: Distances, cheat: Distances) -> float:
    """Probability that a cheat's chunk is further away than an honest one, ties counted half."""
    ordered = np.sort(honest)
    below = np.searchsorted(ordered, cheat, side="left") + np.searchsorted(ordered, cheat, side="right")
    return float(below.mean() / (2 * ordered.size))


def upper_bound(events: int, trials: int) -> float:
    """95 % upper confidence bound of a rate (Clopper and Pearson)."""
    return 1.0 if events == trials else float(beta.ppf(0.95, events + 1, trials - events))


def measured(subject: Subject, corpus: bytes | None, scale: Scale) -> Iterator[Row]:
    """The table for one subject."""
    honest = chunks(subject, subject.model, requests_of(subject, corpus, CALIBRATION + scale.honest, seed=1))
    calibrating, held_out = honest[:CALIBRATION], honest[CALIBRATION:]
    runs = {
        name: chunks(subject, cheat, requests_of(subject, corpus, CALIBRATION + scale.cheat, seed=2 + i))
        for i, (name, cheat) in enumerate(subject.cheats.items())
    }
    runs["altered prompt"] = chunks(
        subject, subject.model, requests_of(subject, corpus, CALIBRATION + scale.cheat, 9), 12
    )
    fits: dict[int, tuple[str, FingerprintFit]] = {}
    for words in (1, 2, 4):
        terms = CalibrationTerms(false_alarm=0.01, words=words, chunk_rows=CHUNK_ROWS)
        # Where the closest copy cannot be told at the stated rate, the next one shows what is left of its digests.
        for told in ("int8", "int4"):
            try:
                fits[words] = told, fit_fingerprint(calibrating, {told: runs[told][:CALIBRATION]}, terms)
                break
            except CalibrationError as error:
                print(f"{subject.name}, {32 * words} bytes: {error}", file=sys.stderr)
    for words, (told, fit) in fits.items():
        label = f"{subject.name}, lattice {32 * words} B" + (f" fitted to {told}" if told != "int8" else "")
        apart = lattice_distances(fit.lattice)
        fair = apart(held_out)
        target = words == 1 and subject.verifier is subject.model
        alarms = int((fair > fit.bands.hard).sum())
        unpaid = float((fair > fit.bands.soft).mean())
        yield bounded(f"{label}: false alarms of {fair.size}", alarms / fair.size, 1e-4 if target else None)
        yield Row(f"{label}: honest chunks not paid", unpaid, "share")
        for name, samples in runs.items():
            far = apart(samples[CALIBRATION:])
            detected = float((far > fit.bands.hard).mean())
            yield Row(f"{label}: {name}, AUC", area_under_curve(fair, far), "")
            goal = 0.999 if target and name == "int8" else None
            yield Row(f"{label}: {name}, detected", detected, "share", goal, None if goal is None else detected >= goal)
            if goal is not None:
                yield from three_verifiers(label, int((far <= fit.bands.hard).sum()), far.size, alarms, fair.size)
    if fits:
        _, first = next(iter(fits.values()))
        yield from rivals(subject, first.lattice.whitening, calibrating, held_out, runs)
        yield forgeries(subject, first, held_out, scale.forgeries)


def bounded(name: str, value: float, target: float | None) -> Row:
    return Row(name, value, "share", target, None if target is None else value <= target)


def three_verifiers(label: str, missed: int, cheats: int, alarms: int, honest: int) -> Iterator[Row]:
    """Two of three verifiers that err independently, each at the upper confidence bound of what was measured."""
    for name, events, trials, target, peer_value in (
        ("missed by three verifiers", missed, cheats, 1e-4, 1.1e-3),
        ("false alarm of three verifiers", alarms, honest, 1e-4, 2.67e-4),
    ):
        e = upper_bound(events, trials)
        wrong = 3 * e**2 - 2 * e**3
        peer = "arXiv 2307.01898"
        yield Row(
            f"{label}: {name}, at most", wrong, "share", target, wrong <= target, peer, peer_value, peer_value / wrong
        )


def rivals(
    subject: Subject,
    whitening: Whitening,
    calibrating: Sequence[LeafSample],
    held_out: Sequence[LeafSample],
    runs: Mapping[str, Sequence[LeafSample]],
) -> Iterator[Row]:
    """The same chunks under other fingerprints."""
    methods: dict[str, Method] = {
        "TOPLOC 258 B": toploc_distances,
        "SimHash 256 B": projected(whitening, 2048, np.sign),
        "projection 128 x bf16 256 B": projected(whitening, 128, bfloat16),
    }
    for method, distances in methods.items():
        limit = distances(calibrating[:200]).max()
        fair = distances(held_out[:200])
        yield Row(f"{subject.name}, {method}: false alarms of {fair.size}", float((fair > limit).mean()), "share")
        for name, samples in runs.items():
            far = distances(samples[CALIBRATION : CALIBRATION + 200])
            yield Row(f"{subject.name}, {method}: {name}, AUC", area_under_curve(fair, far), "")
            yield Row(f"{subject.name}, {method}: {name}, detected", float((far > limit).mean()), "share")


def forgeries(subject: Subject, fit: FingerprintFit, held_out: Sequence[LeafSample], count: int) -> Row:
    """Chunks that nobody computed, each against an honest one under a key of its own."""
    mean = fit.lattice.whitening.mean
    makers: list[Callable[[int], NDArray[np.float32]]] = [
        lambda i: np.zeros_like(held_out[i].verifier),
        lambda i: np.full_like(held_out[i].verifier, 3.456),
        lambda i: np.tile(mean, (CHUNK_ROWS, 1)),
        lambda i: held_out[i - 1].verifier,
        lambda i: -held_out[i].verifier,
        lambda i: held_out[i].verifier[::-1].copy(),
    ]
    accepted = 0
    for attempt in range(count):
        i = attempt % len(held_out)
        key = leaf_key(b"\x01" * 32, attempt)
        forged = digest(makers[attempt % len(makers)](i), key, fit.lattice)
        accepted += hamming(forged, digest(held_out[i].verifier, key, fit.lattice)) <= fit.bands.hard
    return bounded(f"{subject.name}, lattice 32 B: forgeries accepted of {count}", accepted / count, 0)


def audits(models: DemonstrationModels, corpus: bytes, batches: int) -> Iterator[Row]:
    """Whole audits of batches of four leaves by three honest verifiers, with the registered profile."""
    workload = TextGeneration(models.registered)
    providers: dict[str, TextProvider] = {
        "honest": HonestProvider(workload),
        "int8": SubstituteProvider(workload, models.int8),
        "smaller model": SubstituteProvider(workload, models.small),
        "cheap tokens, right trace": CheapTokensProvider(workload, models.small),
    }
    for name, provider in providers.items():
        found = [_audited(workload, provider, corpus, seed) for seed in range(batches)]
        fraud, passed = (found.count(outcome) / batches for outcome in (Outcome.FRAUD, Outcome.PASS))
        label = f"GPT bf16, {batches} audits of 4 leaves: {name}"
        yield (
            bounded(f"{label}, slashed", fraud, 0)
            if name == "honest"
            else Row(f"{label}, slashed", fraud, "share", 1, fraud == 1)
        )
        yield Row(f"{label}, paid", passed, "share")


def _audited(workload: TextGeneration, provider: TextProvider, corpus: bytes, seed: int) -> Outcome:
    lattice, leaves = workload.profile.lattice, []
    for leaf, request in enumerate(sample_requests(corpus, 4, workload.model.context, seed=1000 + seed)):
        run = provider.serve(request)
        key = leaf_key(seed.to_bytes(32, "big"), leaf)
        disclosure = disclose(run.trace, key, lattice)
        report = audit_leaf(workload, workload.write_evidence(request, run.output), key)
        opened = opens_commitment(run.trace.root, report.shape, key, lattice, disclosure)
        reveal = LeafReveal(report.verdict, opened, bytes(32), report.digest)
        leaves.append(leaf_outcome([reveal] * 3, disclosure.digest, workload.profile.bands))
    return batch_outcome(leaves)


def costs(subject: Subject, corpus: bytes | None) -> Iterator[Row]:
    """Milliseconds for one chunk, and what they are beside the decode of its tokens one by one."""
    request = replace(requests_of(subject, corpus, 1, seed=3)[0], maximum_new_tokens=CHUNK_ROWS)
    run = generate(subject.model, subject.rule, NEVER_ENDS, [request])[0]
    columns = subject.model.columns
    whitening = Whitening(np.zeros(columns, dtype=np.float32), np.ones(columns, dtype=np.float32))
    lattice = LatticeProfile(whitening, 2**20, 2**20, 1, CHUNK_ROWS)
    decode = seconds(lambda: generate(subject.model, subject.rule, NEVER_ENDS, [request]))
    prefill = seconds(lambda: replay(subject.model, subject.rule, [request], [run.tokens]))
    ours = seconds(lambda: digest(run.hidden, bytes(32), lattice))
    commit = seconds(lambda: Trace(run.hidden, CHUNK_ROWS).root)
    theirs = seconds(lambda: toploc_proof(run.hidden, 128))
    yield Row(f"{subject.name}: decode of {CHUNK_ROWS} tokens", 1e3 * decode, "ms")
    yield Row(f"{subject.name}: decode / prefill", decode / prefill, "")
    yield Row(
        f"{subject.name}: digest", 1e3 * ours, "ms", None, None, "TOPLOC proof (numpy)", 1e3 * theirs, theirs / ours
    )
    yield Row(f"{subject.name}: digest / decode", ours / decode, "share", 1e-3, ours <= 1e-3 * decode)
    yield Row(f"{subject.name}: commitment to the trace / decode", commit / decode, "share")


def seconds(run: Callable[[], object]) -> float:
    """The median of as many runs as fit into a second, and of twenty at least."""
    taken: list[float] = []
    while len(taken) < 20 or sum(taken) < 1:
        start = time.perf_counter()
        run()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def gpt_subjects(models: DemonstrationModels) -> Iterator[Subject]:
    """The self-trained GPT within its numeric class, and verified in float32."""
    model = models.registered.model
    assert isinstance(model, Gpt)
    cheats = {
        **cheaper_copies(model),
        "last layer dropped": shortened(model),
        "smaller model": models.small,
    }
    rule = models.registered.manifest.text_rule().sampling()
    yield Subject("GPT bf16", model, model, cheats, rule)
    yield Subject("GPT bf16, verified in fp32", model, copy.deepcopy(model).float(), cheats, rule)


def cheaper_copies(model: Any) -> dict[str, CausalModel]:
    coarse = copy.copy(model)
    coarse.cache_type = torch.float8_e4m3fn
    return {"int8": quantised_copy(model, 8), "int4": quantised_copy(model, 4), "fp8 cache": coarse}


def shortened(model: Gpt) -> Gpt:
    shorter = copy.copy(model)
    shorter._modules = {**model._modules, "blocks": model.blocks[:-1]}
    return shorter


def transformers_subjects(directory: Path) -> Iterator[Subject]:
    """Other architectures, small and with random weights."""
    from transformers import AutoModelForCausalLM, LlamaConfig, MixtralConfig  # noqa: PLC0415

    sizes: dict[str, Any] = {
        "vocab_size": 256, "hidden_size": 128, "intermediate_size": 256, "num_hidden_layers": 4,
        "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 128,
    }  # fmt: skip
    for name, config in (
        ("Llama bf16", LlamaConfig(**sizes)),
        ("Mixtral bf16", MixtralConfig(**sizes, num_local_experts=4, num_experts_per_tok=2)),
    ):
        torch.manual_seed(0)
        folder = directory / name
        build: Any = AutoModelForCausalLM.from_config
        build(config, dtype=torch.bfloat16).save_pretrained(folder)
        store = ModelStore(directory / "models")
        numeric_class = NumericClass("cpu", "bfloat16")
        rule = GenerationRule(end_token=0, temperature=1.0, top_p=1.0)
        manifest = register_files(store, folder, numeric_class=numeric_class, generation=rule)
        model = store.load(manifest.identity).model
        yield Subject(name, model, model, cheaper_copies(model), rule.sampling())


def rows(quick: bool) -> Iterator[Row]:
    torch.set_num_threads(1)
    corpus = standard_library_corpus()
    scale = Scale(600, 100, 2_000) if quick else Scale(10_000, 1_000, 100_000)
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder) if quick else MODELS
        models = demonstration_models(
            directory, QUICK_SIZES if quick else None, lambda line: print(line, file=sys.stderr)
        )
        yield from audits(models, corpus, 10 if quick else 200)
        for subject in gpt_subjects(models):
            yield from measured(subject, corpus, scale)
            if subject.verifier is subject.model:
                yield from costs(subject, corpus)
        if not quick:
            for subject in transformers_subjects(Path(folder)):
                yield from measured(subject, None, scale)
                yield from costs(subject, None)


def main() -> None:
    options = parser(__doc__, "small models, few chunks").parse_args()
    report(options, lambda: rows(options.quick))


if __name__ == "__main__":
    main()
