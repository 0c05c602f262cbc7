"""The court as a node uses it: reading blocks, events and terms, and sending the calls of an audit."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from eth_abi.abi import encode
from eth_typing import ChecksumAddress
from eth_utils.crypto import keccak
from web3.contract import Contract
from web3.contract.contract import ContractFunction
from web3.exceptions import BlockNotFound
from web3.types import TxReceipt

from chain.artifacts import load_artifact
from chain.calls import reading
from chain.contribution import Batch
from chain.events import Event, EventLog
from chain.network import Network
from chain.sender import TransactionSender
from verifier.node.assignment import JobTerms
from verifier.node.audit import NOT_REVEALED, Audit, Reveal, Timetable
from verifier.node.decisions import ChainTime
from verifier.node.journal import Draw, JournaledCommitment


class Court:
    """The court as one account sees and calls it.

    Reads raise `ChainUnavailableError`; calls raise what `TransactionSender.send` does.
    """

    def __init__(
        self, network: Network, sender: TransactionSender, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._network = network
        self._sender = sender
        self._event_log = EventLog(network)
        self._terms: dict[int, JobTerms] = {}
        self._timetable: Timetable | None = None
        self._monotonic = monotonic
        self._newest: tuple[ChainTime, float] | None = None

    @property
    def address(self) -> ChecksumAddress:
        """The account that sends."""
        return self._sender.address

    # ---------------------------------------------------------------- reading

    def head(self) -> int:
        """Number of the newest block."""
        with reading():
            return self._network.web3.eth.block_number

    def block_hash(self, number: int) -> bytes | None:
        """Hash of a block; None where the chain has no block of that number."""
        with reading():
            try:
                return bytes(self._network.web3.eth.get_block(number)["hash"])
            except BlockNotFound:
                return None

    def batch_events(self, first: int, last: int) -> list[Event]:
        """Events about batches in blocks `first` to `last`, both included."""
        with reading():
            return [event for event in self._event_log.fetch(first, last) if "batchId" in event.args]

    def now(self) -> ChainTime:
        """The newest block's number, and the timestamp that a block would have now.

        The time since the newest block was first seen is added to its timestamp, because a chain that mines only when
        there is a transaction would otherwise stand still; the machine's own date plays no part.
        """
        with reading():
            block = self._network.web3.eth.get_block("latest")
        newest = ChainTime(block["number"], block["timestamp"])
        if self._newest is None or self._newest[0] != newest:
            self._newest = (newest, self._monotonic())
        return ChainTime(newest.block, newest.timestamp + int(self._monotonic() - self._newest[1]))

    def timetable(self, job_id: int) -> Timetable:
        """Lengths of the phases of a job's audits."""
        if self._timetable is None:
            with reading():
                windows = self._structs("AuditCourt").functions.windows().call()
            self._timetable = Timetable(windows.commit, windows.disclose, windows.reveal)
        return replace(self._timetable, disclose=None) if self.terms(job_id).shared else self._timetable

    def terms(self, job_id: int) -> JobTerms:
        """The terms of a job."""
        if job_id not in self._terms:
            with reading():
                escrow = self._structs("JobEscrow").functions
                raw, requester = escrow.termsOf(job_id).call()
                fee_rate = escrow.feeRate().call()
            self._terms[job_id] = JobTerms(
                requester=requester,
                shared=raw.kind != 0,
                samples=raw.samples,
                words=raw.words,
                committee_size=raw.committeeSize,
                audit_fee=raw.auditFee,
                fee_rate=fee_rate,
                specification=raw.specification,
            )
        return self._terms[job_id]

    def next_leaf(self, job_id: int) -> int:
        """The number that this account's next batch for a job must start with."""
        with reading():
            number: int = self._network.court.functions.nextLeaf(job_id, self.address).call()
        return number

    def credit(self) -> int:
        """Tokens that the escrow holds for this account."""
        with reading():
            credit: int = self._network.escrow.functions.creditOf(self.address).call()
        return credit

    def commitment_of(self, draw: Draw, commitment: JournaledCommitment) -> bytes:
        """What `commit` sends, as `IAuditCourt.commitmentOf`."""
        findings = commitment.findings
        return keccak(
            encode(
                ["uint256", "address", "bytes32", "uint256", "address", "uint256[]", "uint8[]", "bytes32", "bytes32"],
                [
                    self._network.deployment.chain_id,
                    self._network.court.address,
                    draw.batch_id,
                    draw.round,
                    self.address,
                    findings.digests,
                    findings.verdicts,
                    findings.payload,
                    commitment.salt,
                ],
            )
        )

    # ---------------------------------------------------------------- sending

    def record(self, batch: Batch, signature: bytes) -> TxReceipt:
        """Record a batch without a recorder in between."""
        return self._send("record", [batch.as_tuple()], [signature])

    def draw(self, batch: Batch) -> TxReceipt:
        """Read the armed seed."""
        return self._send("draw", batch.as_tuple())

    def commit(self, batch_id: bytes, commitment: bytes) -> TxReceipt:
        """Commit to findings."""
        return self._send("commit", batch_id, commitment)

    def disclose(self, batch: Batch, digests: Sequence[int], openings_hash: bytes) -> TxReceipt:
        """Disclose the contributor's digests."""
        return self._send("disclose", batch.as_tuple(), list(digests), openings_hash)

    def reveal(self, batch_id: bytes, reveal: Reveal, salt: bytes) -> TxReceipt:
        """Reveal what was committed."""
        digests, verdicts, opened, payload = reveal.as_tuple()
        return self._send("reveal", batch_id, digests, verdicts, opened, payload, salt)

    def finalize(self, audit: Audit) -> TxReceipt:
        """Decide the current round from what was revealed."""
        current = audit.round
        if current is None:
            raise ValueError("an audit without a committee cannot be finalized")
        reveals = [current.reveals.get(member, NOT_REVEALED).as_tuple() for member in current.committee]
        disclosed = current.disclosure.digests if current.disclosure is not None else ()
        return self._send(
            "finalize", audit.batch.as_tuple(), current.seed, list(current.committee), reveals, list(disclosed)
        )

    def settle(self, batch: Batch) -> TxReceipt:
        """Pay, slash or return what was decided."""
        return self._send("settle", batch.as_tuple())

    def withdraw(self) -> TxReceipt:
        """Take the credit out of the escrow."""
        return self._sender.send(self._network.escrow.functions.withdraw())

    def _structs(self, name: str) -> Contract:
        """A contract whose structs are read as objects with the members' names."""
        abi = load_artifact(name).abi
        address = self._network.deployment.addresses[name]
        return self._network.web3.eth.contract(address=address, abi=abi, decode_tuples=True)

    def _send(self, function: str, *arguments: object) -> TxReceipt:
        call: ContractFunction = self._network.court.functions[function](*arguments)
        return self._sender.send(call)
