"""Lies that only an answer shows: the challenger asks with a bond, and the proposer has to answer."""

from dataclasses import replace

import pytest

from scripts.epoch_stage import BOND, CHALLENGE_WINDOW
from verifier.epochs.history import EpochHistory
from verifier.epochs.proposals import Dispute, DisputeStatus, Status, subject_argument
from verifier.epochs.rows import Row, build_visits
from verifier.epochs.tree import RowTree

from .conftest import ACCOUNTS, Play, on_a_cycle, told

pytestmark = pytest.mark.chain


def test_index__at_which_no_row_can_be_shown__is_demanded_and_voided(play: Play) -> None:
    rows = play.honest()
    play.propose([*rows[:3], replace(rows[3], index=17), *rows[4:]])
    assert_expires(play)


def test_rows__that_nobody_has__are_demanded_and_voided(play: Play) -> None:
    play.propose(wrong_score(play), publish=False)
    assert_expires(play)


def test_diagonal__too_high_and_not_answered__is_voided(play: Play) -> None:
    position = on_a_cycle(play)
    play.propose(told(play, play.honest(), position, diagonal=play.honest()[position].diagonal + 2))
    assert_expires(play)


def assert_expires(play: Play) -> None:
    """The challenger asks, nobody answers, and it has its bond and the bounty in the end."""
    before = play.tokens("challenger")
    challenger = play.challenger()
    assert len(challenger.step()) == 1
    assert challenger.step() == []
    assert play.tokens("challenger") == before - BOND // 64
    play.stage.move_on(CHALLENGE_WINDOW - 10)
    assert challenger.step() == []
    play.stage.move_on(20)
    assert len(challenger.step()) == 1
    assert play.fault() == "UNANSWERED"
    challenger.step()
    assert play.tokens("challenger") == before + BOND // 2


@pytest.mark.parametrize("published", [True, False])
@pytest.mark.parametrize("change", [2, -2])
def test_diagonal__answered_with_wrong_visits__is_voided(play: Play, published: bool, change: int) -> None:
    position = on_a_cycle(play)
    account = ACCOUNTS[position]
    lie = play.honest()[position].diagonal + change
    scores = play.propose(told(play, play.honest(), position, diagonal=lie))
    challenger = play.challenger()
    assert len(challenger.step()) == 1
    rows = build_visits(play.graph, play.parameters, account)
    rows[position] = replace(rows[position], visits=lie << 20)
    visits = RowTree(play.epoch, rows, account)
    digest = play.publish(visits) if published else bytes(32)
    call = play.stage.network.oracle.functions.answerDiagonal
    answer = call(play.epoch, visits.root, digest, scores.proven(position), visits.proven(position))
    play.sender("cheat").send(answer)
    for _ in range(8):
        challenger.step()
        answer_rows(play, visits)
    assert play.fault() == "ROW"


@pytest.mark.parametrize("delay", [0, CHALLENGE_WINDOW - 60])
@pytest.mark.parametrize("wrong", [0, 5, 19])
def test_row__that_is_wrong_among_withheld_ones__is_found_by_dividing(play: Play, wrong: int, delay: int) -> None:
    """Also where the proposer answers as late as it may."""
    before = play.tokens("challenger")
    tree = play.propose(wrong_score(play, wrong), publish=False)
    challenger, asked = play.challenger(), 0
    while play.proposal().status is Status.LIVE:
        challenger.step()
        play.stage.move_on(delay)
        asked += answer_rows(play, tree)
        assert asked < 15  # of twenty
    assert play.fault() == "ROW"
    challenger.step()
    assert play.tokens("challenger") == before + BOND // 2


def answer_rows(play: Play, tree: RowTree) -> int:
    """What a cheat does who wants to stay alive: it answers every demand of a row, with what it has."""
    history, answered = EpochHistory(play.stage.network), 0
    history.advance()
    for question in history.questions():
        dispute = Dispute.read(play.stage.network, question)
        if question.index is None or dispute.status is not DisputeStatus.OPEN or question.subject != tree.subject:
            continue
        call = play.stage.network.oracle.functions.answerRow
        play.sender("cheat").send(call(play.epoch, subject_argument(tree.subject), tree.proven(question.index)))
        answered += 1
    return answered


def wrong_score(play: Play, position: int = 5) -> list[Row]:
    rows = play.honest()
    lie = replace(rows[position], score=rows[position].score + 1)
    return [*rows[:position], lie, *rows[position + 1 :]]
