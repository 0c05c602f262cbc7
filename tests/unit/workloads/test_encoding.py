"""Embedding and classification through the whole audit of a leaf: honest providers pass, others are seen, by what."""

import base64
import copy
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transformers import AutoModel, AutoModelForSequenceClassification, BertConfig
from transformers.utils import logging

from verifier.fingerprint.challenge import leaf_key
from verifier.fingerprint.consensus import LeafReveal, Outcome, Verdict, leaf_outcome
from verifier.fingerprint.sampling import MarginLimits
from verifier.fingerprint.trace import Trace
from verifier.models.calibration import CalibrationTerms
from verifier.models.cheaper import quantised_copy
from verifier.models.encoder import encode
from verifier.models.errors import CalibrationError, ModelError
from verifier.models.manifest import GenerationRule
from verifier.models.numeric_class import NumericClass
from verifier.models.registration import calibrate_encoder, describe, register_files
from verifier.models.store import ModelStore
from verifier.models.task import Task
from verifier.models.transformers_encoder import TransformersEncoder
from verifier.node.specification import Specification
from verifier.node.workbench import UnsuitableJobError
from verifier.node.workloads import load_workload
from verifier.workloads.audit import audit_leaf, disclose, opens_commitment
from verifier.workloads.encoding import Classification, Embedding, EncodingRequest
from verifier.workloads.errors import MalformedEvidenceError
from verifier.workloads.workload import Run

LEAVES, LABELS, CONTEXT, VOCABULARY = 24, 3, 96, 200
BFLOAT16 = NumericClass("cpu", "bfloat16")
TERMS = CalibrationTerms(false_alarm=0.025, words=2, batches=(1, 8), threads=(1,))
REQUEST = EncodingRequest(tuple(range(5, 45)))


def sequences(count: int, seed: int) -> list[tuple[int, ...]]:
    draw = Random(seed)
    return [tuple(draw.randrange(VOCABULARY) for _ in range(draw.randint(8, CONTEXT))) for _ in range(count)]


def saved(directory: Path, kind: Any) -> Path:
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    torch.set_num_threads(1)
    torch.manual_seed(1)
    sizes: dict[str, Any] = {
        "vocab_size": VOCABULARY, "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
        "intermediate_size": 96, "max_position_embeddings": CONTEXT, "num_labels": LABELS, "initializer_range": 0.1,
    }  # fmt: skip
    kind.from_config(BertConfig(**sizes), dtype=torch.bfloat16).save_pretrained(directory)
    return directory


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> ModelStore:
    return ModelStore(tmp_path_factory.mktemp("models"))


def calibrated(store: ModelStore, directory: Path, task: Task, kind: Any) -> bytes:
    manifest = register_files(store, saved(directory, kind), numeric_class=BFLOAT16, generation=None, task=task)
    return calibrate_encoder(store, manifest.identity, sequences(160, seed=1), TERMS).identity


