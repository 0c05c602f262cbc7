"""Epochs on a local chain without audits: the court's account is impersonated, or its writes are put into storage.

The oracle, the graph and the token are the deployed contracts. Only who writes feedback is not real, so that a test or
a benchmark can afford any graph.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_typing import ChecksumAddress
from eth_utils.abi import function_signature_to_4byte_selector
from eth_utils.crypto import keccak
from web3.types import RPCEndpoint

from chain.calls import read
from chain.deploy import deploy
from chain.localnet import DEVELOPMENT_KEY, local_chain
from chain.network import Network, connect
from chain.parameters import LOCAL, TOKEN, ReputationParameters
from chain.sender import TransactionSender
from verifier.epochs.boundary import DISTRUST, TRUST, BoundaryGraph, InEdges
from verifier.epochs.tree import RowTree

CHALLENGE_WINDOW, PROPOSAL_WINDOW = 3_600, 7 * 86_400
BOND = 640 * TOKEN
# Where `FeedbackGraph` keeps what: slots of its state variables.
_NODE_COUNT, _EDGES, _STRENGTHS, _NEIGHBORS = 1, 2, 3, 4
_BATCH = 2_000
_BLOCK = 1_000


class EpochStage:
    """A deployment, a graph that can be written, and a clock that can be moved."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.owner: LocalAccount = Account.from_key(DEVELOPMENT_KEY)
        self.bank = TransactionSender(network.web3, self.owner)
        self._court = network.court.address
        self.rpc("anvil_impersonateAccount", self._court)
        self.rpc("anvil_setBalance", self._court, hex(10**24))

    def rpc(self, method: str, *parameters: object) -> Any:
        """A call of anvil's own."""
        answer: Any = self.network.web3.provider.make_request(RPCEndpoint(method), list(parameters))
        if "error" in answer:
            raise ValueError(f"{method}: {answer['error']}")
        return answer["result"]

    @contextmanager
    def scene(self) -> Iterator[None]:
        """Whatever happens in it is undone."""
        snapshot = self.rpc("evm_snapshot")
        try:
            yield
        finally:
            self.rpc("evm_revert", snapshot)

    def funded(self, number: int, tokens: int = 10_000) -> TransactionSender:
        """The sender of an account with currency and tokens, which lets the oracle take bonds."""
        account: LocalAccount = Account.from_key(number.to_bytes(32, "big"))
        token, sender = self.network.token.functions, TransactionSender(self.network.web3, account)
        self.rpc("anvil_setBalance", account.address, hex(10**22))
        self.bank.send(token.transfer(account.address, tokens * TOKEN))
        sender.send(token.approve(self.network.oracle.address, 2**256 - 1))
        return sender

    def move_on(self, seconds: int) -> None:
        """Move the clock and mine a block."""
        self.rpc("evm_increaseTime", seconds)
        self.rpc("evm_mine")

    def record(self, feedback: int, source: str, target: str, amount: int) -> None:
        """Feedback, as a settled audit gives it."""
        name = "recordTrust" if feedback == TRUST else "recordDistrust"
        data = self.network.graph.encode_abi(name, [source, target, amount])
        self.network.web3.eth.wait_for_transaction_receipt(self.rpc("eth_sendTransaction", self._write(data)))

    def record_all(self, graph: BoundaryGraph) -> None:
        """A whole graph as feedback, in blocks of a thousand transactions; the chain needs a gas limit for that."""
        provider: Any = self.network.web3.provider
        calls = [
            self._write("0x" + (function_signature_to_4byte_selector(f"{name}(address,address,uint256)") + words).hex())
            for name, side in (("recordTrust", graph.trusting), ("recordDistrust", graph.distrusting))
            for words in _edge_words(side)
        ]
        nonce = self.network.web3.eth.get_transaction_count(self._court)
        self.rpc("evm_setAutomine", False)
        for start in range(0, len(calls), _BLOCK):
            batch = [
                ("eth_sendTransaction", [{**call, "nonce": hex(nonce + place)}])
                for place, call in enumerate(calls[start : start + _BLOCK], start)
            ]
            if any("error" in answer for answer in provider.make_batch_request(batch)):
                raise ValueError("the chain did not take the feedback")
            self.rpc("evm_mine")
        self.rpc("evm_setAutomine", True)

    def _write(self, data: str) -> dict[str, str]:
        return {"from": self._court, "to": self.network.graph.address, "data": data, "gas": hex(200_000)}

    def plant(self, graph: BoundaryGraph) -> int:
        """Put a whole graph into the storage of an empty contract, as if it were recorded in epoch 1.

        Returns the number of slots. There are no events of it.
        """
        slots = {_NODE_COUNT: _epoch_value(len(graph.accounts))}
        for feedback, side, strengths in (
            (TRUST, graph.trusting, graph.trust_strength),
            (DISTRUST, graph.distrusting, graph.distrust_strength),
        ):
            _plant_side(slots, feedback, side, strengths)
        entries = list(slots.items())
        provider: Any = self.network.web3.provider
        for start in range(0, len(entries), _BATCH):
            calls = [
                ("anvil_setStorageAt", [self.network.graph.address, f"0x{slot:064x}", f"0x{value:064x}"])
                for slot, value in entries[start : start + _BATCH]
            ]
            if any("error" in answer for answer in provider.make_batch_request(calls)):
                raise ValueError("the chain did not take the graph")
        return len(entries)

    def close_epoch(self) -> int:
        """Close the open epoch; returns its number."""
        self.move_on(2)
        self.bank.send(self.network.graph.functions.closeEpoch())
        epoch: int = read(self.network.graph.functions.boundary())[0]
        return epoch

    def propose(self, sender: TransactionSender, tree: RowTree, digest: bytes) -> int:
        """Propose the rows of a tree; returns the gas."""
        oracle = self.network.oracle.functions
        call = oracle.propose(tree.epoch, tree.root, len(tree.rows), read(oracle.paramsHash()), digest)
        return sender.send(call)["gasUsed"]


