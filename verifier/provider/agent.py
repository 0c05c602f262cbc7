"""The contributor's agent: serves orders, submits what it served, and answers the audits of its batches."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from threading import Event as StopEvent
from typing import Any, Protocol

import structlog
from web3.types import TxReceipt

from chain.contribution import Leaf, canonical_json, content_digest
from chain.errors import MeritError
from chain.typed_data import Domain, signer_of
from verifier.node.audit import Audit, Phase, fold
from verifier.node.court import Court
from verifier.node.history import REORGANISATION_DEPTH, History
from verifier.node.openings import openings_block, sampled_keys
from verifier.node.served_work import ServedWork, request_digest
from verifier.provider.ledger import Ledger
from verifier.provider.requester import Order
from verifier.workloads.audit import disclose
from verifier.workloads.workload import Run, Workload


class Server(Protocol):
    """Whoever answers requests, honestly or not."""

    def serve(self, request: Any) -> Run[Any]:
        """The output it sends and the trace it commits to."""


class Recorder(Protocol):
    """Where evidence is published and leaves are handed in."""

    def publish(self, block: bytes) -> None:
        """Store an evidence block where verifiers look for it."""

    def submit(self, leaves: Sequence[Leaf]) -> None:
        """Hand in leaves that follow those handed in before."""


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
        least_withdrawal: int = 1,
    ) -> None:
        """least_withdrawal: credit, in the token's smallest unit, from which on it is worth a transaction."""
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

    def serve(self, order: Order[Any]) -> Any:
        """Do the ordered work, keep its trace, hand it in; returns the output.

        Raises `UnorderedWorkError` before any work is done if the job's requester did not sign the order, and
        `LedgerError` where its number is taken.
        """
        digest = request_digest(canonical_json(asdict(order.request)))
        message = self._domain.request(order.job_id, self._court.address, order.sequence, digest)
        if signer_of(message, order.signature) != self._court.terms(order.job_id).requester:
            raise UnorderedWorkError(
                f"Number {order.sequence} was not ordered by the requester of job {order.job_id}; it would not be paid."
            )
        run = self._server.serve(order.request)
        work = self._workload.write_evidence(order.request, run.output)
        block = ServedWork(work, order.signature).to_block()
        leaf = Leaf(
            job_id=order.job_id,
            contributor=self._court.address,
            sequence=order.sequence,
            units=run.trace.shape.rows,
            trace_root=run.trace.root,
            evidence=content_digest(block),
        )
        self._ledger.append(leaf, run.trace)
        self._recorder.publish(block)
        self._recorder.submit([leaf])
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
        if self._court.credit() >= self._least_withdrawal:
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
        leaves = self._ledger.leaves(batch.job_id, batch.first)
        lattice = self._workload.profile.lattice
        samples = sampled_keys(audit.round, batch.count, self._court.terms(batch.job_id).samples)
        disclosures = [disclose(self._ledger.trace(leaves[position]), key, lattice) for position, key in samples]
        block = openings_block([disclosure.opening for disclosure in disclosures])
        self._recorder.publish(block)
        digests = [word for disclosure in disclosures for word in disclosure.digest]
        return self._court.disclose(batch, digests, content_digest(block))

    def _let_go(self, audit: Audit) -> None:
        batch = audit.batch
        for leaf in self._ledger.leaves(batch.job_id, batch.first)[: batch.count]:
            self._ledger.drop_trace(leaf)
        del self._audits[audit.batch_id]
        self._history.forget(audit.batch_id)
