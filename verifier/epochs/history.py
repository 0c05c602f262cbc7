"""What the contracts have said about epochs, and the graph that a proposal is checked against: from the chain alone."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

import requests
from eth_abi.abi import encode
from eth_typing import ChecksumAddress
from eth_utils.abi import event_abi_to_log_topic, function_signature_to_4byte_selector
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak
from web3.exceptions import Web3Exception
from web3.types import RPCEndpoint

from chain.calls import read, read_many
from chain.errors import ChainUnavailableError, MeritError
from chain.events import Event, EventLog
from chain.network import Network
from verifier.epochs.boundary import DISTRUST, TRUST, BoundaryGraph, InEdges
from verifier.epochs.proposals import Question
from verifier.epochs.rows import ScoreParameters

# Blocks asked for at once, below what public endpoints refuse.
_SPAN = 2_000
# In-edges asked for at once: some five million gas for an endpoint that counts it.
_PAGE = 500
_IN_EDGES = function_signature_to_4byte_selector("closedInEdges(uint8,address,uint256,uint256)")


class IncompleteLogError(MeritError):
    """What the endpoint tells of the past does not fit what the contracts hold now."""


class EpochHistory:
    """The events of the oracle and the accounts of the graph, read on from call to call."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._log = EventLog(network, ("ReputationOracle",))
        self._next = network.deployment.block
        self._last: tuple[int, bytes] | None = None  # number and hash of the block read last
        self._events: dict[int, list[Event]] = {}
        self._parameters: list[Mapping[str, Any]] = []
        self._accounts: dict[int, ChecksumAddress] = {}

    def advance(self) -> None:
        """Read what is new; everything again if the chain has been reorganised."""
        web3 = self._network.web3
        try:
            head = web3.eth.block_number
            if self._last is not None and (
                head < self._last[0] or bytes(web3.eth.get_block(self._last[0])["hash"]) != self._last[1]
            ):
                self._forget()
            while self._next <= head:
                until = min(self._next + _SPAN - 1, head)
                block_hash = bytes(web3.eth.get_block(until)["hash"])
                self._take(self._log.fetch(self._next, until))
                self._take_accounts(self._next, until)
                self._next, self._last = until + 1, (until, block_hash)
        except (requests.RequestException, Web3Exception, OSError, ValueError) as error:
            raise ChainUnavailableError("The chain stopped answering; check the RPC endpoint.") from error

    def attempt(self, epoch: int) -> list[Event]:
        """The oracle's events about an epoch since it was last proposed, `Proposed` first; none if it never was."""
        events: list[Event] = []
        for event in self._events.get(epoch, ()):
            if event.name == "Proposed":
                events = []
            events.append(event)
        return events if events and events[0].name == "Proposed" else []

    def questions(self) -> Iterator[Question]:
        """Everything that was ever asked of a proposer."""
        for events in self._events.values():
            proposed = 0
            for event in events:
                proposed += event.name == "Proposed"
                question = question_of(event.name, event.args, attempt=proposed - 1)
                if question is not None:
                    yield question

    def parameters(self) -> ScoreParameters:
        """Those that the oracle holds. Raises `IncompleteLogError` where the endpoint tells of others."""
        current = bytes(read(self._network.oracle.functions.paramsHash()))
        for args in reversed(self._parameters):
            if parameters_hash(args) == current:
                return ScoreParameters.from_event(args)
        raise IncompleteLogError("The endpoint does not tell all events of the oracle; use another.")

    def graph(self) -> BoundaryGraph:
        """The graph at the close of the last epoch, every value read from the contract's storage.

        Only the names of accounts come from events. Raises `IncompleteLogError` where some are missing.
        """
        graph = BoundaryGraph(self._in_edges(TRUST), self._in_edges(DISTRUST))
        _, _, nodes = read(self._network.graph.functions.boundary())
        if len(graph.accounts) != nodes:
            raise IncompleteLogError(
                f"The endpoint tells of {len(graph.accounts)} accounts where the contracts count {nodes}; use another."
            )
        return graph

    def _forget(self) -> None:
        self._next, self._last = self._network.deployment.block, None
        self._events, self._parameters, self._accounts = {}, [], {}

    def _take(self, events: Sequence[Event]) -> None:
        for event in events:
            if event.name == "ParametersSet":
                self._parameters.append(event.args)
            elif "epoch" in event.args:
                self._events.setdefault(event.args["epoch"], []).append(event)

    def _take_accounts(self, first: int, last: int) -> None:
        """Who gave and who got feedback; read without web3's decoding, since an epoch may have a million of these."""
        graph = self._network.graph
        topic = "0x" + event_abi_to_log_topic(graph.events.FeedbackRecorded.abi).hex()
        query = {"address": graph.address, "topics": [topic], "fromBlock": hex(first), "toBlock": hex(last)}
        answer: Any = cast(Any, self._network.web3.provider).make_request(RPCEndpoint("eth_getLogs"), [query])
        if "result" not in answer:
            raise ChainUnavailableError("The chain does not give the events of the graph; check the RPC endpoint.")
        for log in answer["result"]:
            for account in log["topics"][2:4]:
                self._name(int(account, 16))

    def _in_edges(self, feedback: int) -> dict[ChecksumAddress, InEdges]:
        """Read page by page. Words are packed and unpacked here: a general decoder takes longer than the chain."""
        found: dict[ChecksumAddress, InEdges] = {}
        open_ended = [(account, 0) for account in self._accounts.values()]
        while open_ended:
            calls = [
                _IN_EDGES + b"".join(_word(value) for value in (feedback, int(account, 16), offset, _PAGE))
                for account, offset in open_ended
            ]
            answers = read_many(self._network.web3, self._network.graph.address, calls)
            following = []
            for (account, offset), answer in zip(open_ended, answers, strict=True):
                # An offset, a length, then source, weight and strength of each edge.
                words = [int.from_bytes(answer[at : at + 32], "big") for at in range(64, len(answer), 32)]
                for source, weight in zip(words[::3], words[1::3], strict=True):
                    found.setdefault(account, {})[self._name(source)] = weight
                if len(words) == 3 * _PAGE:
                    following.append((account, offset + _PAGE))
            open_ended = following
        return found

    def _name(self, number: int) -> ChecksumAddress:
        """An account by its number; checksums are hashes, and the same accounts come again and again."""
        name = self._accounts.get(number)
        if name is None:
            name = self._accounts[number] = to_checksum_address(number.to_bytes(20, "big"))
        return name


def _word(value: int) -> bytes:
    return value.to_bytes(32, "big")


def question_of(name: str, args: Mapping[str, Any], attempt: int) -> Question | None:
    """The question that an event puts; None for any other event."""
    if name == "RowDemanded":
        subject = None if int(args["subject"], 16) == 0 else args["subject"]
        return Question(args["epoch"], attempt, subject, args["index"])
    if name == "DiagonalChallenged":
        return Question(args["epoch"], attempt, args["account"], None)
    return None


def parameters_hash(args: Mapping[str, Any]) -> bytes:
    """`paramsHash` of the arguments of `ParametersSet`."""
    values = args["parameters"]
    members = [values["stop"], values["bridgeDecay"], values["seeds"], values["seedWeights"]]
    return keccak(encode(["(uint64,uint64,address[],uint64[])"], [tuple(members)]))
