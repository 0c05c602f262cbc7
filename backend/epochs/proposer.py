"""Closes epochs, proposes their scores with a bond, answers for them, makes them final and checks scores in."""

from collections.abc import Callable
from dataclasses import astuple

import structlog

from backend.epochs.service import EpochReader
from backend.evidence.store import EvidenceStore
from chain.calls import read
from chain.errors import MeritError
from chain.network import Network
from chain.sender import TransactionSender
from verifier.epochs.proposals import Dispute, DisputeStatus, Proposal, Question, Status, subject_argument
from verifier.epochs.tree import RowTree

_log = structlog.get_logger()
_CHECK_INS_PER_STEP = 32


class ProposalMismatchError(MeritError):
    """The index and the contracts do not agree on the graph."""


class EpochProposer:
    """Any number may run: the contracts take one proposal for an epoch."""

    def __init__(
        self,
        network: Network,
        sender: TransactionSender,
        epochs: EpochReader,
        store: EvidenceStore,
        now: Callable[[], float],
    ) -> None:
        self._network = network
        self._sender = sender
        self._epochs = epochs
        self._store = store
        self._now = now

    def step(self) -> None:
        """Make every call that is due."""
        graph, oracle = self._network.graph.functions, self._network.oracle.functions
        closed, closed_at, nodes = read(graph.boundary())
        now = self._now()
        if closed and not self._epochs.has_closed(closed):
            return  # the index is behind; the edges of the epoch are not all here yet
        if closed and nodes:
            proposal = Proposal.read(self._network, closed)
            if proposal.status is Status.LIVE and proposal.open_disputes:
                self._answer(proposal)
            elif proposal.status is Status.LIVE and now >= proposal.closes_at:
                self._sender.send(oracle.finalize(closed))
                _log.info("epoch final", epoch=closed)
            elif proposal.status is Status.FINAL:
                self._check_in(closed)
            elif proposal.status is not Status.LIVE and now <= closed_at + read(oracle.proposalWindow()):
                self._propose(closed, nodes)
        is_over = now >= closed_at + read(graph.epochLength())
        if is_over and self._epochs.has_feedback_since(closed) and read(oracle.isSettled(closed)):
            self._sender.send(graph.closeEpoch())
            _log.info("epoch closed", epoch=closed + 1)

    def _propose(self, epoch: int, nodes: int) -> None:
        scores = self._epochs.scores(epoch)
        if len(scores.rows) != nodes:
            raise ProposalMismatchError(
                f"The index has {len(scores.rows)} accounts for epoch {epoch} and the contracts {nodes}; "
                "rebuild the index from an empty database."
            )
        rows = self._store.put(scores.document)
        oracle = self._network.oracle
        self._approve_bond()
        self._sender.send(
            oracle.functions.propose(epoch, scores.root, nodes, read(oracle.functions.paramsHash()), rows.digest)
        )
        _log.info("epoch proposed", epoch=epoch, rows=nodes)

    def _answer(self, proposal: Proposal) -> None:
        """Answer what is open. Whoever has the same rows may show one; for a diagonal only the proposer can answer."""
        scores = self._epochs.scores(proposal.epoch)
        if scores.root != proposal.rows_root:
            return  # somebody else's rows
        for question in self._epochs.questions(proposal.epoch, proposal.attempt):
            if Dispute.read(self._network, question).status is not DisputeStatus.OPEN:
                continue
            if question.index is not None:
                self._answer_row(question, scores, question.index)
            elif proposal.proposer == self._sender.address:
                self._answer_diagonal(question, scores)

    def _answer_row(self, question: Question, scores: RowTree, index: int) -> None:
        epoch, subject = question.epoch, question.subject
        tree = scores if subject is None else self._epochs.visits(epoch, subject)
        call = self._network.oracle.functions.answerRow(epoch, subject_argument(subject), tree.proven(index))
        self._sender.send(call)
        _log.info("row answered", epoch=epoch, index=index)

    def _answer_diagonal(self, question: Question, scores: RowTree) -> None:
        epoch, subject = question.epoch, question.subject
        if subject is None:
            return
        visits, position = self._epochs.visits(epoch, subject), scores.positions[subject]
        published = self._store.put(visits.document)
        entry = visits.proven(position)
        call = self._network.oracle.functions.answerDiagonal
        self._sender.send(call(epoch, visits.root, published.digest, scores.proven(position), entry))
        _log.info("diagonal answered", epoch=epoch, account=subject)

    def _approve_bond(self) -> None:
        oracle, token = self._network.oracle, self._network.token
        bond = read(oracle.functions.bond())
        if read(token.functions.allowance(self._sender.address, oracle.address)) < bond:
            self._sender.send(token.functions.approve(oracle.address, bond))

    def _check_in(self, epoch: int) -> None:
        """Write scores that other contracts should see: those that differ from what they see now."""
        scores = self._epochs.scores(epoch)
        if scores.root != Proposal.read(self._network, epoch).rows_root:
            return  # somebody else's rows became final; their proofs are in the evidence that their proposal names
        stale = self._stale(scores)[:_CHECK_INS_PER_STEP]
        found = [row for row in map(scores.row_of, stale) if row is not None]
        check_in = self._network.oracle.functions.checkIn
        self._sender.send_all([check_in(epoch, astuple(row), proof) for row, proof in found])

    def _stale(self, scores: RowTree) -> list[str]:
        seen = self._epochs.checked_in()
        return [row.account for row in scores.rows if row.score != seen.get(row.account, 0)]
