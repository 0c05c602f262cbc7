"""Chains and stores that misbehave: the node ends in the right state by itself."""

import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from web3.types import RPCEndpoint

from chain.errors import MeritError
from chain.localnet import free_port
from chain.network import Network, connect
from chain.sender import TransactionSender
from verifier.node.audit import BatchOutcome, Fault
from verifier.node.court import Court
from verifier.node.evidence import EvidenceLimits, EvidenceReader

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


class Trouble:
    """Does something else than passing a question on once in ten, by a seeded draw."""

    def __init__(self, kinds: list[Any], seed: int) -> None:
        self._kinds = kinds
        self._random = random.Random(seed)
        self.seen: set[str] = set()

    def __call__(self, method: str) -> Any:
        """The fault of `faults` for a question."""
        if self._random.random() > 0.1:
            return self._kinds[0]
        kind = self._random.choice(self._kinds[1:])
        self.seen.add(kind.name)
        return kind


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


@pytest.mark.parametrize("alone", [True, False])
@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(2, 8))])
def test_audit__endpoint_of_one_node_fails_often__it_keeps_all_its_promises(
    world: Any, faulty_endpoint: Callable[[str], Any], faults: Any, seed: int, alone: bool
) -> None:
    good = world.web3.provider.endpoint_uri
    endpoint = faulty_endpoint(good)
    # Other programs' endpoints stall for longer, but that would only make the test slower.
    web3 = connect(endpoint.url if alone else f"{endpoint.url},{good}", timeout=0.3)
    endpoint.fault = trouble = Trouble(list(faults), seed)
    account = world.verifiers[0]
    sender = TransactionSender(web3, account, patience=1.0)
    court = Court(Network(web3, world.network.deployment), sender, monotonic=lambda: 0.0)
    unlucky = Persistent(world.node(account, court=court))
    contributor = world.provider()
    contributor.serve(world.job_id, [world.order(0)])
    others = [world.node(other) for other in world.verifiers[1:]]
    outcome, penalties = world.settle(unlucky, unlucky, unlucky, contributor, *others)
    assert (outcome, penalties) == (BatchOutcome.PASS, {})
    assert trouble.seen


def test_audit__base_fee_ten_times_higher_at_every_step__nobody_misses_a_deadline(world: Any) -> None:
    class Spike:
        def look(self) -> None:
            base = world.web3.eth.get_block("latest")["baseFeePerGas"]
            fee = 10**9 if base > 10**9 else 10**10
            world.web3.provider.make_request(RPCEndpoint("anvil_setNextBlockBaseFeePerGas"), [hex(fee)])

    provider = world.provider()
    provider.serve(world.job_id, [world.order(0)])
    nodes = [part for account in world.verifiers for part in (Spike(), world.node(account))]
    assert world.settle(provider, *nodes) == (BatchOutcome.PASS, {})


def test_audit__clock_of_the_machine_an_hour_off__plays_no_part(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + 3_600)
    provider = world.provider()
    provider.serve(world.job_id, [world.order(0)])
    assert world.settle(provider, *map(world.node, world.verifiers)) == (BatchOutcome.PASS, {})


@pytest.mark.parametrize("event", ["Drawn", "Committed"])
def test_audit__clock_of_the_chain_moved_by_an_hour__ends_and_the_next_is_judged_as_usual(
    world: Any, event: str
) -> None:
    provider, start = world.provider(), world.network.deployment.block
    nodes = [world.node(account) for account in world.verifiers]
    provider.serve(world.job_id, [world.order(0)])
    while not getattr(world.network.court.events, event)().get_logs(from_block=start):
        for participant in (provider, *nodes):
            participant.look()
        world.mine()
    world.wait(3_600)
    # The phases went by within one block, and the protocol takes that for absence; the node ends the audit.
    _, penalties = world.settle(provider, *nodes)
    assert set(penalties.values()) <= {Fault.ABSENT, Fault.WITHHELD}
    provider.serve(world.job_id, [world.order(1)])
    settled = world.network.court.events.Settled
    for _ in range(60):
        for participant in (provider, *nodes):
            participant.look()
        world.wait(10)
        if len(logs := settled().get_logs(from_block=start)) == 2:
            break
    assert BatchOutcome(logs[1]["args"]["outcome"]) == BatchOutcome.PASS


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


