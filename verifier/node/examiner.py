"""From an assignment to findings: fetch the evidence, check that it is what was recorded, and have it run again."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

import structlog

from chain.contribution import Leaf, MalformedRecordError, build_batch, parse_manifest
from chain.typed_data import Domain
from verifier.fingerprint.consensus import Verdict
from verifier.node.assignment import Assignment
from verifier.node.audit import Disclosure
from verifier.node.evidence import EvidenceMissingError, EvidenceUnreachableError
from verifier.node.journal import CommittedTrace, Findings
from verifier.node.openings import parse_openings, sampled_keys
from verifier.node.served_work import ServedWork
from verifier.node.specification import Specification
from verifier.node.workbench import LeafFinding, OpeningClaim, UnsuitableJobError, Workbench


class EvidenceSource(Protocol):
    """Where blocks come from; see `EvidenceReader`."""

    def fetch(self, digest: bytes) -> bytes:
        """The block with this SHA-256. Raises `EvidenceMissingError` or `EvidenceUnreachableError`."""


def fetch_or_gone(evidence: EvidenceSource, digest: bytes, last_call: bool) -> bytes | None:
    """A block; None where it is gone, which a silent store's are at the last call.

    Raises EvidenceUnreachableError before that.
    """
    try:
        return evidence.fetch(digest)
    except EvidenceMissingError:
        return None
    except EvidenceUnreachableError:
        if last_call:
            return None
        raise


class WorkloadExaminer:
    """The honest `Examiner`."""

    def __init__(self, evidence: EvidenceSource, workbench: Workbench, domain: Domain) -> None:
        self._evidence = evidence
        self._workbench = workbench
        self._domain = domain
        self._log = structlog.get_logger("merit.examiner")

    def examine(self, assignment: Assignment, last_call: bool) -> Findings:
        """What to commit to. Raises `EvidenceUnreachableError` unless it is the last call."""
        samples = sampled_keys(assignment.drawn, assignment.batch.count, assignment.terms.samples)
        specification = self._specification(assignment, last_call)
        manifest = fetch_or_gone(self._evidence, assignment.batch.data_hash, last_call)
        if specification is None or manifest is None:
            return self._findings(
                assignment, [_without_trace(Verdict.UNAVAILABLE, "its record is gone")] * len(samples)
            )
        leaves = _recorded_leaves(assignment, manifest)
        if leaves is None:
            finding = _without_trace(Verdict.INCONSISTENT, "the manifest is not that of the recorded batch")
            return self._findings(assignment, [finding] * len(samples))
        chosen = [leaves[position] for position, _ in samples]
        works = [self._work(assignment, leaf, last_call) for leaf in chosen]
        reruns = iter(
            self._workbench.examine(
                specification,
                [(work, key) for work, (_, key) in zip(works, samples, strict=True) if isinstance(work, bytes)],
            )
        )
        findings = [work if isinstance(work, LeafFinding) else next(reruns) for work in works]
        return self._findings(
            assignment,
            [_checked_units(finding, leaf) for finding, leaf in zip(findings, chosen, strict=True)],
            [leaf.trace_root for leaf in chosen],
        )

    def opened(self, assignment: Assignment, findings: Findings, disclosure: Disclosure, last_call: bool) -> int:
        """Bit i: the digest disclosed for sample i is that of a chunk that opens the committed trace."""
        samples, words = (
            sampled_keys(assignment.drawn, assignment.batch.count, assignment.terms.samples),
            assignment.terms.words,
        )
        specification = self._specification(assignment, last_call)
        block = fetch_or_gone(self._evidence, disclosure.openings_hash, last_call)
        if specification is None or block is None:
            return 0
        claims = [
            OpeningClaim(trace, key, disclosure.digests[i * words : (i + 1) * words], opening)
            for i, (trace, (_, key), opening) in enumerate(
                zip(findings.traces, samples, parse_openings(block, len(samples)), strict=True)
            )
        ]
        return sum(1 << i for i, opens in enumerate(self._workbench.opened(specification, claims)) if opens)

    def _specification(self, assignment: Assignment, last_call: bool) -> Specification | None:
        """The job's specification; None where it cannot be worked by, which costs nobody a stake."""
        block = fetch_or_gone(self._evidence, assignment.terms.specification, last_call)
        if block is None:
            return None
        try:
            specification = Specification.from_block(block)
            words = self._workbench.words(specification)
        except (MalformedRecordError, UnsuitableJobError) as error:
            self._log.error("job_unsuitable", job=assignment.batch.job_id, reason=str(error))
            return None
        return specification if words == assignment.terms.words else None

    def _work(self, assignment: Assignment, leaf: Leaf, last_call: bool) -> bytes | LeafFinding:
        """The leaf's work if it is there and was ordered, otherwise what is to be said of it."""
        block = fetch_or_gone(self._evidence, leaf.evidence, last_call)
        if block is None:
            return _without_trace(Verdict.UNAVAILABLE, "its evidence is gone")
        try:
            served = ServedWork.from_block(block)
        except MalformedRecordError as error:
            return _without_trace(Verdict.INCONSISTENT, str(error))
        if not served.is_ordered_by(
            assignment.terms.requester, self._domain, leaf.job_id, leaf.contributor, leaf.sequence
        ):
            return _without_trace(Verdict.INCONSISTENT, "the requester did not sign this request")
        return served.work

    def _findings(
        self, assignment: Assignment, found: Sequence[LeafFinding], roots: Sequence[bytes] | None = None
    ) -> Findings:
        words = assignment.terms.words
        for sample, finding in enumerate(found):
            if finding.verdict is not Verdict.CONSISTENT:
                self._log.info(
                    "leaf_refused",
                    batch=assignment.batch_id.hex(),
                    sample=sample,
                    verdict=finding.verdict.name,
                    reason=finding.reason,
                )
        return Findings(
            digests=tuple(word for finding in found for word in finding.digest or (0,) * words),
            verdicts=tuple(int(finding.verdict) for finding in found),
            payload=bytes(32),
            traces=tuple(
                CommittedTrace(root, finding.rows)
                for root, finding in zip(roots or [bytes(32)] * len(found), found, strict=True)
            ),
        )


def _recorded_leaves(assignment: Assignment, manifest: bytes) -> list[Leaf] | None:
    """The leaves of the recorded batch; None if the manifest lists others."""
    try:
        leaves = parse_manifest(manifest)
        rebuilt, _ = build_batch(leaves, assignment.batch.deadline)
    except MalformedRecordError:
        return None
    return leaves if rebuilt == assignment.batch else None


def _checked_units(finding: LeafFinding, leaf: Leaf) -> LeafFinding:
    """A leaf is paid by the rows of its trace (a row for each output token): more may not be asked for."""
    if finding.verdict is not Verdict.CONSISTENT or finding.rows == leaf.units:
        return finding
    reason = f"{leaf.units} units are charged for {finding.rows}"
    return replace(finding, verdict=Verdict.INCONSISTENT, reason=reason)


def _without_trace(verdict: Verdict, reason: str) -> LeafFinding:
    return LeafFinding(verdict, (), 0, reason)
