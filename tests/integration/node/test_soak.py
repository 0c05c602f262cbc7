"""Many audits at once, by nodes that are restarted at random."""

import random
from typing import Any

import pytest

from verifier.node.audit import BatchOutcome

pytestmark = [pytest.mark.chain, pytest.mark.long]

_BATCHES = 25


def test_audits__many_at_once_and_random_restarts__all_are_settled_and_nobody_is_penalized(world: Any) -> None:
    draw = random.Random(7)
    provider = world.provider()
    for number in range(_BATCHES):
        provider.serve(world.job_id, [world.order(number, seed=number)])
    nodes = {account.address: world.node(account) for account in world.verifiers}
    files = {address: world.opened[-2 * (3 - at) :][:2] for at, address in enumerate(nodes)}
    court, start = world.network.court, world.network.deployment.block
    outcomes: list[BatchOutcome] = []
    for _ in range(100):
        provider.look()
        for account in world.verifiers:
            if draw.random() < 0.2:
                for file in files[account.address]:
                    file.close()
                    world.opened.remove(file)
                nodes[account.address] = world.node(account)
                files[account.address] = world.opened[-2:]
            nodes[account.address].look()
        world.wait(3)
        settled = court.events.Settled().get_logs(from_block=start)
        outcomes = [BatchOutcome(log["args"]["outcome"]) for log in settled]
        if len(outcomes) == _BATCHES:
            break
    assert outcomes == [BatchOutcome.PASS] * _BATCHES
    assert not court.events.VerifierPenalized().get_logs(from_block=start)
