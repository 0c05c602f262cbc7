"""What proposing, disproving and using an epoch's scores costs; a part of `scripts.gas`."""

from dataclasses import replace

from web3 import Web3

from chain.parameters import TOKEN
from scripts.epoch_stage import EpochStage, open_stage
from verifier.epochs.boundary import BoundaryGraph
from verifier.epochs.challenger import NEIGHBORS_PER_CALL
from verifier.epochs.history import EpochHistory
from verifier.epochs.proposals import subject_argument
from verifier.epochs.rows import build_rows
from verifier.epochs.tree import RowTree

_SEED = Web3.to_checksum_address(f"0x{1:040x}")
_HUB, _ORDINARY = (Web3.to_checksum_address(f"0x{number:040x}") for number in (0xFF01, 0xFF02))
_PAYERS = [Web3.to_checksum_address(f"0x{number + 2:040x}") for number in range(500)]


def measure_epochs() -> dict[str, int]:
    """Figures by name. The graph: a seed that trusts 500 accounts, which all trust a hub, and ten of them one more."""
    graph = BoundaryGraph(
        {
            **{payer: {_SEED: TOKEN} for payer in _PAYERS},
            _HUB: dict.fromkeys(_PAYERS, 3 * TOKEN),
            _ORDINARY: dict.fromkeys(_PAYERS[:10], 2 * TOKEN),
        }
    )
    with open_stage({_SEED: 1.0}) as stage:
        stage.plant(graph)
        epoch = stage.close_epoch()
        history = EpochHistory(stage.network)
        history.advance()
        honest = RowTree(epoch, build_rows(graph, history.parameters()))
        ten = _challenge(stage, graph, honest, _ORDINARY)
        hub = _challenge(stage, graph, honest, _HUB)
        figures = {"challenge_row_10": sum(ten), "challenge_row_500_total": sum(hub), "challenge_row_500": max(hub)}
        figures["propose_epoch"] = stage.propose(stage.funded(901), honest, bytes(32))
        stage.move_on(10**6)
        oracle = stage.network.oracle.functions
        stage.bank.send(oracle.finalize(epoch))
        row, proof = honest.proven(honest.positions[_ORDINARY])
        figures["verify_score_view"] = int(oracle.verifyScore(epoch, row, proof).estimate_gas())
        figures["check_in"] = int(stage.bank.send(oracle.checkIn(epoch, row, proof))["gasUsed"])
    return figures


def _challenge(stage: EpochStage, graph: BoundaryGraph, honest: RowTree, account: str) -> list[int]:
    """Gas of each transaction that it takes to void a proposal with one unit too much for an account."""
    position = honest.positions[account]
    rows = list(honest.rows)
    rows[position] = replace(rows[position], score=rows[position].score + 1)
    lie, neighbors = RowTree(honest.epoch, rows), list(graph.trusting[rows[position].account])
    with stage.scene():
        stage.propose(stage.funded(902), lie, bytes(32))
        challenger = stage.funded(903)
        gas = []
        for start in range(0, len(neighbors), NEIGHBORS_PER_CALL):
            shown = [lie.proven(lie.positions[one]) for one in neighbors[start : start + NEIGHBORS_PER_CALL]]
            call = stage.network.oracle.functions.challengeRow(
                lie.epoch, subject_argument(None), lie.proven(position), shown, []
            )
            gas.append(int(challenger.send(call)["gasUsed"]))
    return gas
