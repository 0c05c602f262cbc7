"""Evidence of text generation: what an honest provider writes is read back and agreed to, all else is refused."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from verifier.models.demonstration import sample_requests
from verifier.models.generation import TextRequest
from verifier.models.training import END_TOKEN, standard_library_corpus
from verifier.workloads.errors import MalformedEvidenceError
from verifier.workloads.text_generation import TextGeneration, Tokens

REQUEST = TextRequest(prompt=tuple(b"def main(arguments):\n"), maximum_new_tokens=12, sampling_seed=2**64 - 1)


@pytest.fixture(scope="module")
def served(workload: TextGeneration) -> Tokens:
    return workload.run(REQUEST).output


def test_run__same_request__same_output_and_root(workload: TextGeneration) -> None:
    first, second = workload.run(REQUEST), workload.run(REQUEST)
    assert first.output == second.output
    assert first.trace.root == second.trace.root
    assert len(first.output) == first.trace.shape.rows


def test_run__another_seed__another_output(workload: TextGeneration, served: Tokens) -> None:
    assert any(workload.run(replace(REQUEST, sampling_seed=seed)).output != served for seed in range(4))


def test_rerun__honest_output__consistent(workload: TextGeneration) -> None:
    for request in sample_requests(standard_library_corpus(), 10, workload.model.context, seed=99):
        assert workload.rerun([(request, workload.run(request).output)])[0].inconsistency is None


def test_rerun__one_token_replaced__named_as_sampling(workload: TextGeneration, served: Tokens) -> None:
    for place in range(len(served)):
        planted = (*served[:place], ord("@"), *served[place + 1 :])
        inconsistency = workload.rerun([(REQUEST, planted)])[0].inconsistency
        assert inconsistency is not None
        assert "sampling rule" in inconsistency


def test_evidence__honest__round_trip(workload: TextGeneration, served: Tokens) -> None:
    assert workload.read_evidence(workload.write_evidence(REQUEST, served)) == (REQUEST, served)


def changed(evidence: bytes, change: Callable[[dict[str, Any]], object]) -> bytes:
    document = json.loads(evidence)
    change(document)
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.pop("format"),
        lambda d: d.update(extra=1),
        lambda d: d.update(format="merit-text/2"),
        lambda d: d.update(model="00" * 32),
        lambda d: d.update(output=[]),
        lambda d: d.update(output="text"),
        lambda d: d["output"].append(1),
        lambda d: d["output"].pop(),
        lambda d: d["output"].__setitem__(0, 256),
        lambda d: d["output"].__setitem__(0, -1),
        lambda d: d["output"].__setitem__(0, True),
        lambda d: d["output"].__setitem__(0, 1.0),
        lambda d: d["output"].__setitem__(0, "1"),
        lambda d: d["output"].__setitem__(0, END_TOKEN),
        lambda d: d["request"].pop("prompt"),
        lambda d: d["request"].update(prompt=[]),
        lambda d: d["request"].update(prompt=[300]),
        lambda d: d["request"].update(prompt=[1] * 90),
        lambda d: d["request"].update(maximum_new_tokens=0),
        lambda d: d["request"].update(maximum_new_tokens=10**6),
        lambda d: d["request"].update(maximum_new_tokens=30),
        lambda d: d["request"].update(sampling_seed=2**64),
        lambda d: d["request"].update(sampling_seed=-1),
        lambda d: d["request"].update(sampling_seed=None),
        lambda d: d.update(request=[1]),
    ],
)  # fmt: skip
def test_read_evidence__one_thing_wrong__refused(
    workload: TextGeneration, served: Tokens, change: Callable[[dict[str, Any]], object]
) -> None:
    with pytest.raises(MalformedEvidenceError):
        workload.read_evidence(changed(workload.write_evidence(REQUEST, served), change))


def test_read_evidence__same_content_in_other_bytes__refused(workload: TextGeneration, served: Tokens) -> None:
    evidence = workload.write_evidence(REQUEST, served)
    for other in (
        b" " + evidence,
        evidence.replace(b",", b", ", 1),
        evidence.replace(b'{"format"', b'{"format":1,"format"'),
    ):
        assert json.loads(other) == json.loads(evidence)
        with pytest.raises(MalformedEvidenceError, match="canonical"):
            workload.read_evidence(other)


@pytest.mark.parametrize(
    "data",
    [b"", b"null", b"[]", b"{", b"\xff", b"[" * 1100, b"1" * 1100, b"NaN", b'{"format":"\\ud800"}', b"a" * 2**20],
)
def test_read_evidence__not_an_evidence_document__refused(workload: TextGeneration, data: bytes) -> None:
    with pytest.raises(MalformedEvidenceError):
        workload.read_evidence(data)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(position=st.integers(0, 10**6), inserted=st.binary(max_size=3), removed=st.integers(0, 3))
def test_read_evidence__damaged_bytes__refused_or_another_valid_document(
    workload: TextGeneration, served: Tokens, position: int, inserted: bytes, removed: int
) -> None:
    evidence = workload.write_evidence(REQUEST, served)
    place = position % len(evidence)
    damaged = evidence[:place] + inserted + evidence[place + removed :]
    try:
        request, output = workload.read_evidence(damaged)
    except MalformedEvidenceError:
        return
    assert workload.write_evidence(request, output) == damaged


@pytest.mark.parametrize(
    "request_",
    [
        replace(REQUEST, prompt=()),
        replace(REQUEST, prompt=(256,)),
        replace(REQUEST, maximum_new_tokens=0),
        replace(REQUEST, maximum_new_tokens=96),
        replace(REQUEST, sampling_seed=2**64),
    ],
)
def test_run__request_that_the_model_cannot_take__refused(workload: TextGeneration, request_: TextRequest) -> None:
    with pytest.raises(MalformedEvidenceError):
        workload.run(request_)
