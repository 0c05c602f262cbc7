"""Whole audits on a chain: honest and dishonest contributors and verifiers, from the record to the settlement."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from chain.client import ServiceUnavailableError
from chain.contribution import Batch, Leaf, build_batch
from chain.parameters import TOKEN
from verifier.node.adversaries import CopyingVerifier, GuessingExaminer
from verifier.node.audit import BatchOutcome, Fault
from verifier.node.history import REORGANISATION_DEPTH
from verifier.node.telemetry import Telemetry
from verifier.provider import agent, recorder
from verifier.provider.ledger import Ledger

pytestmark = pytest.mark.chain


def _stake(world: Any, account: Any) -> int:
    active: int = world.network.vault.functions.stakeOf(account.address).call()[0]
    return active


def _credit(world: Any, account: Any) -> int:
    credit: int = world.network.escrow.functions.creditOf(account.address).call()
    return credit


def test_audit__everybody_honest__contributor_and_verifiers_are_paid(world: Any) -> None:
    provider = world.provider()
    provider.serve(world.job_id, [world.order(0)])
    outcome, faults = world.settle(provider, *map(world.node, world.verifiers))
    assert (outcome, faults) == (BatchOutcome.PASS, {})
    provider.look()
    assert world.network.token.functions.balanceOf(world.contributor.address).call() == 9_002 * TOKEN
    for account in world.verifiers:
        # The job's fee is 3 tokens for three; a twentieth is for those who propose epochs.
        assert _credit(world, account) == TOKEN * 95 // 100
        assert _stake(world, account) == 1_000 * TOKEN


def test_audit__trace_of_another_model__contributor_is_slashed(world: Any) -> None:
    provider = world.provider(cheap=True)
    provider.serve(world.job_id, [world.order(0)])
    outcome, faults = world.settle(provider, *map(world.node, world.verifiers))
    assert (outcome, faults) == (BatchOutcome.FRAUD, {})
    assert _stake(world, world.contributor) == (1_000 - 20) * TOKEN
    assert _credit(world, world.contributor) == 0


def test_audit__right_trace_disclosed_that_was_not_committed__contributor_is_slashed(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = world.provider(cheap=True)
    provider.serve(world.job_id, [world.order(0)])
    # With the key known, the cheat runs the right model after all and discloses a digest that is close enough.
    honest = world.rerun(world.order(0)).trace
    monkeypatch.setattr(Ledger, "trace", lambda ledger, leaf: honest)
    outcome, faults = world.settle(provider, *map(world.node, world.verifiers))
    assert (outcome, faults) == (BatchOutcome.FRAUD, {})


def test_audit__contributor_never_discloses__it_is_slashed(world: Any) -> None:
    world.provider().serve(world.job_id, [world.order(0)])
    outcome, faults = world.settle(*map(world.node, world.verifiers))
    assert (outcome, faults) == (BatchOutcome.FRAUD, {})


def test_audit__evidence_vanishes__nobody_is_paid_or_slashed(world: Any) -> None:
    provider = world.provider()
    provider.serve(world.job_id, [world.order(0)])
    world.evidence.blocks = {
        digest: block for digest, block in world.evidence.blocks.items() if b"request_signature" not in block
    }
    outcome, faults = world.settle(provider, *map(world.node, world.verifiers))
    assert (outcome, faults) == (BatchOutcome.UNAVAILABLE, {})
    assert _stake(world, world.contributor) == 1_000 * TOKEN
    assert _credit(world, world.contributor) == 0


def test_audit__one_verifier_copies_a_commitment__it_cannot_reveal_and_pays_the_most(world: Any) -> None:
    honest = [world.node(account) for account in world.verifiers[:2]]
    copier = world.node(world.verifiers[2], kind=CopyingVerifier)
    provider = world.provider()
    provider.serve(world.job_id, [world.order(0)])
    outcome, faults = world.settle(provider, copier, *honest)
    assert (outcome, faults) == (BatchOutcome.PASS, {world.verifiers[2].address: Fault.WITHHELD})
    assert [_stake(world, account) for account in world.verifiers] == [1_000 * TOKEN, 1_000 * TOKEN, 990 * TOKEN]


def test_audit__one_verifier_guesses__it_is_outside_the_cluster_and_unpaid(world: Any) -> None:
    honest = [world.node(account) for account in world.verifiers[:2]]
    guesser = world.node(world.verifiers[2], examiner=GuessingExaminer())
    provider = world.provider()
    provider.serve(world.job_id, [world.order(0)])
    outcome, faults = world.settle(provider, guesser, *honest)
    assert (outcome, faults) == (BatchOutcome.PASS, {world.verifiers[2].address: Fault.OUTLIER})
    assert _credit(world, world.verifiers[2]) == 0
    assert _credit(world, world.verifiers[0]) == 3 * TOKEN * 95 // 100 // 2


def test_audit__more_units_charged_than_worked__contributor_is_slashed(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = world.provider()
    monkeypatch.setattr(agent, "Leaf", lambda **fields: Leaf(**{**fields, "units": 21}))
    provider.serve(world.job_id, [world.order(0)])
    outcome, _ = world.settle(provider, *map(world.node, world.verifiers))
    assert outcome is BatchOutcome.FRAUD


def test_audit__manifest_of_other_leaves__contributor_is_slashed(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def promising_other_leaves(leaves: Sequence[Leaf], deadline: int) -> tuple[Batch, bytes]:
        batch, manifest = build_batch(leaves, deadline)
        return replace(batch, leaves_root=bytes(31) + b"\x01"), manifest

    monkeypatch.setattr(recorder, "build_batch", promising_other_leaves)
    provider = world.provider()
    provider.serve(world.job_id, [world.order(0)])
    assert world.settle(provider, *map(world.node, world.verifiers)) == (BatchOutcome.FRAUD, {})


def test_audit__work_that_nobody_ordered__contributor_is_slashed(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    provider = world.provider()
    monkeypatch.setattr(agent, "signer_of", lambda *_: world.requester.address)
    provider.serve(world.job_id, [replace(world.order(0), signature=bytes(65))])
    outcome, _ = world.settle(provider, *map(world.node, world.verifiers))
    assert outcome is BatchOutcome.FRAUD


def test_serve__request_that_was_not_ordered__refused_before_any_work(world: Any) -> None:
    provider = world.provider()
    other = replace(world.order(0), request=world.order(0, seed=8).request)
    with pytest.raises(agent.UnorderedWorkError):
        provider.serve(world.job_id, [other])
    assert len(world.evidence.blocks) == 1


def test_audit__journal_lost_after_the_commitment__node_says_so_and_goes_on(world: Any) -> None:
    provider = world.provider()
    provider.serve(world.job_id, [world.order(0)])
    committed = world.network.court.events.Committed
    first = world.node(world.verifiers[0])
    while not committed().get_logs(from_block=world.network.deployment.block):
        first.look()
        world.mine()
    world.close()
    world.opened.clear()
    (world.folder / world.verifiers[0].address / "journal.sqlite").unlink()
    telemetry = Telemetry()
    forgetful = world.node(world.verifiers[0], telemetry=telemetry)
    others = [world.node(account) for account in world.verifiers[1:]]
    outcome, faults = world.settle(world.provider(), forgetful, *others)
    assert (outcome, faults) == (BatchOutcome.PASS, {world.verifiers[0].address: Fault.WITHHELD})
    numbers = telemetry.metrics().decode()
    assert "merit_node_unknown_commitments_total 1.0" in numbers
    assert "merit_node_penalties_total 1.0" in numbers


def test_audit__verifier_with_credit_worth_it__withdraws_and_says_what_it_earned(world: Any) -> None:
    provider, telemetry = world.provider(), Telemetry()
    share = TOKEN * 95 // 100  # of three tokens, less what the network takes
    provider.serve(world.job_id, [world.order(0)])
    paid = world.node(world.verifiers[0], telemetry=telemetry, least_withdrawal=share)
    world.settle(provider, paid, *map(world.node, world.verifiers[1:]))
    paid.look()
    assert _credit(world, world.verifiers[0]) == 0
    assert world.network.token.functions.balanceOf(world.verifiers[0].address).call() == 9_000 * TOKEN + share
    status = telemetry.status()
    assert (status["earned"], status["lost"], status["duties"]) == (str(share), "0", [])
    assert set(status["gas_spent_wei_by_step"]) >= {"commit", "reveal", "withdraw"}
    world.mine(REORGANISATION_DEPTH + 1)
    paid.look()
    assert telemetry.status()["earned"] == str(share)
    assert telemetry.status()["audits"]["settled"] == 0


def test_serve__recorder_fails__handed_in_again_later(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    provider = world.provider()
    with monkeypatch.context() as patch:
        patch.setattr(recorder.DirectRecorder, "submit", _unavailable)
        with pytest.raises(ServiceUnavailableError):
            provider.serve(world.job_id, [world.order(0)])
    assert provider.next_number(world.job_id) == 1
    provider.serve(world.job_id, [world.order(1)])
    assert world.network.court.functions.nextLeaf(world.job_id, world.contributor.address).call() == 2


def _unavailable(*_: Any) -> None:
    raise ServiceUnavailableError("the recorder is down")
