"""Verifiers that cheat, for demonstrations and tests: each is the honest node with one step replaced."""

import secrets
from functools import partial

from verifier.node.assignment import Assignment
from verifier.node.audit import Audit, Disclosure
from verifier.node.journal import Findings
from verifier.node.node import Call, VerifierNode


class CopyingVerifier(VerifierNode):
    """Sends the commitment of another member as its own, and runs nothing."""

    def _commit(self, audit: Audit, seconds_left: int, last_call: bool) -> Call | None:
        commitments = audit.round.commitments if audit.round is not None else {}
        copied = next(iter(commitments.values()), None)
        return None if copied is None else partial(self._court.commit, audit.batch_id, copied)


class GuessingExaminer:
    """Says that everything is consistent, with random digests, and runs nothing."""

    def examine(self, assignment: Assignment, last_call: bool) -> Findings:
        """Random findings of the right shape."""
        digests = tuple(secrets.randbits(256) for _ in range(assignment.samples * assignment.terms.words))
        return Findings(digests, (1,) * assignment.samples, bytes(32), ())

    def opened(self, assignment: Assignment, findings: Findings, disclosure: Disclosure, last_call: bool) -> int:
        """Every bit."""
        return (1 << len(findings.verdicts)) - 1
