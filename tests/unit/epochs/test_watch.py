"""Watching epochs beside a node: nothing that happens ends it but the node."""

import time
from threading import active_count
from typing import cast

import pytest

from chain.errors import ChainUnavailableError
from verifier.epochs.challenger import EpochChallenger
from verifier.node.epochs import watching
from verifier.node.telemetry import Telemetry


class Faltering:
    """Steps that fail, by a known error and by an unknown one, and then do something."""

    examined = None

    def __init__(self) -> None:
        self.steps = 0

    def step(self) -> list[str]:
        self.steps += 1
        if self.steps == 1:
            raise ChainUnavailableError("The chain stopped answering.")
        if self.steps == 2:
            raise RuntimeError("nobody foresaw this")
        return ["It is void."] if self.steps == 3 else []


def test_watching__through_failures__goes_on_and_ends_with_the_block() -> None:
    challenger, telemetry, threads = Faltering(), Telemetry(), active_count()
    with watching(cast(EpochChallenger, challenger), telemetry, pause=0.001):
        for _ in range(12_000):
            if challenger.steps > 3:
                break
            time.sleep(0.005)
        else:
            pytest.fail("it stopped")
    assert active_count() == threads
    told = telemetry.metrics().decode()
    assert 'merit_node_epochs_total{what="failed"} 2.0' in told
    assert 'merit_node_epochs_total{what="disputed"} 1.0' in told
