"""Voids wrong proposals: proves a fault where the contracts take a proof, asks where only an answer can be one."""

import time
from collections.abc import Callable, Iterator

from eth_abi.abi import encode
from eth_utils.crypto import keccak
from web3.contract.contract import ContractFunction

from chain.calls import read
from chain.network import Network
from chain.sender import TransactionSender
from verifier.epochs.examination import Examination, Fetch, examine, published_tree
from verifier.epochs.faults import (
    Disorder,
    FalseCut,
    Fault,
    HiddenBridge,
    LowDiagonal,
    Omission,
    Unshown,
    WrongDiagonal,
    WrongRow,
    find_faults,
    region_behind,
)
from verifier.epochs.history import EpochHistory
from verifier.epochs.proposals import Dispute, DisputeStatus, Proposal, Question, Status, subject_argument
from verifier.epochs.rows import build_visits
from verifier.epochs.tree import ProvenRow, RowTree
from verifier.epochs.withheld import next_demands, rows_with_answers
from verifier.node.evidence import EvidenceUnreachableError

# In-neighbours' rows in one transaction: below five million gas with proofs of seventeen nodes.
NEIGHBORS_PER_CALL = 100

Disputes = dict[Question, Dispute]


class EpochChallenger:
    """Watches the proposals of one network for one account. All that it knows can be read again from the chain."""

    def __init__(
        self, network: Network, sender: TransactionSender, fetch: Fetch, clock: Callable[[], float] = time.time
    ) -> None:
        """fetch: published rows by their digest."""
        self._network = network
        self._calls = network.oracle.functions
        self._sender = sender
        self._fetch = fetch
        self._clock = clock
        self._history = EpochHistory(network)
        self._examined: Examination | None = None
        self._over: set[bytes] = set()

    @property
    def examined(self) -> Examination | None:
        """What was found about the last live proposal."""
        return self._examined

    def step(self) -> list[str]:
        """Do what is due about the live proposal and about own questions; returns a sentence for each thing done.

        Raises `ChainUnavailableError`, and what `TransactionSender.send` does where somebody else was faster.
        """
        self._history.advance()
        done = list(self._settle())
        epoch, _, _ = read(self._network.graph.functions.boundary())
        proposal = Proposal.read(self._network, epoch)
        if proposal.status is Status.LIVE:
            done += self._dispute(self._examine(proposal))
        return done

    def _examine(self, proposal: Proposal) -> Examination:
        """Once for each proposal, and again while its rows are not there."""
        known = self._examined
        if (
            known is None
            or known.published is None
            or (known.proposal.epoch, known.proposal.attempt) != (proposal.epoch, proposal.attempt)
        ):
            known = examine(self._network, self._history, self._fetch_for(proposal), proposal)
            self._examined = known
        return known

    # ---------------------------------------------------------------- the live proposal

    def _dispute(self, found: Examination) -> Iterator[str]:
        if found.is_right:
            return
        disputes = self._disputes(found.proposal)
        for question, dispute in disputes.items():
            if dispute.status is DisputeStatus.OPEN and self._now() > dispute.deadline:
                self._sender.send(self._calls.expireDispute(question.id))
                yield f"The proposal for epoch {question.epoch} is void: a question was not answered in time."
                return
        if found.published is None:
            yield from self._demand(found, found.honest, disputes)
            return
        for fault in found.faults:
            done = list(self._pursue(found, found.published, fault, disputes))
            yield from done
            if done or any(dispute.status is DisputeStatus.OPEN for dispute in disputes.values()):
                return

    def _pursue(self, found: Examination, tree: RowTree, fault: Fault, disputes: Disputes) -> Iterator[str]:
        """Prove a fault, or ask what will prove it; nothing where that was done and led nowhere."""
        epoch = found.proposal.epoch
        match fault:
            case WrongRow(position=position):
                self._challenge_row(found, tree, position)
            case FalseCut(position=position, neighbor=neighbor):
                self._sender.send(self._calls.challengeBridge(epoch, tree.proven(position), tree.proven(neighbor)))
            case LowDiagonal(position=position, cycle=cycle):
                self._sender.send(self._calls.challengeCycle(epoch, tree.proven(position), cycle))
            case Disorder(first=first, second=second):
                subject = subject_argument(tree.subject)
                call = self._calls.challengeOrder(epoch, subject, tree.proven(first), tree.proven(second))
                self._sender.send(call)
            case Omission(account=account, around=around):
                subject, rows = subject_argument(tree.subject), [tree.proven(position) for position in around]
                self._sender.send(self._calls.challengeMissing(epoch, subject, account, rows))
            case Unshown(index=index):
                question = Question(epoch, found.proposal.attempt, tree.subject, index)
                yield from self._ask(question, disputes, fault.sentence)
                return
            case WrongDiagonal(position=position):
                question = Question(epoch, found.proposal.attempt, tree.rows[position].account, None)
                yield from self._ask(question, disputes, fault.sentence)
                yield from self._dispute_answer(found, question, disputes)
                return
            case HiddenBridge():
                self._challenge_hidden_bridge(found, tree, fault)
        yield f"The proposal for epoch {epoch} is void: {fault.sentence}."

    def _challenge_row(self, found: Examination, tree: RowTree, position: int) -> None:
        """In as many transactions as its in-neighbours need, going on where an earlier attempt stopped."""
        account, leaf = tree.rows[position].account, tree.leaves[position]
        trusting = list(found.graph.trusting.get(account, {}))
        distrusting = [] if tree.subject else list(found.graph.distrusting.get(account, {}))
        told = [
            (event.args["trusting"], event.args["distrusting"])
            for event in self._history.attempt(tree.epoch)
            if event.name == "RowChallengeAdvanced"
            and event.args["challenger"] == self._sender.address
            and bytes(event.args["leaf"]) == leaf
        ]
        done, done_distrusting = told[-1] if told else (0, 0)
        waiting = [(account, True) for account in trusting[done:]]
        waiting += [(account, False) for account in distrusting[done_distrusting:]]
        scores = found.published if tree.subject is None else tree
        if scores is None:
            raise ValueError("rows that are not known cannot be shown")
        for start in range(0, max(len(waiting), 1), NEIGHBORS_PER_CALL):
            part = waiting[start : start + NEIGHBORS_PER_CALL]
            rows: dict[bool, list[ProvenRow]] = {True: [], False: []}
            for neighbor, trusts in part:
                rows[trusts].append(scores.proven(scores.positions[neighbor]))
            subject = subject_argument(tree.subject)
            call = self._calls.challengeRow(tree.epoch, subject, tree.proven(position), rows[True], rows[False])
            self._sender.send(call)

    def _challenge_hidden_bridge(self, found: Examination, tree: RowTree, fault: HiddenBridge) -> None:
        """In as many transactions as the region's in-edges need, going on where an earlier attempt stopped."""
        region = region_behind(tree, found.graph, fault)
        sources = [list(found.graph.trusting.get(member, {})) for member in region]
        leaf, attempt = tree.leaves[fault.position], found.proposal.attempt
        challenge = keccak(
            encode(
                ["bytes32", "address", "address[]", "uint256", "address"],
                [leaf, fault.bridge, region, attempt, self._sender.address],
            )
        )
        told = [
            (event.args["members"], event.args["edges"])
            for event in self._history.attempt(tree.epoch)
            if event.name == "RegionChallengeAdvanced" and bytes(event.args["challenge"]) == challenge
        ]
        members, edges = told[-1] if told else (0, 0)
        waiting = [source for trusting in sources for source in trusting]
        waiting = waiting[sum(map(len, sources[:members])) + edges :]
        within = set(region)
        for start in range(0, len(waiting), NEIGHBORS_PER_CALL):
            part = waiting[start : start + NEIGHBORS_PER_CALL]
            entries = [tree.proven(tree.positions[source]) for source in part if source not in within]
            # The last call passes the members without in-edges, too.
            count = len(part) if start + len(part) < len(waiting) else len(part) + 1
            proven = tree.proven(fault.position)
            call = self._calls.challengeHiddenBridge(tree.epoch, proven, fault.bridge, region, entries, count)
            self._sender.send(call)

    # ---------------------------------------------------------------- questions

    def _disputes(self, proposal: Proposal) -> Disputes:
        """Everything that was asked about a proposal, by whomever."""
        asked = (proposal.epoch, proposal.attempt)
        questions = [question for question in self._history.questions() if (question.epoch, question.attempt) == asked]
        return {question: Dispute.read(self._network, question) for question in questions}

    def _ask(self, question: Question, disputes: Disputes, reason: str) -> Iterator[str]:
        """Put a question, with its bond, unless it was put."""
        if question in disputes:
            return
        proposal = Proposal.read(self._network, question.epoch)
        price = read(self._calls.disputeBond()) * (proposal.open_disputes + 1)
        oracle, token = self._network.oracle, self._network.token.functions
        if read(token.allowance(self._sender.address, oracle.address)) < price:
            self._sender.send(token.approve(oracle.address, price))
        call: ContractFunction
        if question.index is None:
            call = self._calls.challengeDiagonal(question.epoch, question.subject)
        else:
            call = self._calls.demandRow(question.epoch, subject_argument(question.subject), question.index)
        self._sender.send(call)
        yield f"The proposer of epoch {question.epoch} has to answer: {reason}."

    def _dispute_answer(self, found: Examination, question: Question, disputes: Disputes) -> Iterator[str]:
        """Check the visits that a proposer gave for a diagonal like the scores themselves."""
        dispute, subject = disputes.get(question), question.subject
        if dispute is None or dispute.status is not DisputeStatus.ANSWERED or subject is None:
            return
        own = RowTree(question.epoch, build_visits(found.graph, found.parameters, subject), subject)
        tree = self._answer(own, dispute.root, found.proposal)
        if tree is None:
            yield from self._demand(found, own, disputes)
            return
        for fault in find_faults(tree, found.graph, found.parameters):
            yield from self._pursue(found, tree, fault, disputes)
            return

    def _answer(self, own: RowTree, root: bytes, proposal: Proposal) -> RowTree | None:
        """The tree of visits that answers for a diagonal; None where its rows are not to be had."""
        told = rows_with_answers(self._history, own)
        if told.root == root:
            return told
        digests: list[bytes] = [
            bytes(event.args["rowsCid"])
            for event in self._history.attempt(own.epoch)
            if event.name == "DiagonalAnswered" and event.args["account"] == own.subject
        ]
        return published_tree(digests[-1], root, proposal, self._fetch_for(proposal), own.subject) if digests else None

    def _demand(self, found: Examination, own: RowTree, disputes: Disputes) -> Iterator[str]:
        """Ask for rows of a tree that was not published, as many at once as the time that is left demands."""
        if any(dispute.status is DisputeStatus.OPEN for dispute in disputes.values()):
            return
        proposal, window = found.proposal, read(self._calls.challengeWindow())
        end = proposal.finalizable_at + read(self._calls.MAX_EXTENSIONS()) * window
        rounds = max(int((end - self._now()) // window), 1)
        asked = [question.index for question in disputes if question.subject == own.subject]
        rows = [index for index in asked if index is not None]
        for index in next_demands(self._network, self._history, own, rows, rounds):
            question = Question(own.epoch, proposal.attempt, own.subject, index)
            yield from self._ask(question, disputes, f"row {index} was not published")

    def _settle(self) -> Iterator[str]:
        """Take back what was staked on questions about proposals that are void by now, and the bounties."""
        for question in self._history.questions():
            if question.id in self._over:
                continue
            dispute = Dispute.read(self._network, question)
            if dispute.challenger != self._sender.address or dispute.status is DisputeStatus.SETTLED:
                self._over.add(question.id)
                continue
            proposal = Proposal.read(self._network, question.epoch)
            if proposal.attempt > question.attempt or proposal.status is Status.VOID:
                self._sender.send(self._calls.settleDispute(question.id))
                self._over.add(question.id)
            elif proposal.status is Status.FINAL:
                self._over.add(question.id)
                yield f"The bond of a question about epoch {question.epoch} is lost: its proposal became final."
        credit = read(self._calls.creditOf(self._sender.address))
        if credit:
            self._sender.send(self._calls.withdraw())
            yield f"Withdrew {credit} of the token's smallest unit in bonds and bounties."

    def _fetch_for(self, proposal: Proposal) -> Fetch:
        """A store that is silent is waited for until half of the proposal's own window is over."""
        patient_until = proposal.finalizable_at - read(self._calls.challengeWindow()) / 2

        def fetch(digest: bytes) -> bytes | None:
            try:
                return self._fetch(digest)
            except EvidenceUnreachableError:
                if self._now() < patient_until:
                    raise
                return None

        return fetch

    def _now(self) -> float:
        """A chain that mines only when there is a transaction stands still; one that was moved on is ahead."""
        return max(self._clock(), self._network.web3.eth.get_block("latest")["timestamp"])
