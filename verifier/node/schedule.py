"""When a step is tried: after others had their chance where anyone may take it, and less and less often if it fails."""

from collections.abc import Callable
from dataclasses import dataclass

from eth_typing import ChecksumAddress
from eth_utils.crypto import keccak

from verifier.node.decisions import SHARED_STEPS, Step

# Pauses between tries double up to this many times the first: short beside the phases of an audit.
_LONGEST_PAUSE = 8


@dataclass
class _Entry:
    step: Step
    round: int
    not_before: float
    attempts: int = 0


class Schedule:
    """Remembers, for each batch, since when its next step has been possible and how often it was tried."""

    def __init__(
        self, verifier: ChecksumAddress, patience: float, pause: float, monotonic: Callable[[], float]
    ) -> None:
        """patience: seconds that others get for a shared step. pause: seconds before the second try of any step."""
        self._verifier = verifier
        self._patience = patience
        self._pause = pause
        self._monotonic = monotonic
        self._entries: dict[bytes, _Entry] = {}

    def is_due(self, batch_id: bytes, round_number: int, step: Step) -> bool:
        """Whether `step` may be tried now; the first question about a step starts its clock."""
        entry = self._entries.get(batch_id)
        if entry is None or (entry.step, entry.round) != (step, round_number):
            wait = self._patience * self._turn(batch_id, step) if step in SHARED_STEPS else 0.0
            entry = self._entries[batch_id] = _Entry(step, round_number, self._monotonic() + wait)
        return self._monotonic() >= entry.not_before

    def tried(self, batch_id: bytes) -> None:
        """Note an attempt, successful or not: its success shows in the chain's events."""
        entry = self._entries[batch_id]
        entry.not_before = self._monotonic() + self._pause * min(2**entry.attempts, _LONGEST_PAUSE)
        entry.attempts += 1

    def forget(self, batch_id: bytes) -> None:
        """Drop what is remembered about a batch that is over."""
        self._entries.pop(batch_id, None)

    def _turn(self, batch_id: bytes, step: Step) -> float:
        """A number in [0, 1) by which the nodes of a network take turns without talking to each other."""
        draw = keccak(bytes.fromhex(self._verifier[2:]) + batch_id + step.value.encode())
        return int.from_bytes(draw[:4], "big") / 2**32
