"""Text whose contributors commit to TOPLOC proofs alone: what the members' verdicts see, and what they leave open."""

import copy
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from verifier.fingerprint.challenge import leaf_key
from verifier.fingerprint.consensus import LeafReveal, Outcome, Verdict, leaf_outcome
from verifier.fingerprint.lattice import hamming
from verifier.fingerprint.sampling import MarginLimits
from verifier.fingerprint.toploc import TOP, ToplocProof, proofs_of
from verifier.fingerprint.trace import Trace
from verifier.models.calibration import CalibrationTerms
from verifier.models.causal import CausalModel
from verifier.models.cheaper import quantised_copy
from verifier.models.demonstration import RULE, DemonstrationModels, sample_requests
from verifier.models.errors import CalibrationError, ModelError
from verifier.models.generation import TextRequest, generate
from verifier.models.gpt import Gpt
from verifier.models.store import ModelStore, Registered
from verifier.models.text_calibration import TextTrial
from verifier.models.training import END_TOKEN, standard_library_corpus
from verifier.node.specification import Specification
from verifier.node.workbench import UnsuitableJobError
from verifier.node.workloads import load_workload
from verifier.workloads.audit import audit_leaves, disclose, opens_commitment
from verifier.workloads.errors import MalformedEvidenceError
from verifier.workloads.toploc_text import NAME, ProvenText, ToplocTextGeneration
from verifier.workloads.workload import Run

LEAVES = 10
CONTEXT = 96
TERMS = CalibrationTerms(false_alarm=0.05, words=2, batches=(1, 8), threads=(1,))
Workload = ToplocTextGeneration
Serve = Callable[[Workload, TextRequest], Run[ProvenText]]


def requests() -> list[TextRequest]:
    return sample_requests(standard_library_corpus(), LEAVES, CONTEXT, seed=77)


@pytest.fixture(scope="module")
def toploc(models: DemonstrationModels) -> Registered[CausalModel]:
    """The demonstration's model, calibrated anew for proofs."""
    model = models.registered.model
    assert isinstance(model, Gpt)
    trial = TextTrial(
        model,
        RULE.sampling(),
        END_TOKEN,
        sample_requests(standard_library_corpus(), 80, CONTEXT, 3),
        TERMS,
        toploc=True,
    )
    int4 = quantised_copy(model, 4)
    profile = trial.calibrate({"int8": models.int8, "int4": int4, "small": models.small}, {})
    return Registered(models.registered.manifest.calibrated(profile), model)


@pytest.fixture(scope="module")
def proving(toploc: Registered[CausalModel]) -> Workload:
    return ToplocTextGeneration(toploc)


def outcomes(workload: Workload, serve: Serve) -> Counter[Outcome]:
    """The outcomes of leaves that are each audited by three honest verifiers."""
    asked, profile = requests(), workload.profile
    runs = [serve(workload, request) for request in asked]
    keys = [leaf_key(bytes(32), leaf) for leaf in range(LEAVES)]
    evidence = [workload.write_evidence(request, run.output) for request, run in zip(asked, runs, strict=True)]
    found = Counter[Outcome]()
    reports = audit_leaves(workload, list(zip(evidence, keys, strict=True)))
    for run, key, report in zip(runs, keys, reports, strict=True):
        disclosure = disclose(run.trace, key, profile.disclosed)
        opened = opens_commitment(run.trace.root, report.shape, key, profile.disclosed, disclosure)
        reveal = LeafReveal(report.verdict, opened, bytes(32), report.digest)
        found[leaf_outcome([reveal] * 3, disclosure.digest, profile.bands)] += 1
    return found


def without_margin_limits(workload: Workload) -> Workload:
    """Proofs have to tell cheats by themselves."""
    blind = copy.copy(workload)
    blind._text = copy.copy(workload._text)
    blind._text.profile = replace(workload.profile, margins=MarginLimits(mean=1e9, peak=1e9))
    return blind


def honest(workload: Workload, request: TextRequest) -> Run[ProvenText]:
    return workload.run(request)


def of_another_model(model: CausalModel) -> Serve:
    """Runs another model, and proves that run."""

    def serve(workload: Workload, request: TextRequest) -> Run[ProvenText]:
        run = generate(model, RULE.sampling(), END_TOKEN, [request])[0]
        return workload.proven(run.tokens, Trace(run.hidden, 32))

    return serve