class Shop:
    """An evidence API on a port that can be closed."""

    def __init__(self, folder: Path, host: str = "127.0.0.1", seconds: float = 5.0) -> None:
        self._folder = folder
        self._port = free_port()
        self._host = host
        self._server: subprocess.Popen[bytes] | None = None
        self.reader = EvidenceReader([f"http://{host}:{self._port}"], EvidenceLimits(seconds=seconds))

    def open(self, blocks: Mapping[bytes, bytes]) -> None:
        """Answer from now on, with what there is now."""
        shelf = self._folder / "v1" / "evidence"
        shelf.mkdir(parents=True, exist_ok=True)
        for digest, block in blocks.items():
            (shelf / digest.hex()).write_bytes(block)
        if self._server is None:
            self._serve()

    def close(self) -> None:
        """Refuse connections from now on."""
        if self._server is not None:
            self._server.kill()
            self._server.wait()
            self._server = None

    def _serve(self, *before: str) -> None:
        serve = [sys.executable, "-m", "http.server", str(self._port), "-b", self._host, "-d", str(self._folder)]
        self._server = subprocess.Popen([*before, *serve], stderr=subprocess.DEVNULL)
        while True:
            with suppress(OSError), socket.create_connection((self._host, self._port), 1):
                return


class FarShop(Shop):
    """An evidence API on another host, as network namespaces make one, and a cable between that can be cut."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, "10.213.57.2", seconds=0.3)
        self._name = f"merit-{os.getpid()}"
        near, far = f"near{os.getpid()}", f"far{os.getpid()}"
        self._cable = ("-n", self._name, "link", "set", far)
        ip("netns", "add", self._name)
        ip("link", "add", near, "type", "veth", "peer", "name", far, "netns", self._name)
        ip("addr", "add", "10.213.57.1/30", "dev", near)
        ip("link", "set", near, "up")
        ip("-n", self._name, "addr", "add", f"{self._host}/30", "dev", far)

    def close(self) -> None:
        """Cut the cable for good, and pull the other host down."""
        super().close()
        ip("netns", "del", self._name)

    def _serve(self, *before: str) -> None:
        ip(*self._cable, "up")
        super()._serve(*before, "ip", "netns", "exec", self._name)


def ip(*words: str) -> None:
    """Set up networks. Raises CalledProcessError where the machine does not allow it."""
    subprocess.run(["ip", *words], check=True, capture_output=True)


@pytest.fixture(params=[Shop, FarShop])
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shop]:
    """Nobody answers at first: a port refuses, and a cut cable says nothing at all."""
    try:
        shop: Shop = request.param(tmp_path)
    except (FileNotFoundError, subprocess.CalledProcessError):
        pytest.skip("network namespaces need root and iproute2")
    yield shop
    shop.close()
    shop.reader.close()


def test_audit__evidence_cut_off_for_longer_than_the_commit_phase__committee_says_unavailable(
    world: Any, shop: Shop
) -> None:
    provider = world.provider()
    provider.serve(world.job_id, [world.order(0)])
    nodes = [world.node(account, examiner=world.examiner(shop.reader)) for account in world.verifiers]
    assert world.settle(provider, *nodes) == (BatchOutcome.UNAVAILABLE, {})


def test_audit__evidence_cut_off_for_a_while__work_is_judged_as_usual(world: Any, shop: Shop) -> None:
    class Repair:
        looks = 0

        def look(self) -> None:
            self.looks += 1
            if self.looks >= 5:
                shop.open(world.evidence.blocks)

    provider, repair = world.provider(), Repair()
    provider.serve(world.job_id, [world.order(0)])
    nodes = [world.node(account, examiner=world.examiner(shop.reader)) for account in world.verifiers]
    assert world.settle(provider, repair, *nodes) == (BatchOutcome.PASS, {})
    assert repair.looks > 5
