"""Python and the contract say the same of every row: of honest ones, and of rows that are off by a little or a lot.

Graphs are put into the contract's storage, and a tree's root into each call's view of the oracle, so that thousands of
trees can be tried on the contracts as they are.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
from eth_abi.abi import encode
from eth_typing import ChecksumAddress
from eth_utils.abi import collapse_if_tuple, function_abi_to_4byte_selector
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak
from web3.types import RPCEndpoint

from chain.reverts import decode_revert
from scripts.epoch_stage import EpochStage, open_stage
from verifier.epochs.boundary import BoundaryGraph
from verifier.epochs.faults import FalseCut, HiddenBridge, WrongRow, find_faults, region_behind
from verifier.epochs.history import EpochHistory
from verifier.epochs.proposals import subject_argument
from verifier.epochs.row_arithmetic import DIAGONAL_ONE
from verifier.epochs.rows import Row, ScoreParameters, build_rows
from verifier.epochs.tree import RowTree

pytestmark = pytest.mark.chain

# Slot of `_proposals` in the oracle's storage.
PROPOSALS = 3
# Calls in one request; a hub's rows are long, and an endpoint limits what it takes in.
_BATCH = 100


def account(number: int) -> ChecksumAddress:
    return to_checksum_address(f"0x{number + 1:040x}")


SEEDS = {"one": {account(0): 1.0}, "several": {account(0): 0.5, account(1): 0.3, account(10**6): 0.2}}


@pytest.fixture(scope="module", params=SEEDS)
def stage(request: pytest.FixtureRequest) -> Iterator[EpochStage]:
    with open_stage(SEEDS[request.param]) as stage:
        stage.funded(901)
        yield stage


def random_graph(dice: random.Random, size: int) -> BoundaryGraph:
    """Hubs, dead ends, dust, cycles, accounts that no walk reaches and accounts that are only distrusted."""
    graph = BoundaryGraph()

    def weight() -> int:
        return dice.choice([1, dice.randrange(1, 10**6), dice.randrange(1, 2**90)])

    def add(side: dict[ChecksumAddress, dict[ChecksumAddress, int]], source: int, target: int) -> None:
        if source != target:
            side.setdefault(account(target), {})[account(source)] = weight()

    for number in range(1, size):
        # One in eight has no way from the seeds.
        add(graph.distrusting if dice.random() < 0.125 else graph.trusting, dice.randrange(number), number)
    hub = dice.randrange(size)
    for _ in range(2 * size):
        add(graph.trusting, dice.randrange(size), hub if dice.random() < 0.2 else dice.randrange(size))
    for _ in range(size // 4):
        add(graph.distrusting, dice.randrange(size), dice.randrange(size))
    return graph


@dataclass
class Court:
    """The oracle with a graph at the boundary, asked about trees that need not be proposed."""

    stage: EpochStage
    graph: BoundaryGraph
    parameters: ScoreParameters
    honest: RowTree

    @property
    def epoch(self) -> int:
        return self.honest.epoch

    def calls_for(self, tree: RowTree, position: int) -> list[tuple[type, str]]:
        """The challenges of one row that need no answer: what each proves, and the encoded call."""
        subject = subject_argument(None)
        row, shown = tree.rows[position], tree.proven(position)
        sources = [tree.positions[source] for source in self.graph.trusting.get(row.account, {})]
        trusting = [tree.proven(source) for source in sources]
        distrusting = [tree.proven(tree.positions[source]) for source in self.graph.distrusting.get(row.account, {})]
        arguments = [self.epoch, subject, shown, trusting, distrusting]
        calls: list[tuple[type, str]] = [(WrongRow, self.encoded("challengeRow", arguments))]
        lying = [tree.proven(source) for source in sources[4:] if tree.rows[source] != self.honest.rows[source]]
        for neighbor in [shown, *trusting[:4], *lying]:
            calls.append((FalseCut, self.encoded("challengeBridge", [self.epoch, shown, neighbor])))
        bridge = self.honest.rows[position].bridge
        if bridge != row.account and (row.bridge != bridge or tree is self.honest):
            region = region_behind(tree, self.graph, HiddenBridge("", position, bridge))
            edges = [source for member in region for source in self.graph.trusting.get(member, {})]
            entries = [tree.proven(tree.positions[source]) for source in edges if source not in region]
            arguments = [self.epoch, shown, bridge, region, entries, len(edges) + 1]
            calls.append((HiddenBridge, self.encoded("challengeHiddenBridge", arguments)))
        return calls

    def encoded(self, name: str, arguments: list[Any]) -> str:
        """A call's data. web3 looks the function up and checks each word anew, which would take most of the time."""
        function = self.stage.network.oracle.get_function_by_name(name).abi
        types = [collapse_if_tuple(parameter) for parameter in function["inputs"]]  # type: ignore[arg-type]
        return "0x" + (function_abi_to_4byte_selector(function) + encode(types, arguments)).hex()

    def faults(self, tree: RowTree, positions: list[int]) -> set[tuple[type, int]]:
        """What the contract finds wrong with rows of a tree."""
        slot = keccak(self.epoch.to_bytes(32, "big") + PROPOSALS.to_bytes(32, "big"))
        oracle = self.stage.network.oracle.address
        view = {oracle: {"stateDiff": {"0x" + slot.hex(): "0x" + tree.root.hex()}}}
        asked = [(kind, position, data) for position in positions for kind, data in self.calls_for(tree, position)]
        provider: Any = self.stage.network.web3.provider
        requests = [
            (RPCEndpoint("eth_call"), [{"to": oracle, "data": data, "gas": hex(10**9)}, "latest", view])
            for _, _, data in asked
        ]
        answers = []
        for start in range(0, len(requests), _BATCH):
            answers += provider.make_batch_request(requests[start : start + _BATCH])
        found = set()
        for (kind, position, _), answer in zip(asked, answers, strict=True):
            if "error" not in answer:
                found.add((kind, position))
            else:
                assert decode_revert(bytes.fromhex(answer["error"]["data"][2:])).name == "ReputationOracleNoFault"
        return found


