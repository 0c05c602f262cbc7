"""What the recorder asks of the chain, and says to it."""

from typing import Any, Protocol

from web3.contract.contract import ContractFunction

from backend.batches.phases import PHASES
from chain.calls import read
from chain.contribution import Batch
from chain.network import Network
from chain.sender import TransactionSender


class Court(Protocol):
    """The audit court as the recorder and the keeper see it. Calls raise the errors of `chain.errors`."""

    def phase(self, batch_id: bytes) -> str:
        """Name of the batch's phase now; deadlines that have passed count."""

    def next_leaf(self, job_id: int, contributor: str) -> int:
        """Number that the contributor's next batch must start with."""

    def record(self, batches: list[Batch], signatures: list[bytes]) -> int:
        """Record batches, all or none. Returns the number of the block that holds them."""

    def draw(self, batch: Batch) -> None:
        """Read the seed."""

    def finalize(
        self, batch: Batch, seed: bytes, committee: list[str], reveals: list[tuple[Any, ...]], disclosed: list[int]
    ) -> None:
        """Decide a round."""

    def settle(self, batch: Batch) -> None:
        """Pay, slash or return."""


class NetworkCourt:
    """`Court` on a network, with the recorder's key."""

    def __init__(self, network: Network, sender: TransactionSender) -> None:
        self._functions = network.court.functions
        self._sender = sender

    def phase(self, batch_id: bytes) -> str:
        """Name of the batch's phase now; deadlines that have passed count."""
        return PHASES[read(self._functions.auditOf(batch_id))[0]]

    def next_leaf(self, job_id: int, contributor: str) -> int:
        """Number that the contributor's next batch must start with."""
        number: int = read(self._functions.nextLeaf(job_id, contributor))
        return number

    def record(self, batches: list[Batch], signatures: list[bytes]) -> int:
        """Record batches, all or none. Returns the number of the block that holds them."""
        return self._send(self._functions.record([batch.as_tuple() for batch in batches], signatures))

    def draw(self, batch: Batch) -> None:
        """Read the seed."""
        self._send(self._functions.draw(batch.as_tuple()))

    def finalize(
        self, batch: Batch, seed: bytes, committee: list[str], reveals: list[tuple[Any, ...]], disclosed: list[int]
    ) -> None:
        """Decide a round."""
        self._send(self._functions.finalize(batch.as_tuple(), seed, committee, reveals, disclosed))

    def settle(self, batch: Batch) -> None:
        """Pay, slash or return."""
        self._send(self._functions.settle(batch.as_tuple()))

    def _send(self, call: ContractFunction) -> int:
        return self._sender.send(call)["blockNumber"]
