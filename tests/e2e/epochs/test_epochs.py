"""Three epochs with a cheat in the second; honest proposals and those who doubt them for nothing."""

import time
from collections.abc import Callable
from dataclasses import astuple, replace

import pytest
from web3.contract.contract import ContractFunction

from chain.calls import read
from chain.errors import TransactionRevertedError
from chain.parameters import TOKEN
from scripts.epoch_stage import BOND, CHALLENGE_WINDOW, PROPOSAL_WINDOW, EpochStage
from verifier.epochs.challenger import EpochChallenger
from verifier.epochs.cycles import likeliest_cycle
from verifier.epochs.proposals import Question, Status, subject_argument
from verifier.epochs.rows import build_rows
from verifier.epochs.tree import RowTree
from verifier.node.epochs import watching
from verifier.node.telemetry import Telemetry

from .conftest import ACCOUNTS, Backend, Play, feedback, on_a_cycle, play_of, told

pytestmark = pytest.mark.chain


def test_three_epochs__with_a_cheat_in_the_second__end_with_the_true_scores(
    stage: EpochStage, backend: Backend
) -> None:
    """Twenty accounts; the challenger and the node that watches hold no role, only tokens for a bond."""
    with stage.scene():
        first = read(stage.network.graph.functions.boundary())[0] + 1
        stage.move_on(PROPOSAL_WINDOW + 1)  # what other tests have closed is given up
        for epoch in range(first, first + 3):
            for entry in feedback(epoch):
                stage.record(*entry)
            stage.close_epoch()
            play = play_of(stage, epoch)
            watcher = EpochChallenger(stage.network, play.sender("challenger"), backend.store.get)
            if epoch == first + 1:
                lie = RowTree(epoch, told(play, play.honest(), 5, visits=2**43))
                stage.propose(play.sender("cheat"), lie, backend.store.put(lie.document).digest)
                with watching(watcher, Telemetry(), pause=0.05):
                    held = stage.network.token.functions.balanceOf(play.sender("challenger").address)
                    wait_until(lambda: read(held) == 10_000 * TOKEN + BOND // 2)  # noqa: B023
                assert play.proposal().status is Status.VOID
            backend.step()
            assert watcher.step() == []
            assert watcher.examined is not None
            assert watcher.examined.is_right
            stage.move_on(CHALLENGE_WINDOW)
            backend.step()
            assert play.proposal().status is Status.FINAL
            assert_scores(play, backend)
        assert play.tokens("cheat") == 10_000 * TOKEN - BOND
        assert play.tokens("proposer") == 10_000 * TOKEN


def wait_until(condition: Callable[[], bool]) -> None:
    for _ in range(2_400):
        if condition():
            return
        time.sleep(0.05)
    pytest.fail("it did not happen")


def assert_scores(play: Play, backend: Backend) -> None:
    rows = {row.account: row for row in play.honest()}
    calls = play.stage.network.oracle.functions
    tree = backend.epochs.scores(play.epoch)
    for account in ACCOUNTS:
        found = tree.row_of(account)
        assert found is not None
        assert abs(found[0].visits - rows[account].visits) <= 1
        assert read(calls.verifyScore(play.epoch, astuple(found[0]), found[1]))
        assert not read(calls.verifyScore(play.epoch, astuple(replace(found[0], score=found[0].score + 1)), found[1]))


def test_honest_proposal__survives_every_false_challenge(play: Play) -> None:
    tree = play.propose(play.honest(), "proposer")
    calls, subject = play.stage.network.oracle.functions, subject_argument(None)
    neighbors: list[ContractFunction] = []
    for position, row in enumerate(tree.rows):
        shown = tree.proven(position)
        sides = (play.graph.trusting, play.graph.distrusting)
        trusting, distrusting = (
            [tree.proven(tree.positions[source]) for source in side.get(row.account, {})] for side in sides
        )
        neighbors += [calls.challengeBridge(play.epoch, shown, neighbor) for neighbor in trusting]
        cycle, _ = likeliest_cycle(play.graph, play.parameters.stop, row.account)
        neighbors += [
            calls.challengeRow(play.epoch, subject, shown, trusting, distrusting),
            calls.challengeBridge(play.epoch, shown, shown),
            calls.challengeCycle(play.epoch, shown, cycle),
            calls.challengeOrder(play.epoch, subject, shown, tree.proven(min(position + 1, 19))),
            calls.challengeMissing(play.epoch, subject, row.account, [shown]),
        ]
    refusals = set()
    for call in neighbors:
        with pytest.raises(TransactionRevertedError) as refusal:
            read(call)
        refusals.add(refusal.value.name)
    assert refusals == {"ReputationOracleNoFault"}


def test_false_questions__are_answered_by_the_service__and_cost_their_bonds(play: Play, backend: Backend) -> None:
    backend.step()
    account = ACCOUNTS[on_a_cycle(play)]
    questions = [Question(play.epoch, 0, None, 3), Question(play.epoch, 0, account, None)]
    calls, liar = play.stage.network.oracle.functions, play.sender("challenger")
    before = play.tokens("challenger")
    liar.send(calls.demandRow(play.epoch, subject_argument(None), 3))
    liar.send(calls.challengeDiagonal(play.epoch, account))
    backend.step()
    assert play.proposal().open_disputes == 0
    liar.send(calls.demandRow(play.epoch, account, 5))
    backend.step()
    assert play.proposal().open_disputes == 0
    play.stage.move_on(CHALLENGE_WINDOW - 10)
    backend.step()
    assert play.proposal().status is Status.LIVE  # what was answered last can still be challenged
    play.stage.move_on(20)
    backend.step()
    assert play.proposal().status is Status.FINAL
    for question in [*questions, Question(play.epoch, 0, account, 5)]:
        play.sender("proposer").send(calls.settleDispute(question.id))
    asked = BOND // 64 * (1 + 2 + 1)
    assert play.tokens("challenger") == before - asked
    assert play.tokens("proposer") == 10_000 * TOKEN + asked // 2


def test_proposal__with_an_open_question__is_not_finalized(play: Play, backend: Backend) -> None:
    play.propose(build_rows(play.before, play.parameters), "cheat")
    call = play.stage.network.oracle.functions.demandRow
    play.sender("challenger").send(call(play.epoch, subject_argument(None), 3))
    play.stage.move_on(CHALLENGE_WINDOW + 5)
    backend.step()  # the rows are not its own, so it has no answer, and may not finalize
    assert play.proposal().status is Status.LIVE
