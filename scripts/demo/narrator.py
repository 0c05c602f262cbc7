"""Tells what happens on the chain, as it happens."""

from collections.abc import Callable, Mapping
from typing import Any

from eth_typing import ChecksumAddress

from chain.events import Event, EventLog
from chain.network import Network
from chain.parameters import TOKEN

_OUTCOMES = ("none", "not sampled", "pass", "grey", "unavailable", "FRAUD", "refunded", "canary")
_FAULTS = ("absent", "outside the quorum", "withheld the reveal", "overturned")


class Narrator:
    """Reads new events with each `look`, keeps them, and tells those that a person wants to hear of."""

    def __init__(self, network: Network, names: Mapping[ChecksumAddress, str], tell: Callable[[str], None]) -> None:
        self._log = EventLog(network)
        self._web3 = network.web3
        self._names = names
        self._tell = tell
        self._next_block = network.web3.eth.block_number + 1
        self._events: list[Event] = []
        self._contributors: dict[bytes, str] = {}

    def look(self) -> None:
        """Read and tell what is new."""
        newest = self._web3.eth.block_number
        if newest < self._next_block:
            return
        for event in self._log.fetch(self._next_block, newest):
            self._events.append(event)
            line = self._line(event.name, event.args)
            if line:
                self._tell(f"block {event.block_number:>4}  {line}")
        self._next_block = newest + 1

    def named(self, name: str) -> list[Event]:
        """All events of one name so far."""
        return [event for event in self._events if event.name == name]

    def _line(self, name: str, args: dict[str, Any]) -> str | None:
        if name == "Recorded":
            self._contributors[args["batchId"]] = self._names[args["batch"]["contributor"]]
        whose = self._contributors.get(args.get("batchId", b""), "")
        line = None
        match name:
            case "Recorded":
                line = f"{whose}: batch of {args['batch']['count']} leaves recorded, {args['batch']['units']} units"
            case "Drawn":
                members = ", ".join(self._names[member] for member in args["committee"])
                line = f"{whose}: drawn for an audit by {members}"
            case "Unsampled":
                line = f"{whose}: not sampled"
            case "NoQuorum":
                line = f"{whose}: no quorum, a larger committee is drawn"
            case "Decided":
                line = f"{whose}: the committee decides {_OUTCOMES[args['outcome']]}"
            case "VerifierPenalized":
                slashed = args["slashed"] / TOKEN
                line = f"{self._names[args['verifier']]}: {_FAULTS[args['fault']]}, slashed by {slashed:g}"
            case "Settled":
                paid, slashed = args["paid"] / TOKEN, args["slashed"] / TOKEN
                line = f"{whose}: settled as {_OUTCOMES[args['outcome']]}, paid {paid:g}, slashed {slashed:g}"
            case "EpochClosed":
                line = f"epoch {args['epoch']} closes with {args['nodeCount']} accounts"
            case "Finalized":
                line = f"scores of epoch {args['epoch']} are final"
        return line
