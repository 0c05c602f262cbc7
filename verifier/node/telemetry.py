"""What a node says about itself: numbers for Prometheus, and its state for people and load balancers."""

import time
from collections.abc import Callable
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from verifier.node.decisions import ChainTime, Step


class Telemetry:
    """Numbers and state of one node; safe to share between threads."""

    def __init__(self, silence: float = 60.0, monotonic: Callable[[], float] = time.monotonic) -> None:
        """silence: seconds without a successful look at the chain after which the node is not ready."""
        self._silence = silence
        self._monotonic = monotonic
        self._last_success: float | None = None
        self._last_beat = monotonic()
        self._trouble: str | None = None
        self._status: dict[str, Any] = {}
        self.registry = CollectorRegistry()
        self._head = Gauge("merit_node_head_block", "Newest block seen", registry=self.registry)
        self._time = Gauge("merit_node_head_timestamp_seconds", "Timestamp of the newest block", registry=self.registry)
        self._audits = Gauge("merit_node_audits", "Audits followed by phase", ["phase"], registry=self.registry)
        self._duties = Gauge(
            "merit_node_duties", "Audits in which a commitment or a reveal of this node is due", registry=self.registry
        )
        self._steps = Counter("merit_node_steps", "Steps by outcome", ["step", "outcome"], registry=self.registry)
        self._looks = Counter("merit_node_looks", "Looks at the chain by outcome", ["outcome"], registry=self.registry)
        self._examination = Histogram(
            "merit_node_examination_seconds",
            "Length of examinations",
            buckets=(0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000, 3000),
            registry=self.registry,
        )
        self._spent = Counter("merit_node_gas_wei", "Wei spent on gas by step", ["step"], registry=self.registry)
        self._faults = Counter("merit_node_penalties", "Times this node was penalized", registry=self.registry)

        self._unknown = Counter(
            "merit_node_unknown_commitments",
            "Commitments of this key that its journal does not hold",
            registry=self.registry,
        )

        self._epochs = Counter(
            "merit_node_epochs",
            "Proposed scores: examined and right, or wrong; disputes; failures",
            ["what"],
            registry=self.registry,
        )

    def epoch_examined(self, is_right: bool) -> None:
        """A proposal of an epoch's scores that was recomputed."""
        self._epochs.labels("right" if is_right else "wrong").inc()

    def epoch_disputed(self) -> None:
        """Something done about a wrong proposal."""
        self._epochs.labels("disputed").inc()

    def epoch_failed(self) -> None:
        """A step of watching proposals that failed."""
        self._epochs.labels("failed").inc()

    def looked(self, now: ChainTime, phases: dict[str, int], duties: int, status: dict[str, Any]) -> None:
        """A look at the chain that succeeded."""
        self._looks.labels("succeeded").inc()
        self._head.set(now.block)
        self._time.set(now.timestamp)
        for phase, count in phases.items():
            self._audits.labels(phase).set(count)
        self._duties.set(duties)
        self._last_success = self._last_beat = self._monotonic()
        self._trouble = None
        self._status = status

    def failed(self, reason: str) -> None:
        """A look at the chain that failed."""
        self._looks.labels("failed").inc()
        self._last_beat = self._monotonic()
        self._trouble = reason

    def step(self, step: Step, outcome: str) -> None:
        """A step that was taken, refused by the contracts, failed or declined."""
        self._steps.labels(step.value, outcome).inc()

    def spent(self, step: Step, wei: int) -> None:
        """Gas that was paid for."""
        self._spent.labels(step.value).inc(wei)

    def examined(self, seconds: float) -> None:
        """An examination that ended."""
        self._examination.observe(seconds)

    def penalized(self) -> None:
        """A penalty of this node that appeared on the chain."""
        self._faults.inc()

    def unknown_commitment(self) -> None:
        """A commitment of this key on the chain that cannot be revealed from the journal."""
        self._unknown.inc()

    def is_alive(self) -> bool:
        """Whether the node's loop turns."""
        return self._monotonic() - self._last_beat <= self._silence

    def trouble(self) -> str | None:
        """Why the node cannot do its work at the moment, in a sentence; None if it can."""
        if self._last_success is None:
            return self._trouble or "The node has not read the chain yet."
        if self._monotonic() - self._last_success > self._silence:
            return self._trouble or f"The chain was not read for more than {self._silence:.0f} seconds."
        return None

    def status(self) -> dict[str, Any]:
        """What the node knew after its last successful look."""
        return {**self._status, "ready": self.trouble() is None, "trouble": self._trouble}

    def metrics(self) -> bytes:
        """All numbers in Prometheus' text format."""
        return generate_latest(self.registry)
