"""The verifier node: looks at the chain, does what there is to do, and may be killed between any two instructions."""

import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from functools import partial
from threading import Event as StopEvent
from typing import Any, Protocol

import structlog
from web3.types import TxReceipt

from chain.errors import ChainUnavailableError, MeritError, TransactionRevertedError
from verifier.node.accounting import result
from verifier.node.assignment import Assignment
from verifier.node.audit import Audit, Disclosure, Phase, Reveal, fold
from verifier.node.capacity import Capacity
from verifier.node.court import Court
from verifier.node.decisions import DUTIES, ChainTime, Step, current_draw, is_last_call, next_step
from verifier.node.history import REORGANISATION_DEPTH, History
from verifier.node.journal import Draw, Findings, Journal
from verifier.node.schedule import Schedule
from verifier.node.telemetry import Telemetry

Call = Callable[[], TxReceipt]
# Stands for the batch of a transaction that belongs to none.
_NO_BATCH = bytes(32)


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


@dataclass(frozen=True)
class Executors:
    """Threads for examinations, and for transactions that wait to be mined."""

    examinations: Executor
    transactions: Executor


@dataclass(frozen=True)
class _Sending:
    """A transaction on its way."""

    step: Step
    round: int
    receipt: Future[TxReceipt]


class VerifierNode:
    """Takes the audits that its account is drawn for, from the commitment to the settlement."""

    def __init__(
        self,
        court: Court,
        history: History,
        journal: Journal,
        examiner: Examiner,
        executors: Executors,
        *,
        telemetry: Telemetry | None = None,
        confirmations: int = 0,
        patience: float = 10.0,
        pause: float = 1.0,
        least_withdrawal: int | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """patience: seconds that others get for a step that anyone may take. pause: seconds between looks.

        least_withdrawal: credit, in the token's smallest unit, from which on it is withdrawn; None for never.
        """
        self._court = court
        self._history = history
        self._journal = journal
        self._examiner = examiner
        self._executors = executors
        self._telemetry = telemetry or Telemetry()
        self._confirmations = confirmations
        self._pause = pause
        self._least_withdrawal = least_withdrawal
        self._monotonic = monotonic
        self._schedule = Schedule(court.address, patience, pause, monotonic)
        self._capacity = Capacity(monotonic)
        self._log = structlog.get_logger("merit.node").bind(verifier=court.address)
        self._audits: dict[bytes, Audit] = {}
        self._work: dict[tuple[Draw, Step], Future[Any]] = {}
        self._sending: dict[bytes, _Sending] = {}
        self._unknown: set[Draw] = set()
        for batch_id in history.batches():
            self._fold(batch_id)

    # ---------------------------------------------------------------- the loop

    def run(self, stop: StopEvent) -> None:
        """Look at the chain again and again until `stop` is set. Whatever fails is tried again."""
        self._log.info("node_started", next_block=self._history.next_block, audits=len(self._audits))
        while not stop.is_set():
            try:
                self.look()
            except MeritError as error:
                self._telemetry.failed(str(error))
                self._log.warning("look_failed", reason=str(error))
            except Exception as error:  # an endpoint can answer anything; a stake hangs on trying again
                self._telemetry.failed(repr(error))
                self._log.exception("look_failed")
            stop.wait(self._pause)
        self._log.info("node_stopped", next_block=self._history.next_block)

    def look(self) -> None:
        """Read what is new on the chain and do everything that is due. Raises `ChainUnavailableError`."""
        self._collect()
        for batch_id in self._history.advance(self._court, self._confirmations):
            self._fold(batch_id)
        now = self._court.now()
        for audit in list(self._audits.values()):
            try:
                self._attend(audit, now)
            except ChainUnavailableError:
                raise
            except MeritError as error:
                self._log.warning("audit_failed", batch=audit.batch_id.hex(), reason=str(error))
            except Exception:  # one audit that cannot be understood must not cost the others
                self._log.exception("audit_failed", batch=audit.batch_id.hex())
        self._withdraw()
        self._collect()
        self._report(now)

    def _fold(self, batch_id: bytes) -> None:
        before, audit = self._audits.get(batch_id), fold(self._history.events_of(batch_id))
        if audit is None:
            self._audits.pop(batch_id, None)
            return
        self._audits[batch_id] = audit
        known = len(before.penalties) if before is not None else 0
        for account, amount in audit.penalties[known:]:
            if account == self._court.address:
                self._telemetry.penalized()
                self._log.error("penalized", batch=batch_id.hex(), amount=amount)

    def _collect(self) -> None:
        """Take in the transactions that were mined or refused."""
        for batch_id, sending in list(self._sending.items()):
            if not sending.receipt.done():
                continue
            del self._sending[batch_id]
            log = self._log.bind(batch=batch_id.hex(), round=sending.round, step=sending.step.value)
            try:
                receipt = sending.receipt.result()
            except TransactionRevertedError as error:
                # Somebody was faster, or the chain has moved on; what the events say next decides.
                self._telemetry.step(sending.step, "refused")
                log.info("step_refused", error=error.name, reason=str(error))
            except Exception as error:
                self._telemetry.step(sending.step, "failed")
                log.warning("step_failed", reason=str(error))
            else:
                gas, price = receipt["gasUsed"], receipt["effectiveGasPrice"]
                self._journal.record_spending(
                    bytes(receipt["transactionHash"]), batch_id, sending.step.value, gas, price
                )
                self._telemetry.step(sending.step, "taken")
                self._telemetry.spent(sending.step, gas * price)
                log.info("step_taken", gas=gas)

    # ---------------------------------------------------------------- one audit

    def _attend(self, audit: Audit, now: ChainTime) -> None:
        """Start the audit's next step if there is one and it is due."""
        if audit.settled_block is not None:
            if now.block - audit.settled_block > REORGANISATION_DEPTH:
                self._let_go(audit)
            return
        if audit.batch_id in self._sending:
            return
        timetable = self._court.timetable(audit.batch.job_id)
        step = next_step(audit, self._court.address, self._is_journaled(audit), now, timetable)
        round_number = audit.round.number if audit.round is not None else 0
        if step is None or not self._schedule.is_due(audit.batch_id, round_number, step):
            return
        _, deadline = audit.phase_at(now.timestamp, timetable)
        try:
            call = self._call(step, audit, deadline - now.timestamp, is_last_call(audit, now, timetable))
        except MeritError as error:
            self._telemetry.step(step, "failed")
            self._log.warning("step_failed", batch=audit.batch_id.hex(), step=step.value, reason=str(error))
            self._schedule.tried(audit.batch_id)
            return
        if call is not None:
            # An examination that has led to a call is a commitment from here on.
            step = Step.COMMIT if step is Step.EXAMINE else step
            self._sending[audit.batch_id] = _Sending(step, round_number, self._executors.transactions.submit(call))
            self._schedule.tried(audit.batch_id)

    def _is_journaled(self, audit: Audit) -> bool:
        """Whether the journal holds this round's commitment: the one on the chain, if there is one already."""
        draw = current_draw(audit)
        if draw is None or audit.round is None:
            return False
        kept, sent = self._journal.commitment(draw), audit.round.commitments.get(self._court.address)
        if sent is None or (kept is not None and self._court.commitment_of(draw, kept) == sent):
            return kept is not None
        if draw not in self._unknown:
            self._unknown.add(draw)
            self._telemetry.unknown_commitment()
            self._log.error("commitment_unknown", batch=audit.batch_id.hex(), round=draw.round)
        return False

    def _call(self, step: Step, audit: Audit, seconds_left: int, last_call: bool) -> Call | None:
        """The transaction of a step; None while it is still being worked on."""
        match step:
            case Step.DRAW:
                return partial(self._court.draw, audit.batch)
            case Step.EXAMINE | Step.COMMIT:
                return self._commit(audit, seconds_left, last_call)
            case Step.REVEAL:
                return self._reveal(audit, last_call)
            case Step.FINALIZE:
                return partial(self._court.finalize, audit)
            case Step.SETTLE:
                return partial(self._court.settle, audit.batch)
            case Step.WITHDRAW:
                return self._court.withdraw

    def _commit(self, audit: Audit, seconds_left: int, last_call: bool) -> Call | None:
        """Examine, put the findings and their salt on disk, and only then tell the chain."""
        assignment = self._assignment(audit)
        kept = self._journal.commitment(assignment.draw)
        if kept is None:
            key = (assignment.draw, Step.EXAMINE)
            if key not in self._work and not self._capacity.admits(len(self._work), seconds_left):
                self._telemetry.step(Step.EXAMINE, "declined")
                self._schedule.tried(audit.batch_id)
                self._log.warning(
                    "audit_declined",
                    batch=audit.batch_id.hex(),
                    seconds_left=seconds_left,
                    waiting=len(self._work),
                    average=self._capacity.average,
                )
                return None
            findings = self._result(key, self._examine, assignment, last_call)
            if findings is None:
                return None
            kept = self._journal.keep_commitment(assignment.draw, findings)
        return partial(self._court.commit, audit.batch_id, self._court.commitment_of(assignment.draw, kept))

    def _reveal(self, audit: Audit, last_call: bool) -> Call | None:
        assignment = self._assignment(audit)
        kept = self._journal.commitment(assignment.draw)
        disclosure = assignment.drawn.disclosure
        if kept is None:
            raise ValueError("there is nothing to reveal before there is a commitment")
        findings, opened = kept.findings, 0
        if disclosure is not None:
            key = (assignment.draw, Step.REVEAL)
            opened = self._result(key, self._examiner.opened, assignment, findings, disclosure, last_call)
            if opened is None:
                return None
        reveal = Reveal(findings.digests, findings.verdicts, opened, findings.payload)
        return partial(self._court.reveal, audit.batch_id, reveal, kept.salt)

    def _assignment(self, audit: Audit) -> Assignment:
        if audit.round is None:
            raise ValueError("there is no assignment before the draw")
        return Assignment(audit.batch_id, audit.batch, audit.round, self._court.terms(audit.batch.job_id))

    def _examine(self, assignment: Assignment, last_call: bool) -> Findings:
        started = self._monotonic()
        self._capacity.began()
        try:
            return self._examiner.examine(assignment, last_call)
        finally:
            self._capacity.ended()
            self._telemetry.examined(self._monotonic() - started)

    def _result(self, key: tuple[Draw, Step], function: Callable[..., Any], *arguments: Any) -> Any:
        """The result of `function`, run in the background once; None until it is there."""
        work = self._work.get(key)
        if work is None:
            work = self._work[key] = self._executors.examinations.submit(function, *arguments)
        if not work.done():
            return None
        del self._work[key]
        try:
            return work.result()
        except MeritError:
            raise
        except Exception as error:  # whatever a workload throws is not the end of the node
            raise ExaminationError(f"The {key[1].value} step failed in the workload: {error!r}.") from error

    def _withdraw(self) -> None:
        """Take credit that is worth a transaction out of the escrow."""
        if self._least_withdrawal is None or _NO_BATCH in self._sending:
            return
        if not self._schedule.is_due(_NO_BATCH, 0, Step.WITHDRAW):
            return
        self._schedule.tried(_NO_BATCH)
        if self._court.credit() >= self._least_withdrawal:
            receipt = self._executors.transactions.submit(self._court.withdraw)
            self._sending[_NO_BATCH] = _Sending(Step.WITHDRAW, 0, receipt)

    def _let_go(self, audit: Audit) -> None:
        """Account for an audit that cannot change any more and forget it."""
        balance = result(audit, self._court.address, self._court.terms(audit.batch.job_id))
        if balance.earned or balance.lost:
            self._journal.record_result(audit.batch_id, balance.earned, balance.lost)
        del self._audits[audit.batch_id]
        self._history.forget(audit.batch_id)
        self._schedule.forget(audit.batch_id)
        for key in [key for key in self._work if key[0].batch_id == audit.batch_id]:
            del self._work[key]

    # ---------------------------------------------------------------- what it says about itself

    def _report(self, now: ChainTime) -> None:
        phases = Counter({phase.name.lower(): 0 for phase in Phase if phase is not Phase.NONE})
        duties = []
        for audit in self._audits.values():
            timetable = self._court.timetable(audit.batch.job_id)
            phase, deadline = audit.phase_at(now.timestamp, timetable)
            phases[phase.name.lower()] += 1
            step = next_step(audit, self._court.address, self._is_journaled(audit), now, timetable)
            if step in DUTIES:
                duties.append(
                    {"batch": audit.batch_id.hex(), "step": step.value, "seconds_left": deadline - now.timestamp}
                )
        totals = self._journal.totals()
        open_results = [
            result(audit, self._court.address, self._court.terms(audit.batch.job_id)) for audit in self._audits.values()
        ]
        self._telemetry.looked(
            now,
            phases,
            len(duties),
            {
                "verifier": self._court.address,
                "block": now.block,
                "next_block": self._history.next_block,
                "audits": phases,
                "duties": duties,
                "earned": str(totals.earned + sum(balance.earned for balance in open_results)),
                "lost": str(totals.lost + sum(balance.lost for balance in open_results)),
                "gas_spent_wei": str(sum(totals.spent.values())),
                "gas_spent_wei_by_step": {step: str(wei) for step, wei in totals.spent.items()},
            },
        )