@contextmanager
def open_stage(seeds: dict[ChecksumAddress, float], *anvil: str) -> Iterator[EpochStage]:
    """A chain of its own with walks that begin at `seeds`; anvil: more of its options."""
    parameters = ReputationParameters(
        seeds=seeds,
        epoch_length=1,
        bond=BOND,
        challenge_window=CHALLENGE_WINDOW,
        proposal_window=PROPOSAL_WINDOW,
    )
    with local_chain(*anvil) as url:
        web3 = connect(url, timeout=120.0)
        owner: LocalAccount = Account.from_key(DEVELOPMENT_KEY)
        yield EpochStage(Network(web3, deploy(web3, owner, replace(LOCAL, reputation=parameters))))


def _edge_words(side: dict[ChecksumAddress, InEdges]) -> Iterator[bytes]:
    for target, edges in side.items():
        for source, weight in edges.items():
            yield b"".join(value.to_bytes(32, "big") for value in (int(source, 16), int(target, 16), weight))


def _plant_side(
    slots: dict[int, int], feedback: int, side: dict[ChecksumAddress, InEdges], strengths: dict[ChecksumAddress, int]
) -> None:
    weights = _mapping(_EDGES, feedback)
    sums, neighbors = _mapping(_STRENGTHS, feedback), _mapping(_NEIGHBORS, feedback)
    rows = {source: _mapping(weights, int(source, 16)) for source in strengths}
    for source, strength in strengths.items():
        slots[_mapping(sums, int(source, 16))] = _epoch_value(strength)
    for account, edges in side.items():
        length = _mapping(neighbors, int(account, 16))
        slots[length] = len(edges)
        first = int.from_bytes(keccak(length.to_bytes(32, "big")), "big")
        for place, (source, weight) in enumerate(edges.items()):
            slots[(first + place) % 2**256] = int(source, 16) | 1 << 160  # first written in epoch 1
            slots[_mapping(rows[source], int(account, 16))] = _epoch_value(weight)


def _epoch_value(current: int) -> int:
    """`EpochValue`: nothing at the close of epoch 0, `current` in epoch 1."""
    return current << 112 | 1 << 224


def _mapping(slot: int, key: int) -> int:
    return int.from_bytes(keccak(key.to_bytes(32, "big") + slot.to_bytes(32, "big")), "big")