@pytest.fixture(scope="module")
def embedder(store: ModelStore, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return calibrated(store, tmp_path_factory.mktemp("embedder"), Task.EMBEDDING, AutoModel)


@pytest.fixture(scope="module")
def classifier(store: ModelStore, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return calibrated(
        store, tmp_path_factory.mktemp("classifier"), Task.CLASSIFICATION, AutoModelForSequenceClassification
    )


@pytest.fixture(scope="module")
def embedding(store: ModelStore, embedder: bytes) -> Embedding:
    workload = load_workload(store, Specification("inference", "embedding", embedder))
    assert isinstance(workload, Embedding)
    return workload


@pytest.fixture(scope="module")
def classification(store: ModelStore, classifier: bytes) -> Classification:
    workload = load_workload(store, Specification("inference", "classification", classifier))
    assert isinstance(workload, Classification)
    return workload


@pytest.fixture(params=["embedding", "classification"])
def workload(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue(request.param)


Serve = Callable[[list[EncodingRequest]], list[Run[Any]]]


def outcomes(workload: Any, serve: Serve) -> Counter[Outcome]:
    """The outcomes of leaves that are each audited by three honest verifiers."""
    requests, found = [EncodingRequest(tokens) for tokens in sequences(LEAVES, seed=7)], Counter[Outcome]()
    lattice = workload.profile.lattice
    for leaf, (request, run) in enumerate(zip(requests, serve(requests), strict=True)):
        key = leaf_key(bytes(32), leaf)
        report = audit_leaf(workload, workload.write_evidence(request, run.output), key)
        disclosure = disclose(run.trace, key, lattice)
        opened = opens_commitment(run.trace.root, report.shape, key, lattice, disclosure)
        reveal = LeafReveal(report.verdict, opened, bytes(32), report.digest)
        found[leaf_outcome([reveal] * 3, disclosure.digest, workload.profile.bands)] += 1
    return found


def in_batches(workload: Any, model: Any, traced: Any = None) -> Serve:
    """A provider that serves what `model` gives for whole batches, and commits to the rows of `traced`."""

    def serve(requests: list[EncodingRequest]) -> list[Run[Any]]:
        asked = [request.tokens for request in requests]
        values, committed = encode(model, asked).served, encode(traced or model, asked).traced
        return [
            Run(workload.served(row), Trace(own[None], workload.profile.lattice.chunk_rows))
            for row, own in zip(values, committed, strict=True)
        ]

    return serve


def without_limits(workload: Any) -> Any:
    blind = copy.copy(workload)
    blind.profile = replace(workload.profile, margins=MarginLimits(mean=1e9, peak=1e9))
    return blind


def test_honest__one_by_one_and_in_padded_batches__passes(workload: Any) -> None:
    assert outcomes(workload, lambda requests: [workload.run(request) for request in requests]) == {
        Outcome.PASS: LEAVES
    }
    assert outcomes(workload, in_batches(workload, workload.model)) == {Outcome.PASS: LEAVES}


@pytest.mark.parametrize("bits", [8, 4])
def test_quantised_copy__every_leaf__fraud_by_the_digest_alone(workload: Any, bits: int) -> None:
    blind = without_limits(workload)
    assert outcomes(blind, in_batches(blind, quantised_copy(workload.model, bits))) == {Outcome.FRAUD: LEAVES}


def test_embedding_of_a_cheaper_copy_with_the_right_trace__every_leaf__fraud_by_the_values_alone(
    embedding: Embedding,
) -> None:
    model = embedding.model
    assert isinstance(model, TransformersEncoder)
    provider = in_batches(embedding, quantised_copy(model, 8), traced=model)
    assert outcomes(embedding, provider) == {Outcome.FRAUD: LEAVES}
    blind = without_limits(embedding)
    assert outcomes(blind, provider) == {Outcome.PASS: LEAVES}


def test_least_likely_label_with_the_right_trace__every_leaf__fraud_by_the_label_alone(
    classification: Classification,
) -> None:
    def serve(requests: list[EncodingRequest]) -> list[Run[int]]:
        traces = [classification.run(request).trace for request in requests]
        return [Run(int(trace.values[0, -LABELS:].argmin()), trace) for trace in traces]

    assert outcomes(classification, serve) == {Outcome.FRAUD: LEAVES}
    assert outcomes(without_limits(classification), serve) == {Outcome.PASS: LEAVES}


def test_other_input__every_leaf__fraud_by_the_digest_alone(workload: Any) -> None:
    blind = without_limits(workload)
    assert outcomes(
        blind, lambda requests: [blind.run(EncodingRequest(request.tokens[1:])) for request in requests]
    ) == {Outcome.FRAUD: LEAVES}


def test_describe__calibrated_encoder__detection_and_histograms(store: ModelStore, embedder: bytes) -> None:
    text = describe(store.manifest(embedder))
    assert "int8: 100.00% of 80 leaves" in text
    assert "sampling" not in text


def test_calibrate__nothing_but_the_model_itself_to_tell_from__refused(
    store: ModelStore, embedder: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("verifier.models.registration.quantised_copy", lambda model, bits: model)
    with pytest.raises(CalibrationError, match="overlap"):
        calibrate_encoder(store, embedder, sequences(160, seed=1), TERMS)


def test_calibrate__one_batch_size__refused_for_want_of_noise(store: ModelStore, embedder: bytes) -> None:
    with pytest.raises(CalibrationError, match="bit for bit"):
        calibrate_encoder(store, embedder, sequences(160, seed=1), replace(TERMS, batches=(1,)))


@pytest.mark.parametrize(("task", "rule"), [(Task.TEXT, False), (Task.EMBEDDING, True), (Task.CLASSIFICATION, True)])
def test_register__sampling_rule_where_there_is_no_text_or_none_where_there_is__refused(
    store: ModelStore, tmp_path: Path, task: Task, rule: bool
) -> None:
    generation = GenerationRule(end_token=0, temperature=1.0, top_p=1.0) if rule else None
    with pytest.raises(ModelError, match="end token"):
        register_files(store, tmp_path, numeric_class=BFLOAT16, generation=generation, task=task)


@pytest.mark.parametrize("workload_name", ["text-generation", "classification", "ranking"])
def test_load__workload_that_the_model_does_not_do__says_so(
    store: ModelStore, embedder: bytes, workload_name: str
) -> None:
    with pytest.raises(UnsuitableJobError):
        load_workload(store, Specification("inference", workload_name, embedder))


def test_evidence__honest__round_trip(workload: Any) -> None:
    output = workload.run(REQUEST).output
    assert workload.read_evidence(workload.write_evidence(REQUEST, output)) == (REQUEST, output)


def changed(evidence: bytes, change: Callable[[dict[str, Any]], object]) -> bytes:
    document = json.loads(evidence)
    change(document)
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.pop("format"),
        lambda d: d.update(extra=1),
        lambda d: d.update(format="merit-encoding/2"),
        lambda d: d.update(model="00" * 32),
        lambda d: d["request"].update(tokens=[]),
        lambda d: d["request"].update(tokens="text"),
        lambda d: d["request"].update(tokens=[VOCABULARY]),
        lambda d: d["request"].update(tokens=[-1]),
        lambda d: d["request"].update(tokens=[True]),
        lambda d: d["request"].update(tokens=[1] * (CONTEXT + 1)),
        lambda d: d.update(request=[1]),
        lambda d: d["request"].update(extra=1),
        lambda d: d.update(output=None),
        lambda d: d.update(output=LABELS),
        lambda d: d.update(output=-1),
        lambda d: d.update(output=[]),
        lambda d: d.update(output=""),
        lambda d: d.update(output="\u00e9"),
        lambda d: d.update(output="A" * 2**16),
        lambda d: d.update(output=base64.b64encode(np.full(64, np.nan, "<f4").tobytes()).decode()),
        lambda d: d.update(output=base64.b64encode(np.zeros(63, "<f4").tobytes()).decode()),
    ],
)  # fmt: skip
def test_read_evidence__one_thing_wrong__refused(workload: Any, change: Callable[[dict[str, Any]], object]) -> None:
    evidence = workload.write_evidence(REQUEST, workload.run(REQUEST).output)
    with pytest.raises(MalformedEvidenceError):
        workload.read_evidence(changed(evidence, change))


@pytest.mark.parametrize("data", [b"", b"null", b"{", b"\xff", b"[" * 1100])
def test_read_evidence__not_a_document__refused(workload: Any, data: bytes) -> None:
    with pytest.raises(MalformedEvidenceError):
        workload.read_evidence(data)


def test_read_evidence__same_content_in_other_bytes__refused(workload: Any) -> None:
    evidence = workload.write_evidence(REQUEST, workload.run(REQUEST).output)
    with pytest.raises(MalformedEvidenceError, match="canonical"):
        workload.read_evidence(evidence + b" ")


def test_audit__label_beyond_those_of_the_model__inconsistent(classification: Classification) -> None:
    evidence = classification.write_evidence(REQUEST, LABELS)
    assert audit_leaf(classification, evidence, bytes(32)).verdict is Verdict.INCONSISTENT


def test_encode__padded_batch__rows_of_single_runs(store: ModelStore, embedder: bytes) -> None:
    model = store.load_encoder(embedder).model
    assert isinstance(model, TransformersEncoder)
    model.float()
    asked = sequences(5, seed=3)
    alone = np.concatenate([encode(model, [sequence]).traced for sequence in asked])
    np.testing.assert_allclose(encode(model, asked).traced, alone, atol=1e-5)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(position=st.integers(0, 10**6), inserted=st.binary(max_size=3), removed=st.integers(0, 3))
def test_read_evidence__damaged_bytes__refused_or_another_valid_document(
    workload: Any, position: int, inserted: bytes, removed: int
) -> None:
    evidence = workload.write_evidence(REQUEST, workload.run(REQUEST).output)
    place = position % len(evidence)
    damaged = evidence[:place] + inserted + evidence[place + removed :]
    try:
        request, output = workload.read_evidence(damaged)
    except MalformedEvidenceError:
        return
    assert workload.write_evidence(request, output) == damaged