def python_faults(court: Court, tree: RowTree) -> set[tuple[type, int]]:
    """What this side finds wrong, with the kinds that the calls above can prove."""
    found = find_faults(tree, court.graph, court.parameters, court.honest)
    return {(type(fault), fault.position) for fault in found if isinstance(fault, WrongRow | FalseCut | HiddenBridge)}


def mutated(dice: random.Random, rows: list[Row], position: int) -> Row:
    """One member off: by a unit, by about the tolerance, or by anything."""
    row, change = rows[position], dice.choice([1, 2, 3, 5, 9, 30, 2**20, 2**40]) * dice.choice([-1, 1])
    match dice.randrange(4):
        case 0:
            return replace(row, visits=max(row.visits + change, 0))
        case 1:
            return replace(row, diagonal=max(row.diagonal + change, DIAGONAL_ONE - 1))
        case 2:
            return replace(row, score=max(row.score + change, 0))
        case _:
            return replace(row, bridge=dice.choice([row, *rows]).account if dice.random() < 0.5 else row.account)


def agree(stage: EpochStage, dice: random.Random, size: int, mutations: int) -> int:
    """Compare the two sides on one graph; returns the number of rows that were shown to the contract."""
    with stage.scene():
        graph = random_graph(dice, size)
        stage.plant(graph)
        history = EpochHistory(stage.network)
        history.advance()
        parameters = history.parameters()
        rows = build_rows(graph, parameters)
        honest = RowTree(stage.close_epoch(), rows)
        court = Court(stage, graph, parameters, honest)
        stage.propose(stage.bank, honest, bytes(32))
        everybody = list(range(len(rows)))
        assert court.faults(honest, everybody) == set() == python_faults(court, honest)
        shown = len(rows)
        for _ in range(mutations):
            position = dice.randrange(len(rows))
            tree = RowTree(court.epoch, [*rows[:position], mutated(dice, rows, position), *rows[position + 1 :]])
            touched = [position, *dice.sample(everybody, min(3, len(rows)))]
            touched += [tree.positions[to] for to in graph.trusted.get(rows[position].account, {})][:8]
            expected = {fault for fault in python_faults(court, tree) if fault[1] in touched}
            assert court.faults(tree, touched) == expected
            shown += len(touched)
    return shown


def test_rows__of_random_graphs__pass_and_fail_alike(stage: EpochStage) -> None:
    stage.bank.send(stage.network.token.functions.approve(stage.network.oracle.address, 2**255))
    dice = random.Random(7)
    assert sum(agree(stage, dice, size, mutations=15) for size in (2, 5, 40)) > 150


@pytest.mark.long
def test_rows__of_two_hundred_graphs__pass_and_fail_alike(stage: EpochStage) -> None:
    """One hundred graphs for each choice of seeds, up to 2,000 accounts, and 10,000 mutations in all."""
    stage.bank.send(stage.network.token.functions.approve(stage.network.oracle.address, 2**255))
    dice = random.Random(11)
    sizes = [2_000, 1_000, *(dice.randrange(2, 300) for _ in range(98))]
    assert sum(agree(stage, dice, size, mutations=50) for size in sizes) > 15_000
