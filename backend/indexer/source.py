"""What the indexer reads from the chain."""

from dataclasses import dataclass
from typing import Protocol

import requests
from web3.exceptions import BlockNotFound, Web3Exception

from chain.errors import ChainUnavailableError
from chain.events import Event, EventLog
from chain.network import Network


class RangeRefusedError(ChainUnavailableError):
    """The endpoint does not answer a log query; a smaller range may do."""


@dataclass(frozen=True)
class Head:
    """The newest block and its time in Unix seconds, which on a test chain may be far from the clock's."""

    number: int
    time: int


class EventSource(Protocol):
    """Blocks and events of one chain as its endpoint tells them now."""

    def head(self) -> Head:
        """The newest block."""

    def block(self, number: int) -> tuple[bytes, bytes] | None:
        """Hash and parent hash of a block; None where there is none of that number."""

    def events(self, first: int, last: int) -> list[Event]:
        """Merit's events of a range of blocks, both ends included. Raises `RangeRefusedError`."""


class NetworkSource:
    """`EventSource` over JSON-RPC."""

    def __init__(self, network: Network) -> None:
        self._web3 = network.web3
        self._log = EventLog(network)

    def head(self) -> Head:
        """The newest block."""
        try:
            newest = self._web3.eth.get_block("latest")
        except (requests.RequestException, Web3Exception, ValueError) as error:
            raise _unavailable() from error
        return Head(newest["number"], newest["timestamp"])

    def block(self, number: int) -> tuple[bytes, bytes] | None:
        """Hash and parent hash of a block; None where there is none of that number."""
        try:
            found = self._web3.eth.get_block(number)
        except BlockNotFound:
            return None
        except (requests.RequestException, Web3Exception, ValueError) as error:
            raise _unavailable() from error
        return bytes(found["hash"]), bytes(found["parentHash"])

    def events(self, first: int, last: int) -> list[Event]:
        """Merit's events of a range of blocks, both ends included."""
        try:
            return self._log.fetch(first, last)
        except (requests.RequestException, Web3Exception, ValueError) as error:
            raise RangeRefusedError(f"The endpoint does not give the events of blocks {first} to {last}.") from error


def _unavailable() -> ChainUnavailableError:
    return ChainUnavailableError("The chain stopped answering; check the RPC endpoint.")
