"""The registered sources, as the chain tells of them."""

from dataclasses import dataclass, field, replace

from eth_typing import ChecksumAddress

from chain.calls import reading
from chain.events import Event, EventLog
from chain.network import Network
from verifier.retrieval.corpus import Commitment


@dataclass(frozen=True)
class RegisteredSource:
    """A source. commitments: by version, of which the last stands; active: neither retired nor slashed."""

    source_id: int
    owner: ChecksumAddress
    endpoint: str = ""
    commitments: dict[int, Commitment] = field(default_factory=dict)
    active: bool = True

    @property
    def version(self) -> int:
        """Of the newest corpus."""
        return max(self.commitments, default=0)


@dataclass
class SourceBook:
    """Follows the registry from block to block. Raises ChainUnavailableError where the chain does not answer.

    sources: by id. reliabilities: the root that was adopted last, zeros before the first.
    """

    network: Network
    sources: dict[int, RegisteredSource] = field(default_factory=dict)
    reliabilities: bytes = bytes(32)
    _next: int | None = None

    def advance(self, until: int | None = None) -> None:
        """Take in what happened up to a block, this included; up to the newest one if none is named."""
        with reading():
            last = self.network.web3.eth.block_number if until is None else until
            first = self.network.deployment.block if self._next is None else self._next
            if first > last:
                return
            events = EventLog(self.network, ["SourceRegistry"]).fetch(first, last)
        for event in events:
            self._take_in(event)
        self._next = last + 1

    def _take_in(self, event: Event) -> None:
        told = event.args
        if event.name == "Adopted":
            self.reliabilities = bytes(told["reliabilities"])
        if "sourceId" not in told:
            return
        source_id = told["sourceId"]
        if event.name == "Registered":
            self.sources[source_id] = RegisteredSource(source_id, told["owner"])
            return
        source = self.sources[source_id]
        match event.name:
            case "EndpointSet":
                source = replace(source, endpoint=told["endpoint"])
            case "CorpusUpdated":
                corpus = told["corpus"]
                added = Commitment(bytes(corpus["root"]), bytes(corpus["index"]), corpus["passages"])
                source = replace(source, commitments={**source.commitments, told["version"]: added})
            case "Retired" | "Slashed":
                source = replace(source, active=False)
        self.sources[source_id] = source
