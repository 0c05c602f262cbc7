"""The event log of all Merit contracts, decoded and in chain order."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from eth_typing import ChecksumAddress
from eth_utils.abi import event_abi_to_log_topic
from web3.types import FilterParams, LogReceipt

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

    def __init__(self, network: Network) -> None:
        self._web3 = network.web3
        self._contracts: dict[ChecksumAddress, tuple[str, dict[bytes, Any]]] = {}
        for name in RECORDED_CONTRACTS:
            contract = network.contract(name)
            decoders = {
                event_abi_to_log_topic(entry): contract.events[entry["name"]]()
                for entry in load_artifact(name).abi
                if entry["type"] == "event"
            }
            self._contracts[contract.address] = (name, decoders)

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
            decoded = decoder.process_log(log)
            yield Event(
                contract=contract,
                name=decoded["event"],
                args=_plain(decoded["args"]),
                block_number=log["blockNumber"],
                block_hash=bytes(log["blockHash"]),
                transaction_hash=bytes(log["transactionHash"]),
                log_index=log["logIndex"],
            )


def _plain(value: Any) -> Any:
    if isinstance(value, dict) or hasattr(value, "items"):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, (bytes, bytearray)):
        return bytes(value)
    return value