def with_proofs(change: Callable[[tuple[bytes, ...]], tuple[bytes, ...]]) -> Serve:
    """The right tokens with other proofs."""

    def serve(workload: Workload, request: TextRequest) -> Run[ProvenText]:
        run = workload.run(request)
        return replace(run, output=replace(run.output, proofs=change(run.output.proofs)))

    return serve


def test_honest__every_leaf__paid(proving: Workload) -> None:
    assert outcomes(proving, honest) == {Outcome.PASS: LEAVES}


def test_calibrate__report__says_which_copies_proofs_tell(proving: Workload) -> None:
    limits = proving.profile.toploc
    assert limits is not None
    assert (limits.detected["int4"], limits.detected["small"]) == (1.0, 1.0)
    assert set(limits.detected) == set(proving.profile.report.cheats) == {"int8", "int4", "small"}


@pytest.mark.parametrize("cheat", ["int4", "small"])
def test_other_model__every_leaf__fraud_by_the_proofs_alone(
    models: DemonstrationModels, proving: Workload, cheat: str
) -> None:
    model = models.registered.model
    assert isinstance(model, Gpt)
    substitute = quantised_copy(model, 4) if cheat == "int4" else models.small
    assert outcomes(without_margin_limits(proving), of_another_model(substitute)) == {Outcome.FRAUD: LEAVES}


def constant(value: float) -> bytes:
    """A proof of a chunk whose every large value has this magnitude: what can be known without any run."""
    bits = int(np.array([value], dtype="<f4").view("<u4")[0]) >> 16
    return ToplocProof(65497, (bits,) + (0,) * (TOP - 1)).to_bytes()


def test_constant_proof__whatever_the_constant__fraud(proving: Workload) -> None:
    """Published thresholds let one through in 86 of 100 chunks of Gaussian values."""
    run = proving.run(requests()[0])
    trace = proving._text.run(requests()[0]).trace
    largest = np.sort(np.abs(trace.chunk(0)).ravel())[-TOP:]
    for value in (*np.quantile(largest, [0.0, 0.25, 0.5, 0.75, 1.0]), 3.456):
        forged = ProvenText(run.output.tokens, (constant(float(value)),) * len(run.output.proofs))
        rerun = proving.rerun([(requests()[0], forged)])[0]
        assert rerun.inconsistency is not None
        assert "more than" in rerun.inconsistency


@pytest.mark.parametrize(
    "change",
    [
        lambda proofs: proofs[:-1],
        lambda proofs: (*proofs, proofs[-1]),
        lambda proofs: (*proofs[:-1], proofs[-1][:-2]),
        lambda proofs: (*proofs[:-1], bytes(2) + proofs[-1][2:]),
        lambda proofs: (*proofs[:-1], proofs[-1][:2] + b"\xff" * (len(proofs[-1]) - 2)),
        lambda proofs: (*proofs[:-1], bytes(reversed(proofs[-1]))),
    ],
)
def test_one_proof_wrong__every_leaf__fraud(
    proving: Workload, change: Callable[[tuple[bytes, ...]], tuple[bytes, ...]]
) -> None:
    """All proofs are compared: none can be left out or made up, wherever the draw falls."""
    assert outcomes(proving, with_proofs(change)) == {Outcome.FRAUD: LEAVES}


def test_replayed_proofs__every_leaf__fraud(proving: Workload) -> None:
    other = proving.run(sample_requests(standard_library_corpus(), 1, CONTEXT, seed=5)[0]).output.proofs
    replayed = with_proofs(lambda proofs: (other * len(proofs))[: len(proofs)])
    assert outcomes(proving, replayed) == {Outcome.FRAUD: LEAVES}


def test_between_the_limits__every_leaf__neither_paid_nor_slashed(
    models: DemonstrationModels, proving: Workload
) -> None:
    doubting = without_margin_limits(proving)
    doubting._limits = replace(proving._limits, soft=0.0, hard=128.0)
    assert outcomes(doubting, of_another_model(models.small)) == {Outcome.UNAVAILABLE: LEAVES}


def test_commitment__one_row_of_a_proof_for_a_chunk__and_units_alike(proving: Workload) -> None:
    request = replace(requests()[0], maximum_new_tokens=33)
    run = proving.run(request)
    assert run.trace.shape.rows == len(run.output.proofs)
    report = audit_leaves(proving, [(proving.write_evidence(request, run.output), bytes(32))])[0]
    assert report.shape == run.trace.shape


