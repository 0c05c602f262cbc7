"""The contributor's agent: serves orders, submits what it served, and answers the audits of its batches."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from threading import Event as StopEvent
from typing import Any, Protocol

import structlog
from web3.types import TxReceipt

from chain.contribution import MAX_BATCH_LEAVES, Leaf, canonical_json, content_digest
from chain.errors import MeritError
from chain.typed_data import Domain, signer_of
from verifier.node.audit import Audit, Phase, fold
from verifier.node.court import Court
from verifier.node.history import REORGANISATION_DEPTH, History
from verifier.node.openings import openings_block, sampled_keys
from verifier.node.served_work import ServedWork, request_digest
from verifier.provider.ledger import Ledger
from verifier.provider.recorder import Recorder
from verifier.provider.requester import Order
from verifier.workloads.audit import disclose
from verifier.workloads.workload import Run, Workload


class Server(Protocol):
    """Whoever answers requests, honestly or not."""

    def serve(self, request: Any) -> Run[Any]:
        """The output it sends and the trace it commits to."""


class UnorderedWorkError(MeritError):
    """A request that the requester did not order from this contributor under this number."""


class ProviderAgent:
    """One contributor's work for any number of jobs that specify the same workload."""

    def __init__(
        self,
        *,
        court: Court,
        domain: Domain,
        history: History,
        ledger: Ledger,
        recorder: Recorder,
        server: Server,
        workload: Workload[Any, Any],
        confirmations: int = 0,
        least_withdrawal: int | None = 1,
    ) -> None:
        """least_withdrawal: credit, in the token's smallest unit, from which on it is withdrawn; None for never."""
        self._court = court
        self._domain = domain
        self._history = history
        self._ledger = ledger
        self._recorder = recorder
        self._server = server
        self._workload = workload
        self._confirmations = confirmations
        self._least_withdrawal = least_withdrawal
        self._log = structlog.get_logger("merit.provider").bind(contributor=court.address)
        self._audits: dict[bytes, Audit] = {}
        for batch_id in history.batches():
            self._fold(batch_id)

    def next_number(self, job_id: int) -> int:
        """The number that the next order of a job must have."""
        return max(self._ledger.next_number(job_id), self._recorder.next_number(job_id))

    def serve(self, job_id: int, orders: Sequence[Order[Any]]) -> list[Any]:
        """Do the ordered work, keep it with its traces, and hand it in together; returns the outputs.

        Raises `UnorderedWorkError` before any work is done if the job's requester did not sign each order, and
        `LedgerError` where a number is taken.
        """
        for order in orders:
            self._check_order(job_id, order)
        outputs = [self._serve(job_id, order) for order in orders]
        self.hand_in(job_id)
        return outputs

    def hand_in(self, job_id: int) -> None:
        """Submit what the ledger holds and the recorder has not: also what an earlier submission failed on."""
        first = self._recorder.next_number(job_id)
        while leaves := self._ledger.leaves(job_id, first, MAX_BATCH_LEAVES):
            self._recorder.submit(leaves)
            first += len(leaves)

    def _check_order(self, job_id: int, order: Order[Any]) -> None:
        digest = request_digest(canonical_json(asdict(order.request)))
        message = self._domain.request(job_id, self._court.address, order.sequence, digest)
        if signer_of(message, order.signature) != self._court.terms(job_id).requester:
            raise UnorderedWorkError(
                f"Number {order.sequence} was not ordered by the requester of job {job_id}; it would not be paid."
            )

    def _serve(self, job_id: int, order: Order[Any]) -> Any:
        run = self._server.serve(order.request)
        block = ServedWork(self._workload.write_evidence(order.request, run.output), order.signature).to_block()
        leaf = Leaf(
            job_id=job_id,
            contributor=self._court.address,
            sequence=order.sequence,
            units=run.trace.shape.rows,
            trace_root=run.trace.root,
            evidence=content_digest(block),
        )
        self._ledger.append(leaf, block, run.trace)
        return run.output

    def run(self, stop: StopEvent, pause: float = 1.0) -> None:
        """Look after the batches every `pause` seconds until `stop` is set."""
        while not stop.is_set():
            try:
                self.look()
            except MeritError as error:
                self._log.warning("look_failed", reason=str(error))
            stop.wait(pause)

    def look(self) -> None:
        """Read what is new on the chain, disclose what is due, and withdraw credit that is worth it."""
        for batch_id in self._history.advance(self._court, self._confirmations):
            self._fold(batch_id)
        now = self._court.now()
        for audit in list(self._audits.values()):
            phase, _ = audit.phase_at(now.timestamp, self._court.timetable(audit.batch.job_id))
            if phase is Phase.DISCLOSE:
                self._attempt("disclose", partial(self._disclose, audit))
            elif audit.settled_block is not None and now.block - audit.settled_block > REORGANISATION_DEPTH:
                self._let_go(audit)
        if self._least_withdrawal is not None and self._court.credit() >= self._least_withdrawal:
            self._attempt("withdraw", self._court.withdraw)

    def _fold(self, batch_id: bytes) -> None:
        audit = fold(self._history.events_of(batch_id))
        if audit is None or audit.batch.contributor != self._court.address:
            self._audits.pop(batch_id, None)
        else:
            self._audits[batch_id] = audit

    def _attempt(self, step: str, call: Callable[[], TxReceipt]) -> None:
        try:
            receipt = call()
            self._log.info("step_taken", step=step, gas=receipt["gasUsed"])
        except MeritError as error:
            self._log.warning("step_failed", step=step, reason=str(error))

    def _disclose(self, audit: Audit) -> TxReceipt:
        """Publish the openings first: a verifier that sees the disclosure looks for them at once."""
        if audit.round is None:
            raise ValueError("there is nothing to disclose before the draw")
        batch = audit.batch
        leaves = [leaf for leaf, _ in self._ledger.leaves(batch.job_id, batch.first, batch.count)]
        lattice = self._workload.profile.disclosed
        samples = sampled_keys(audit.round, batch.count, self._court.terms(batch.job_id).samples)
        disclosures = [disclose(self._ledger.trace(leaves[position]), key, lattice) for position, key in samples]
        block = openings_block([disclosure.opening for disclosure in disclosures])
        self._recorder.publish(block)
        digests = [word for disclosure in disclosures for word in disclosure.digest]
        return self._court.disclose(batch, digests, content_digest(block))

    def _let_go(self, audit: Audit) -> None:
        batch = audit.batch
        for leaf, _ in self._ledger.leaves(batch.job_id, batch.first, batch.count):
            self._ledger.drop_trace(leaf)
        del self._audits[audit.batch_id]
        self._history.forget(audit.batch_id)
