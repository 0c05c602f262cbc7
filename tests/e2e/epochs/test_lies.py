"""Every kind of lie in one row, voided at once by an account without any role."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from eth_utils.address import to_checksum_address

from chain.parameters import TOKEN
from scripts.epoch_stage import BOND
from verifier.epochs.examination import examine, live_proposal
from verifier.epochs.history import EpochHistory
from verifier.epochs.proposals import Status, subject_argument
from verifier.epochs.row_arithmetic import DIAGONAL_ONE, inflow, is_balanced
from verifier.epochs.rows import Row, build_rows

from .conftest import ACCOUNTS, Play, dead_end, on_a_cycle, told

pytestmark = pytest.mark.chain


Lie = Callable[[Play, list[Row]], list[Row]]


def reindexed(rows: list[Row]) -> list[Row]:
    return [replace(row, index=index) for index, row in enumerate(rows)]


def is_right(play: Play, rows: list[Row], position: int) -> bool:
    """Whether a row's visits pass, by the formula alone."""
    row = rows[position]
    edges, visits = play.graph.trusting.get(row.account, {}), {row.account: row.visits for row in rows}
    strength = play.graph.trust_strength
    flows = [inflow(play.parameters.stop, weight, strength[by], visits[by]) for by, weight in edges.items()]
    return is_balanced(row.visits, play.parameters.seeds.get(row.account, 0), sum(flows), len(edges))


def last_right_visits(play: Play, rows: list[Row], position: int) -> int:
    visits = rows[position].visits
    while is_right(play, told(play, rows, position, visits=visits + 1), position):
        visits += 1
    return visits


def gross_visits(play: Play, rows: list[Row]) -> list[Row]:
    return told(play, rows, 12, visits=rows[12].visits * 2)


def visits_just_above_the_tolerance(play: Play, rows: list[Row]) -> list[Row]:
    position = dead_end(play)
    return told(play, rows, position, visits=last_right_visits(play, rows, position) + 1)


def score(play: Play, rows: list[Row]) -> list[Row]:
    return [*rows[:5], replace(rows[5], score=rows[5].score + 1), *rows[6:]]


def diagonal_below_one(play: Play, rows: list[Row]) -> list[Row]:
    return told(play, rows, 12, diagonal=DIAGONAL_ONE - 1)


def diagonal_below_a_cycle(play: Play, rows: list[Row]) -> list[Row]:
    return told(play, rows, on_a_cycle(play), diagonal=DIAGONAL_ONE)


def false_cut(play: Play, rows: list[Row]) -> list[Row]:
    """A row that loses the decay though walks reach it by two ways."""
    position = next(i for i, row in enumerate(rows) if not row.is_behind_bridge and row.visits and i)
    return told(play, rows, position, bridge=ACCOUNTS[0])


def another_bridge(play: Play, rows: list[Row]) -> list[Row]:
    position = next(i for i, row in enumerate(rows) if row.is_behind_bridge and row.visits)
    return told(play, rows, position, bridge=ACCOUNTS[19 if rows[position].bridge != ACCOUNTS[19] else 18])


def hidden_bridge(play: Play, rows: list[Row]) -> list[Row]:
    """A row that keeps what the decay would take, of an account that nobody else's walks come by."""
    position = next(
        i for i in reversed(range(20)) if rows[i].is_behind_bridge and rows[i].visits and i == dead_end(play)
    )
    return told(play, rows, position, bridge=rows[position].account)


def index_of_another(play: Play, rows: list[Row]) -> list[Row]:
    return [*rows[:3], replace(rows[3], index=7), *rows[4:]]


def account_of_nobody(play: Play, rows: list[Row]) -> list[Row]:
    nobody = to_checksum_address(f"0x{int(ACCOUNTS[4], 16) + 1:040x}")
    return [*rows[:4], replace(rows[4], account=nobody), *rows[5:]]


def row_left_out(play: Play, rows: list[Row]) -> list[Row]:
    nobody = to_checksum_address("0x" + "ff" * 20)
    return reindexed([*rows[:6], *rows[7:], replace(rows[0], account=nobody, bridge=nobody)])


def row_repeated(play: Play, rows: list[Row]) -> list[Row]:
    return reindexed([*rows[:6], rows[5], *rows[7:]])


