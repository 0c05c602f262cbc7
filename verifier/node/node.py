"""The verifier node: looks at the chain, does what there is to do, and may be killed between any two instructions."""

import time
from collections.abc import Callable
from concurrent.futures import Executor, Future
from threading import Event as StopEvent
from typing import Any, Protocol

import structlog
from web3.types import TxReceipt

from chain.errors import MeritError, TransactionRevertedError
from verifier.node.assignment import Assignment
from verifier.node.audit import Audit, Disclosure, Reveal, fold
from verifier.node.court import Court
from verifier.node.decisions import ChainTime, Step, current_draw, is_last_call, next_step
from verifier.node.history import REORGANISATION_DEPTH, History
from verifier.node.journal import Draw, Findings, Journal
from verifier.node.schedule import Schedule


class ExaminationError(MeritError):
    """A workload broke down."""


class Examiner(Protocol):
    """Runs sampled work again. Both calls may take long and are made from other threads.

    They raise `EvidenceUnreachableError` while a store is silent; at the last call, what was not found is gone.
    """

    def examine(self, assignment: Assignment, last_call: bool) -> Findings:
        """What to commit to."""

    def opened(self, assignment: Assignment, findings: Findings, disclosure: Disclosure, last_call: bool) -> int:
        """Bit i: the digest disclosed for sample i is that of a chunk that opens the committed trace."""


class VerifierNode:
    """Takes the audits that its account is drawn for, from the commitment to the settlement."""

    def __init__(
        self,
        court: Court,
        history: History,
        journal: Journal,
        examiner: Examiner,
        executor: Executor,
        *,
        confirmations: int = 0,
        patience: float = 10.0,
        pause: float = 1.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """patience: seconds that others get for a step that anyone may take; pause: seconds between looks."""
        self._court = court
        self._history = history
        self._journal = journal
        self._examiner = examiner
        self._executor = executor
        self._confirmations = confirmations
        self._pause = pause
        self._schedule = Schedule(court.address, patience, pause, monotonic)
        self._log = structlog.get_logger("merit.node").bind(verifier=court.address)
        self._audits: dict[bytes, Audit] = {}
        self._work: dict[tuple[Draw, Step], Future[Any]] = {}
        for batch_id in history.batches():
            self._fold(batch_id)

    def run(self, stop: StopEvent) -> None:
        """Look at the chain again and again until `stop` is set. A chain that fails is waited for."""
        self._log.info("node_started", next_block=self._history.next_block, audits=len(self._audits))
        while not stop.is_set():
            try:
                self.look()
            except MeritError as error:
                self._log.warning("look_failed", reason=str(error))
            stop.wait(self._pause)
        self._log.info("node_stopped", next_block=self._history.next_block)

    def look(self) -> None:
        """Read what is new on the chain and do everything that is due."""
        for batch_id in self._history.advance(self._court, self._confirmations):
            self._fold(batch_id)
        now = self._court.now()
        for audit in list(self._audits.values()):
            if audit.settled_block is not None:
                self._let_go(audit, now)
            else:
                self._attend(audit, now)

    def _fold(self, batch_id: bytes) -> None:
        audit = fold(self._history.events_of(batch_id))
        if audit is None:
            self._audits.pop(batch_id, None)
        else:
            self._audits[batch_id] = audit

    def _let_go(self, audit: Audit, now: ChainTime) -> None:
        if audit.settled_block is not None and now.block - audit.settled_block > REORGANISATION_DEPTH:
            del self._audits[audit.batch_id]
            self._history.forget(audit.batch_id)
            self._schedule.forget(audit.batch_id)
            for key in [key for key in self._work if key[0].batch_id == audit.batch_id]:
                del self._work[key]

    def _attend(self, audit: Audit, now: ChainTime) -> None:
        """Take the audit's next step if there is one and it is due."""
        draw = current_draw(audit)
        journaled = draw is not None and self._journal.commitment(draw) is not None
        timetable = self._court.timetable(audit.batch.job_id)
        step = next_step(audit, self._court.address, journaled, now, timetable)
        round_number = audit.round.number if audit.round is not None else 0
        if step is None or not self._schedule.is_due(audit.batch_id, round_number, step):
            return
        log = self._log.bind(batch=audit.batch_id.hex(), round=round_number, step=step.value)
        try:
            receipt = self._take(step, audit, is_last_call(audit, now, timetable))
            if receipt is None:
                return
            self._journal.record_spending(
                bytes(receipt["transactionHash"]),
                audit.batch_id,
                step.value,
                receipt["gasUsed"],
                receipt["effectiveGasPrice"],
            )
            log.info("step_taken", gas=receipt["gasUsed"])
        except TransactionRevertedError as error:
            # Somebody was faster, or the chain has moved on; what the events say next decides.
            log.info("step_refused", error=error.name, reason=str(error))
        except MeritError as error:
            log.warning("step_failed", reason=str(error))
        self._schedule.tried(audit.batch_id)

    def _take(self, step: Step, audit: Audit, last_call: bool) -> TxReceipt | None:
        """Take one step; None while it is still being worked on."""
        match step:
            case Step.DRAW:
                return self._court.draw(audit.batch)
            case Step.EXAMINE | Step.COMMIT:
                return self._commit(audit, last_call)
            case Step.REVEAL:
                return self._reveal(audit, last_call)
            case Step.FINALIZE:
                return self._court.finalize(audit)
            case Step.SETTLE:
                return self._court.settle(audit.batch)

    def _commit(self, audit: Audit, last_call: bool) -> TxReceipt | None:
        """Examine, put the findings and their salt on disk, and only then tell the chain."""
        assignment = self._assignment(audit)
        kept = self._journal.commitment(assignment.draw)
        if kept is None:
            findings: Findings | None = self._result(
                (assignment.draw, Step.EXAMINE), self._examiner.examine, assignment, last_call
            )
            if findings is None:
                return None
            kept = self._journal.keep_commitment(assignment.draw, findings)
        return self._court.commit(audit.batch_id, self._court.commitment_of(assignment.draw, kept))

    def _reveal(self, audit: Audit, last_call: bool) -> TxReceipt | None:
        assignment = self._assignment(audit)
        kept = self._journal.commitment(assignment.draw)
        disclosure = assignment.drawn.disclosure
        if kept is None:
            raise ValueError("there is nothing to reveal before there is a commitment")
        opened = 0
        if disclosure is not None:
            opened = self._result(
                (assignment.draw, Step.REVEAL),
                self._examiner.opened,
                assignment,
                kept.findings,
                disclosure,
                last_call,
            )
            if opened is None:
                return None
        findings = kept.findings
        reveal = Reveal(findings.digests, findings.verdicts, opened, findings.payload)
        return self._court.reveal(audit.batch_id, reveal, kept.salt)

    def _assignment(self, audit: Audit) -> Assignment:
        if audit.round is None:
            raise ValueError("there is no assignment before the draw")
        return Assignment(audit.batch_id, audit.batch, audit.round, self._court.terms(audit.batch.job_id))

    def _result(self, key: tuple[Draw, Step], function: Callable[..., Any], *arguments: Any) -> Any:
        """The result of `function`, run in the background once; None until it is there."""
        work = self._work.get(key)
        if work is None:
            work = self._work[key] = self._executor.submit(function, *arguments)
        if not work.done():
            return None
        del self._work[key]
        try:
            return work.result()
        except MeritError:
            raise
        except Exception as error:  # whatever a workload throws is not the end of the node
            raise ExaminationError(f"The {key[1].value} step failed in the workload: {error!r}.") from error
