"""A sampled leaf from both sides: what opens a commitment, and what a verifier says when there is nothing to run."""

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

import pytest

from verifier.fingerprint.challenge import drawn_chunk, leaf_key
from verifier.fingerprint.consensus import Verdict
from verifier.fingerprint.lattice import digest, hamming
from verifier.models.demonstration import DemonstrationModels
from verifier.models.generation import TextRequest
from verifier.workloads.audit import (
    LARGEST_BATCH,
    Disclosure,
    LeafReport,
    audit_leaf,
    audit_leaves,
    disclose,
    opens_commitment,
)
from verifier.workloads.text_generation import TextGeneration, Tokens
from verifier.workloads.workload import Rerun, Run

REQUEST = TextRequest(prompt=tuple(b"import os\n"), maximum_new_tokens=70, sampling_seed=5)
KEY = leaf_key(bytes(32), 3)


@pytest.fixture(scope="module")
def run(workload: TextGeneration) -> Run[Tokens]:
    return workload.run(REQUEST)


@pytest.fixture(scope="module")
def report(workload: TextGeneration, run: Run[Tokens]) -> LeafReport:
    return audit_leaf(workload, workload.write_evidence(REQUEST, run.output), KEY)


def test_audit__honest_leaf__consistent_close_and_open(
    workload: TextGeneration, run: Run[Tokens], report: LeafReport
) -> None:
    disclosure = disclose(run.trace, KEY, workload.profile.lattice)
    assert (report.verdict, report.reason) == (Verdict.CONSISTENT, "")
    assert hamming(report.digest, disclosure.digest) <= workload.profile.bands.soft
    assert opens_commitment(run.trace.root, report.shape, KEY, workload.profile.lattice, disclosure)


def test_audit__no_evidence__unavailable(workload: TextGeneration) -> None:
    report = audit_leaf(workload, None, KEY)
    assert (report.verdict, report.shape, set(report.digest)) == (Verdict.UNAVAILABLE, None, {0})
    assert len(report.digest) == workload.profile.lattice.words


def test_audit__malformed_evidence__inconsistent_with_the_reason(workload: TextGeneration) -> None:
    report = audit_leaf(workload, b"{}", KEY)
    assert (report.verdict, report.shape, set(report.digest)) == (Verdict.INCONSISTENT, None, {0})
    assert "malformed" in report.reason


def test_opening__anything_else_than_the_drawn_chunk_of_the_commitment__does_not_open(
    workload: TextGeneration, run: Run[Tokens], report: LeafReport
) -> None:
    lattice, root, shape = workload.profile.lattice, run.trace.root, report.shape
    honest = disclose(run.trace, KEY, lattice)
    other_chunk = (drawn_chunk(KEY, run.trace.shape.chunks) + 1) % run.trace.shape.chunks
    elsewhere = run.trace.open_chunk(other_chunk)
    of_another_chunk = Disclosure(digest(elsewhere.values, KEY, lattice), elsewhere.to_bytes())
    flipped = (honest.digest[0] ^ 1, *honest.digest[1:])
    assert opens_commitment(root, shape, KEY, lattice, honest)
    assert not opens_commitment(root, shape, KEY, lattice, replace(honest, digest=flipped))
    assert not opens_commitment(root, shape, KEY, lattice, replace(honest, opening=honest.opening[:-1]))
    assert not opens_commitment(root, shape, KEY, lattice, replace(honest, opening=elsewhere.to_bytes()))
    assert elsewhere.opens(root)
    assert not opens_commitment(root, shape, KEY, lattice, of_another_chunk)
    assert not opens_commitment(bytes(32), shape, KEY, lattice, honest)
    assert not opens_commitment(root, shape, leaf_key(bytes(32), 4), lattice, honest)
    assert not opens_commitment(root, None, KEY, lattice, honest)


def test_opening__verifiers_digest_disclosed_instead__does_not_open(
    workload: TextGeneration, run: Run[Tokens], report: LeafReport
) -> None:
    """A contributor that learned the committee's digest still has to open its own commitment."""
    honest = disclose(run.trace, KEY, workload.profile.lattice)
    assert report.digest != honest.digest
    stolen = Disclosure(report.digest, honest.opening)
    assert not opens_commitment(run.trace.root, report.shape, KEY, workload.profile.lattice, stolen)


def test_leaf_key__any_two_leaves_or_seeds__differ() -> None:
    keys = {leaf_key(bytes([s]) * 32, leaf) for s in range(4) for leaf in range(100)}
    assert len(keys) == 400


def test_drawn_chunk__many_keys__even() -> None:
    counts = [0] * 5
    for leaf in range(5000):
        counts[drawn_chunk(leaf_key(bytes(32), leaf), 5)] += 1
    # Standard deviation 28.
    assert all(abs(count - 1000) < 5 * 28 for count in counts)


class Counting(TextGeneration):
    """Notes the sizes of its batches."""

    sizes: ClassVar[list[int]] = []

    def rerun(self, works: Sequence[tuple[TextRequest, Tokens]]) -> list[Rerun]:
        self.sizes.append(len(works))
        return super().rerun(works)


def test_audit__many_leaves__in_bounded_batches_and_each_judged_by_itself(models: DemonstrationModels) -> None:
    workload = Counting(models.registered)
    requests = [replace(REQUEST, maximum_new_tokens=3 + i, sampling_seed=i) for i in range(LARGEST_BATCH + 2)]
    evidence: list[bytes | None] = [workload.write_evidence(r, workload.run(r).output) for r in requests]
    evidence[1], evidence[4] = None, b"{}"
    keys = [leaf_key(bytes(32), leaf) for leaf in range(len(requests))]
    reports = audit_leaves(workload, [*zip(evidence, keys, strict=True), (evidence[0], keys[0])])
    assert workload.sizes == [LARGEST_BATCH, 1]
    expected = dict.fromkeys(range(len(reports)), Verdict.CONSISTENT) | {
        1: Verdict.UNAVAILABLE,
        4: Verdict.INCONSISTENT,
    }
    assert [report.verdict for report in reports] == list(expected.values())
    for leaf, report in enumerate(reports[:-1]):
        alone = audit_leaf(workload, evidence[leaf], keys[leaf])
        assert hamming(report.digest, alone.digest) <= workload.profile.bands.soft
        assert report.shape == alone.shape
