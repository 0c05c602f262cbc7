"""The rows of an epoch: MeritRank in the oracle's fixed point."""

from typing import Any

import pytest
from eth_account import Account

from chain.merkle import verify_proof
from chain.parameters import FIXED_ONE
from verifier.epochs.boundary import BoundaryGraph
from verifier.epochs.row_arithmetic import DIAGONAL_ONE, SCORE_ONE, trust_score
from verifier.epochs.rows import Row, ScoreParameters, build_rows, build_visits
from verifier.epochs.tree import MalformedRowsError, RowTree

ADDRESSES = sorted((Account.from_key(bytes([number]) * 32).address for number in range(1, 5)), key=lambda a: int(a, 16))
SEED, LEFT, RIGHT, LONE = ADDRESSES


def trust(source: str, target: str, amount: int = 1, feedback: int = 0) -> dict[str, Any]:
    return {"from": source, "to": target, "amount": amount, "feedback": feedback, "epoch": 1}


def rows_of(feedback: list[dict[str, Any]], parameters: ScoreParameters) -> list[Row]:
    return build_rows(BoundaryGraph.from_feedback(feedback), parameters)


def parameters(stop: float = 0.15, bridge_decay: float = 0.5) -> ScoreParameters:
    return ScoreParameters(round(stop * FIXED_ONE), round(bridge_decay * FIXED_ONE), {SEED: FIXED_ONE})


def test_rows__of_three_nodes__have_the_known_values() -> None:
    """Edges 0->1, 0->2, 1->2 of weight 1 with stop 0.15: visits 1, 0.425, 0.78625."""
    rows = rows_of([trust(SEED, LEFT), trust(SEED, RIGHT), trust(LEFT, RIGHT)], parameters())
    assert [row.account for row in rows] == [SEED, LEFT, RIGHT]
    assert [row.index for row in rows] == [0, 1, 2]
    assert [row.score / SCORE_ONE for row in rows] == pytest.approx([1, 0.425, 0.78625], abs=1e-12)
    assert [row.visits / FIXED_ONE for row in rows] == pytest.approx([1, 0.425, 0.78625], abs=1e-12)
    assert {row.diagonal for row in rows} == {DIAGONAL_ONE}
    assert {row.bridge == row.account for row in rows} == {True}


def test_rows__behind_a_bridge__lose_the_connectivity_decay() -> None:
    rows = rows_of([trust(SEED, LEFT), trust(LEFT, RIGHT)], parameters(stop=0.5, bridge_decay=0.25))
    right = rows[2]
    assert right.bridge == LEFT
    assert right.score / SCORE_ONE == pytest.approx(0.25 * 0.75, abs=1e-12)


def test_rows__depend_neither_on_the_order_of_the_feedback_nor_on_how_it_is_split() -> None:
    whole = rows_of([trust(SEED, LEFT, 3), trust(SEED, RIGHT, 1), trust(RIGHT, SEED, 5)], parameters())
    parts = [trust(RIGHT, SEED, 5), trust(SEED, RIGHT, 1), trust(SEED, LEFT, 1), trust(SEED, LEFT, 2)]
    assert rows_of(parts, parameters()) == whole


def test_rows__of_accounts_that_are_only_distrusted__are_there_with_score_zero() -> None:
    rows = rows_of([trust(SEED, LEFT), trust(SEED, LONE, feedback=1)], parameters())
    assert [(row.account, row.score > 0) for row in rows] == [(SEED, True), (LEFT, True), (LONE, False)]


def test_score__is_what_the_other_members_of_the_row_imply() -> None:
    feedback = [trust(SEED, LEFT), trust(LEFT, SEED), trust(LEFT, RIGHT), trust(RIGHT, LEFT, 3)]
    for row in rows_of(feedback, parameters(stop=0.3)):
        decay = round(0.5 * FIXED_ONE)
        assert row.score == trust_score(row.visits, row.diagonal, row.bridge != row.account, decay)
        assert row.diagonal > DIAGONAL_ONE


def test_distrust__takes_its_share_of_the_score_of_each_who_distrusts() -> None:
    feedback = [trust(SEED, LEFT), trust(SEED, RIGHT), trust(LEFT, RIGHT)]
    before = rows_of(feedback, parameters())
    distrust = [trust(LEFT, RIGHT, 1, feedback=1), trust(LEFT, LONE, 2, feedback=1), trust(LONE, SEED, 9, feedback=1)]
    after = rows_of([*feedback, *distrust], parameters())
    assert [row.score for row in after] == [
        before[0].score,  # distrusted by an account without a score
        before[1].score,
        before[2].score - before[1].score * 1 // 3,
        0,
    ]
    assert [row.visits for row in after[:3]] == [row.visits for row in before]


def test_rows__of_a_seed_without_feedback__are_those_of_the_others() -> None:
    alone = ScoreParameters(round(0.4 * FIXED_ONE), 0, {LONE: FIXED_ONE})
    assert [(row.account, row.visits) for row in rows_of([trust(SEED, LEFT)], alone)] == [(SEED, 0), (LEFT, 0)]
    assert rows_of([], alone) == []


def test_visits__from_an_account__hold_its_diagonal() -> None:
    graph = BoundaryGraph.from_feedback([trust(SEED, LEFT), trust(LEFT, SEED), trust(LEFT, RIGHT)])
    diagonal = build_rows(graph, parameters(stop=0.5))[1].diagonal
    visits = build_visits(graph, parameters(stop=0.5), LEFT)
    # Back by the seed with probability (1/2 / 2) (1/2): visits 1 / (1 - 1/8).
    assert visits[1].visits / FIXED_ONE == pytest.approx(8 / 7, abs=1e-12)
    assert diagonal == round(8 / 7 * DIAGONAL_ONE)


def test_proof__of_each_row__leads_to_the_root() -> None:
    rows = rows_of([trust(SEED, LEFT), trust(SEED, RIGHT), trust(LEFT, LONE)], parameters())
    for subject in (None, LEFT):
        tree = RowTree(7, rows, subject)
        for row in rows:
            found = tree.row_of(row.account)
            assert found is not None
            assert found[0] == row
            assert verify_proof(row.leaf(7, subject), found[1], tree.root)
        assert tree.row_of(STRANGER) is None
        assert RowTree.parse(tree.document, 7, subject).root == tree.root
    assert RowTree(7, rows).root != RowTree(7, rows, LEFT).root != RowTree(8, rows, LEFT).root


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"epoch":7', b'"epoch":8'),
        (b'"subject":null', b'"subject":"0x00"'),
        (b'"rows":[', b'"rows":[[],'),
        (b"[[0,", b"[[-1,"),
        (b"[[0,", b"[[true,"),
        (b"[[0,", b"[[4294967296,"),
        (b"[[0,", b"[[0.0,"),
        (b"{", b"["),
        (b"{", b"\xff"),
        (ADDRESSES[0].encode(), ADDRESSES[0].lower().encode()),
    ],
)
def test_document__that_is_not_the_trees__is_refused(old: bytes, new: bytes) -> None:
    document = RowTree(7, rows_of([trust(SEED, LEFT)], parameters())).document
    assert old in document
    with pytest.raises(MalformedRowsError):
        RowTree.parse(document.replace(old, new, 1), 7)


def test_error_bound__of_three_nodes() -> None:
    graph = BoundaryGraph.from_feedback([trust(SEED, LEFT), trust(SEED, RIGHT), trust(LEFT, RIGHT)])
    assert graph.error_bound(FIXED_ONE // 2) == (1 + 2 + 3) / FIXED_ONE * 2


STRANGER = Account.from_key(b"\x63" * 32).address