def test_members__one_that_ran_and_one_that_did_not__told_apart_by_their_digests(proving: Workload) -> None:
    """The court compares the members' digests of their own traces, so that nobody can vote without a run."""
    asked = requests()[:2]
    evidence = [proving.write_evidence(request, proving.run(request).output) for request in asked]
    key = leaf_key(bytes(32), 1)
    ran, again, other = audit_leaves(proving, [(evidence[0], key), (evidence[0], key), (evidence[1], key)])
    assert ran.verdict is Verdict.CONSISTENT
    assert hamming(ran.digest, again.digest) <= proving.profile.bands.tau < hamming(ran.digest, other.digest)


def test_proofs__output_shorter_than_a_chunk__over_all_of_its_values(proving: Workload) -> None:
    rows = np.random.default_rng(0).standard_normal((1, 64)).astype(np.float32)
    assert [len(proof.coefficients) for proof in proofs_of(Trace(rows, 32), TOP)] == [64]
    request = replace(requests()[0], maximum_new_tokens=1)
    assert proving.rerun([(request, proving.run(request).output)])[0].inconsistency is None


def test_calibrate__cheats_as_near_as_honest_runs__refused(
    models: DemonstrationModels, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where proofs tell no cheat there is nothing to slash by; digests still would."""
    monkeypatch.setattr("verifier.models.text_calibration.largest_difference", lambda proofs, trace: 1.0)
    asked = sample_requests(standard_library_corpus(), 40, CONTEXT, 3)
    trial = TextTrial(models.registered.model, RULE.sampling(), END_TOKEN, asked, TERMS, toploc=True)
    with pytest.raises(CalibrationError, match="no limit lies safely between"):
        trial.calibrate({"int8": models.int8}, {})


def test_load__workload_and_calibration_do_not_match__says_so(
    tmp_path: Path, models: DemonstrationModels, toploc: Registered[CausalModel], workload: Any
) -> None:
    class Store(ModelStore):
        """Gives the models of the test, whatever is asked for."""

        def __init__(self, registered: Registered[CausalModel]) -> None:
            super().__init__(tmp_path)
            self.registered = registered

        def load(self, identity: bytes) -> Registered[CausalModel]:
            return self.registered

    assert isinstance(load_workload(Store(toploc), Specification("inference", NAME, bytes(32))), Workload)
    with pytest.raises(UnsuitableJobError, match="those of TOPLOC"):
        load_workload(Store(toploc), Specification("inference", "text-generation", bytes(32)))
    with pytest.raises(UnsuitableJobError, match="not calibrated for TOPLOC"):
        load_workload(Store(models.registered), Specification("inference", NAME, bytes(32)))
    with pytest.raises(ModelError, match="--toploc"):
        ToplocTextGeneration(models.registered)


def test_evidence__honest__round_trip(proving: Workload) -> None:
    request = requests()[0]
    output = proving.run(request).output
    assert proving.read_evidence(proving.write_evidence(request, output)) == (request, output)


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.pop("proofs"),
        lambda d: d.update(proofs={}),
        lambda d: d.update(proofs=[1]),
        lambda d: d.update(proofs=[""]),
        lambda d: d.update(proofs=["\u00e9"]),
        lambda d: d.update(proofs=["A" * 400]),
        lambda d: d.update(proofs=d["proofs"] * 1000),
        lambda d: d.update(extra=1),
        lambda d: d.update(output=[]),
    ],
)  # fmt: skip
def test_read_evidence__one_thing_wrong__refused(proving: Workload, change: Callable[[dict[str, Any]], object]) -> None:
    document = json.loads(proving.write_evidence(requests()[0], proving.run(requests()[0]).output))
    change(document)
    with pytest.raises(MalformedEvidenceError):
        proving.read_evidence(json.dumps(document, sort_keys=True, separators=(",", ":")).encode())


@pytest.mark.parametrize("data", [b"", b"null", b"[]", b"{", b"[" * 1100])
def test_read_evidence__not_a_document__refused(proving: Workload, data: bytes) -> None:
    with pytest.raises(MalformedEvidenceError):
        proving.read_evidence(data)