def stale_edges(play: Play, rows: list[Row]) -> list[Row]:
    return build_rows(play.before, play.parameters)


def other_parameters(play: Play, rows: list[Row]) -> list[Row]:
    return build_rows(play.graph, replace(play.parameters, stop=play.parameters.stop + 2**40))


def other_decay(play: Play, rows: list[Row]) -> list[Row]:
    return build_rows(play.graph, replace(play.parameters, bridge_decay=0))


@pytest.mark.parametrize(
    ("lie", "fault"),
    [
        (gross_visits, "ROW"),
        (visits_just_above_the_tolerance, "ROW"),
        (score, "ROW"),
        (diagonal_below_one, "ROW"),
        (diagonal_below_a_cycle, "DIAGONAL"),
        (false_cut, "BRIDGE"),
        (another_bridge, "BRIDGE"),
        (hidden_bridge, "BRIDGE"),
        (index_of_another, "ORDER"),
        (account_of_nobody, "MISSING"),
        (row_left_out, "MISSING"),
        (row_repeated, "ORDER"),
        (stale_edges, "ROW"),
        (other_parameters, "ROW"),
        (other_decay, "ROW"),
    ],
)
def test_lie__shown_by_one_row__is_voided_at_once(play: Play, lie: Lie, fault: str) -> None:
    before = play.tokens("challenger")
    play.propose(lie(play, play.honest()))
    challenger = play.challenger()
    assert len(challenger.step()) == 1
    assert play.proposal().status is Status.VOID
    assert play.fault() == fault
    challenger.step()
    assert play.tokens("challenger") == before + BOND // 2
    assert play.tokens("cheat") == 10_000 * TOKEN - BOND


def test_lie__within_the_tolerance__stays_within_the_stated_bound(play: Play) -> None:
    rows, position = play.honest(), dead_end(play)
    largest = last_right_visits(play, rows, position)
    lie = told(play, rows, position, visits=largest)
    play.propose(lie)
    assert play.challenger().step() == []
    history = EpochHistory(play.stage.network)
    history.advance()
    found = examine(play.stage.network, history, play.published.get, live_proposal(play.stage.network))
    assert found.is_right
    assert found.published is not found.honest
    assert 0 < (largest - rows[position].visits) / 2**44 < found.error_bound


def test_bridges__hidden_by_all_who_are_behind_them__are_shown_in_parts(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a cycle each row agrees with its neighbours'; only the region shows that walks enter it by one way."""
    monkeypatch.setattr("verifier.epochs.challenger.NEIGHBORS_PER_CALL", 1)
    rows = [replace(row, bridge=row.account) if row.visits else row for row in play.honest()]
    tree = play.propose(told(play, rows, 0))
    region, bridge = ACCOUNTS[17:19], ACCOUNTS[16]
    assert [play.honest()[position].bridge for position in (17, 18)] == [bridge, bridge]
    assert {account: [*play.graph.trusting[account]] for account in region} == {
        region[0]: [bridge, region[1]],
        region[1]: [region[0]],
    }
    call = play.stage.network.oracle.functions.challengeHiddenBridge
    first = call(play.epoch, tree.proven(17), bridge, region, [tree.proven(16)], 1)
    play.sender("challenger").send(first)
    assert "hides that all walks to it pass" in play.challenger().step()[0]
    assert play.fault() == "BRIDGE"
    assert play.count("RegionChallengeAdvanced") == 2


def test_hub__challenged_in_parts__goes_on_where_it_stopped(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("verifier.epochs.challenger.NEIGHBORS_PER_CALL", 4)
    assert len(play.graph.trusting[ACCOUNTS[12]]) > 8
    rows = play.honest()
    tree = play.propose([*rows[:12], replace(rows[12], score=rows[12].score + 1), *rows[13:]])
    sources = [*play.graph.trusting[ACCOUNTS[12]]][:4]
    first = [tree.proven(tree.positions[source]) for source in sources]
    call = play.stage.network.oracle.functions.challengeRow
    play.sender("challenger").send(call(play.epoch, subject_argument(None), tree.proven(12), first, []))
    play.challenger().step()
    assert play.fault() == "ROW"
