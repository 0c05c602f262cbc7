"""The event log of all Merit contracts, decoded and in chain order."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eth_abi.abi import decode
from eth_typing import ChecksumAddress
from eth_utils.abi import collapse_if_tuple, event_abi_to_log_topic
from web3.types import FilterParams, LogReceipt

from chain.addresses import checksummed
from chain.artifacts import load_artifact
from chain.network import Network

RECORDED_CONTRACTS = ("StakeVault", "JobEscrow", "FeedbackGraph", "ReputationOracle", "AuditCourt")


@dataclass(frozen=True)
class Event:
    """One decoded log entry; `args` has the ABI's argument names, structs as dicts."""

    contract: str
    name: str
    args: dict[str, Any]
    block_number: int
    block_hash: bytes
    transaction_hash: bytes
    log_index: int


class EventLog:
    """Reads events by block range; keeps no state, so a caller resumes from any block it remembers."""

    def __init__(self, network: Network, contracts: Sequence[str] = RECORDED_CONTRACTS) -> None:
        """contracts: names of those whose events are wanted."""
        self._web3 = network.web3
        self._contracts: dict[ChecksumAddress, tuple[str, dict[bytes, _Decoder]]] = {}
        for name in contracts:
            decoders = {
                event_abi_to_log_topic(entry): _Decoder(entry)
                for entry in load_artifact(name).abi
                if entry["type"] == "event"
            }
            self._contracts[network.contract(name).address] = (name, decoders)

    def fetch(self, from_block: int, to_block: int) -> list[Event]:
        """All events of blocks `from_block` to `to_block`, both included."""
        query: FilterParams = {"fromBlock": from_block, "toBlock": to_block, "address": list(self._contracts)}
        return list(self._decode(self._web3.eth.get_logs(query)))

    def _decode(self, logs: list[LogReceipt]) -> Iterator[Event]:
        for log in sorted(logs, key=lambda entry: (entry["blockNumber"], entry["logIndex"])):
            contract, decoders = self._contracts[log["address"]]
            decoder = decoders.get(bytes(log["topics"][0]))
            if decoder is None:  # an event of a newer version of the contracts
                continue
            yield Event(
                contract=contract,
                name=decoder.name,
                args=decoder.arguments(log),
                block_number=log["blockNumber"],
                block_hash=bytes(log["blockHash"]),
                transaction_hash=bytes(log["transactionHash"]),
                log_index=log["logIndex"],
            )


class _Decoder:
    """Reads the logs of one event. Every program reads every log, and web3's `process_log` takes a millisecond each."""

    def __init__(self, entry: Mapping[str, Any]) -> None:
        self.name: str = entry["name"]
        self._inputs: Sequence[Mapping[str, Any]] = entry["inputs"]
        self._topics = [collapse_if_tuple(dict(part)) for part in self._inputs if part["indexed"]]
        self._data = [collapse_if_tuple(dict(part)) for part in self._inputs if not part["indexed"]]

    def arguments(self, log: LogReceipt) -> dict[str, Any]:
        """The arguments by name, in the order of the ABI."""
        topics = zip(self._topics, log["topics"][1:], strict=True)
        indexed = iter([decode([kind], bytes(topic))[0] for kind, topic in topics])
        data = iter(decode(self._data, bytes(log["data"])))
        return {part["name"]: _named(part, next(indexed if part["indexed"] else data)) for part in self._inputs}


def _named(part: Mapping[str, Any], value: Any) -> Any:
    """`value` with structs as dicts and addresses with their checksum. part: its entry in the ABI."""
    kind: str = part["type"]
    if kind.endswith("]"):
        element = {**part, "type": kind[: kind.rindex("[")]}
        return [_named(element, item) for item in value]
    if kind == "tuple":
        return {inner["name"]: _named(inner, item) for inner, item in zip(part["components"], value, strict=True)}
    return checksummed(value) if kind == "address" else value
