"""Chains and stores that misbehave: the node ends in the right state by itself."""

import random
from typing import Any

import pytest
import requests
from web3 import HTTPProvider, Web3
from web3.types import RPCEndpoint, RPCResponse

from chain.errors import MeritError
from chain.network import Network
from chain.sender import TransactionSender
from verifier.node.audit import BatchOutcome
from verifier.node.court import Court
from verifier.node.evidence import EvidenceUnreachableError

pytestmark = pytest.mark.chain


class Persistent:
    """A participant whose loop goes on after a failed look, as in `VerifierNode.run`."""

    def __init__(self, participant: Any) -> None:
        self._participant = participant
        self.failures = 0

    def look(self) -> None:
        """One turn of the loop."""
        try:
            self._participant.look()
        except MeritError:
            self.failures += 1


class FaultyProvider(HTTPProvider):
    """An endpoint that loses, delays and repeats answers, by a seeded draw for each call."""

    def __init__(self, url: str, seed: int) -> None:
        super().__init__(url)
        self._random = random.Random(seed)
        self._old: dict[str, RPCResponse] = {}
        self.faults = 0

    def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        """A good answer nine times in ten."""
        draw = self._random.random()
        if draw >= 0.1 or method == "eth_chainId":
            response = super().make_request(method, params)
            self._old[method] = response
            return response
        self.faults += 1
        if draw < 0.025:
            raise requests.ConnectionError("dropped")
        if draw < 0.05:
            raise requests.ReadTimeout("stalled")
        if draw < 0.065:
            raise requests.HTTPError("429 Too Many Requests")
        if draw < 0.08 and method in ("eth_blockNumber", "eth_getBlockByNumber") and method in self._old:
            return self._old[method]
        response = super().make_request(method, params)
        if method == "eth_getLogs":
            logs = [*response["result"], *response["result"]]
            self._random.shuffle(logs)
            return {**response, "result": logs}
        if method == "eth_sendRawTransaction":
            raise requests.ReadTimeout("the answer got lost, the transaction did not")
        return response


def _reorganise(world: Any, depth: int) -> None:
    """Replace the newest `depth` blocks by empty ones."""
    answer = world.web3.provider.make_request(RPCEndpoint("anvil_reorg"), [depth, []])
    assert "error" not in answer, answer


@pytest.mark.parametrize("depth", [1, 10, *(pytest.param(depth, marks=pytest.mark.long) for depth in range(2, 10))])
def test_audit__chain_reorganised__ends_as_if_nothing_had_happened(world: Any, depth: int) -> None:
    provider = world.provider()
    participants = [Persistent(provider), *(Persistent(world.node(account)) for account in world.verifiers)]
    world.mine(10)
    provider.serve(world.job_id, [world.order(0)])
    committed = world.network.court.events.Committed
    while not committed().get_logs(from_block=world.network.deployment.block):
        for participant in participants:
            participant.look()
        world.mine()
    _reorganise(world, depth)
    provider.hand_in(world.job_id)
    assert world.settle(*participants) == (BatchOutcome.PASS, {})


@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(2, 10))])
def test_audit__endpoint_of_one_node_fails_often__it_keeps_all_its_promises(world: Any, seed: int) -> None:
    provider = FaultyProvider(world.web3.provider.endpoint_uri, seed)
    network = Network(Web3(provider), world.network.deployment)
    account = world.verifiers[0]
    court = Court(network, TransactionSender(network.web3, account), monotonic=lambda: 0.0)
    unlucky = Persistent(world.node(account, court=court))
    contributor = world.provider()
    contributor.serve(world.job_id, [world.order(0)])
    others = [world.node(other) for other in world.verifiers[1:]]
    outcome, faults = world.settle(unlucky, unlucky, unlucky, contributor, *others)
    assert (outcome, faults) == (BatchOutcome.PASS, {})
    assert provider.faults > 0


def test_audit__key_used_by_another_program_too__node_goes_on(world: Any) -> None:
    account = world.verifiers[0]
    elsewhere = TransactionSender(world.web3, account)

    class Meddler:
        def look(self) -> None:
            elsewhere.send(world.network.token.functions.approve(account.address, 1))

    provider = world.provider()
    provider.serve(world.job_id, [world.order(0)])
    outcome, faults = world.settle(provider, Meddler(), *map(world.node, world.verifiers))
    assert (outcome, faults) == (BatchOutcome.PASS, {})


def test_audit__stores_silent_beyond_the_commit_phase__committee_says_unavailable(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = world.provider()
    provider.serve(world.job_id, [world.order(0)])

    def silent(digest: bytes) -> bytes:
        raise EvidenceUnreachableError("silent")

    monkeypatch.setattr(world.evidence, "fetch", silent)
    outcome, faults = world.settle(provider, *map(world.node, world.verifiers))
    assert (outcome, faults) == (BatchOutcome.UNAVAILABLE, {})


def test_audit__stores_silent_for_a_while__work_is_judged_as_usual(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    provider = world.provider()
    provider.serve(world.job_id, [world.order(0)])
    fetch, calls = world.evidence.fetch, 0

    def recovering(digest: bytes) -> bytes:
        nonlocal calls
        calls += 1
        if calls < 6:
            raise EvidenceUnreachableError("silent")
        block: bytes = fetch(digest)
        return block

    monkeypatch.setattr(world.evidence, "fetch", recovering)
    outcome, faults = world.settle(provider, *map(world.node, world.verifiers))
    assert (outcome, faults) == (BatchOutcome.PASS, {})
