"""The rows of an epoch: MeritRank in the oracle's fixed point."""

from typing import Any

import pytest
from eth_account import Account

from backend.epochs.rows import DIAGONAL_ONE, SCORE_ONE, ScoreParameters, build_rows, trust_score
from backend.epochs.service import EpochScores
from chain.merkle import verify_proof
from chain.parameters import FIXED_ONE

ADDRESSES = sorted((Account.from_key(bytes([number]) * 32).address for number in range(1, 5)), key=lambda a: int(a, 16))
SEED, LEFT, RIGHT, LONE = ADDRESSES


def trust(source: str, target: str, amount: int = 1, feedback: int = 0) -> dict[str, Any]:
    return {"from": source, "to": target, "amount": amount, "feedback": feedback, "epoch": 1}


def parameters(stop: float = 0.15, bridge_decay: float = 0.5) -> ScoreParameters:
    return ScoreParameters(round(stop * FIXED_ONE), round(bridge_decay * FIXED_ONE), {SEED: FIXED_ONE})


def test_rows__of_three_nodes__have_the_known_values() -> None:
    """Edges 0->1, 0->2, 1->2 of weight 1 with stop 0.15: visits 1, 0.425, 0.78625."""
    rows = build_rows([trust(SEED, LEFT), trust(SEED, RIGHT), trust(LEFT, RIGHT)], parameters())
    assert [row.account for row in rows] == [SEED, LEFT, RIGHT]
    assert [row.index for row in rows] == [0, 1, 2]
    assert [row.score / SCORE_ONE for row in rows] == pytest.approx([1, 0.425, 0.78625], abs=1e-12)
    assert [row.visits / FIXED_ONE for row in rows] == pytest.approx([1, 0.425, 0.78625], abs=1e-12)
    assert {row.diagonal for row in rows} == {DIAGONAL_ONE}
    assert {row.bridge == row.account for row in rows} == {True}


def test_rows__behind_a_bridge__lose_the_connectivity_decay() -> None:
    rows = build_rows([trust(SEED, LEFT), trust(LEFT, RIGHT)], parameters(stop=0.5, bridge_decay=0.25))
    right = rows[2]
    assert right.bridge == LEFT
    assert right.score / SCORE_ONE == pytest.approx(0.25 * 0.75, abs=1e-12)


def test_rows__depend_neither_on_the_order_of_the_feedback_nor_on_how_it_is_split() -> None:
    whole = build_rows([trust(SEED, LEFT, 3), trust(SEED, RIGHT, 1), trust(RIGHT, SEED, 5)], parameters())
    parts = [trust(RIGHT, SEED, 5), trust(SEED, RIGHT, 1), trust(SEED, LEFT, 1), trust(SEED, LEFT, 2)]
    assert build_rows(parts, parameters()) == whole


def test_rows__of_accounts_that_are_only_distrusted__are_there_with_score_zero() -> None:
    rows = build_rows([trust(SEED, LEFT), trust(SEED, LONE, feedback=1)], parameters())
    assert [(row.account, row.score > 0) for row in rows] == [(SEED, True), (LEFT, True), (LONE, False)]


def test_score__is_what_the_other_members_of_the_row_imply() -> None:
    feedback = [trust(SEED, LEFT), trust(LEFT, SEED), trust(LEFT, RIGHT), trust(RIGHT, LEFT, 3)]
    for row in build_rows(feedback, parameters(stop=0.3)):
        decay = round(0.5 * FIXED_ONE)
        assert row.score == trust_score(row.visits, row.diagonal, row.bridge != row.account, decay)
        assert row.diagonal > DIAGONAL_ONE


def test_distrust__takes_its_share_of_the_score_of_each_who_distrusts() -> None:
    feedback = [trust(SEED, LEFT), trust(SEED, RIGHT), trust(LEFT, RIGHT)]
    before = build_rows(feedback, parameters())
    distrust = [trust(LEFT, RIGHT, 1, feedback=1), trust(LEFT, LONE, 2, feedback=1), trust(LONE, SEED, 9, feedback=1)]
    after = build_rows([*feedback, *distrust], parameters())
    assert [row.score for row in after] == [
        before[0].score,  # distrusted by an account without a score
        before[1].score,
        before[2].score - before[1].score * 1 // 3,
        0,
    ]
    assert [row.visits for row in after[:3]] == [row.visits for row in before]


def test_proof__of_each_row__leads_to_the_root() -> None:
    rows = build_rows([trust(SEED, LEFT), trust(SEED, RIGHT), trust(LEFT, LONE)], parameters())
    scores = EpochScores(7, rows, [row.leaf(7) for row in rows])
    for row in rows:
        found = scores.row_of(row.account)
        assert found is not None
        assert found[0] == row
        assert verify_proof(row.leaf(7), found[1], scores.root)
    assert scores.row_of(COURT_LIKE) is None


COURT_LIKE = Account.from_key(b"\x63" * 32).address
