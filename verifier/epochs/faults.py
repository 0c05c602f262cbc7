"""What can be wrong with a tree of rows, found as the contracts would find it: one row, with what proves it wrong."""

from bisect import bisect
from collections.abc import Iterator
from dataclasses import dataclass

from eth_typing import ChecksumAddress

from chain.parameters import FIXED_ONE
from verifier.epochs.boundary import BoundaryGraph
from verifier.epochs.cycles import likeliest_cycle
from verifier.epochs.row_arithmetic import DIAGONAL_ONE, inflow, is_balanced, is_diagonal_below, trust_score
from verifier.epochs.rows import Row, ScoreParameters, distrusted
from verifier.epochs.tree import RowTree


@dataclass(frozen=True)
class Fault:
    """One thing wrong with a tree; positions are those of rows in it. `sentence` begins in the middle of one."""

    sentence: str


@dataclass(frozen=True)
class WrongRow(Fault):
    """Visits are not what flows in, or the score does not follow from the row: `challengeRow`."""

    position: int


@dataclass(frozen=True)
class FalseCut(Fault):
    """A bridge that not every walk passes, as an in-neighbour shows: `challengeBridge`."""

    position: int
    neighbor: int


@dataclass(frozen=True)
class LowDiagonal(Fault):
    """A diagonal below what one cycle brings: `challengeCycle`."""

    position: int
    cycle: list[ChecksumAddress]


@dataclass(frozen=True)
class Disorder(Fault):
    """Two rows at one index, or accounts that do not ascend: `challengeOrder`."""

    first: int
    second: int


@dataclass(frozen=True)
class Omission(Fault):
    """An account of the graph without a row, and the rows around its place: `challengeMissing`."""

    account: ChecksumAddress
    around: list[int]


@dataclass(frozen=True)
class Unshown(Fault):
    """No row can be shown at an index: `demandRow`, which the proposer cannot answer."""

    index: int


@dataclass(frozen=True)
class WrongDiagonal(Fault):
    """A diagonal that only its visits can disprove: `challengeDiagonal`."""

    position: int


@dataclass(frozen=True)
class HiddenBridge(Fault):
    """A bridge that is there and not claimed, as the region around the row shows: `challengeHiddenBridge`."""

    position: int
    bridge: ChecksumAddress


def find_faults(
    tree: RowTree, graph: BoundaryGraph, parameters: ScoreParameters, honest: RowTree | None = None
) -> Iterator[Fault]:
    """The faults of a tree with one row for each account, cheapest to prove first; none for a right one.

    honest: the own rows, for the diagonals and bridges of a tree of scores; a tree of visits has none. Rows that are
    not where they should be hide what else is wrong.
    """
    for kind in (_misplaced(tree), _omissions(tree, graph)):
        first = next(kind, None)
        if first is not None:
            yield first
            return
    yield from _wrong_rows(tree, graph, parameters)
    if honest is not None:
        yield from _wrong_diagonals(tree, graph, parameters, honest)
        yield from _hidden_bridges(tree, honest)


# ---------------------------------------------------------------- which rows there are


def _misplaced(tree: RowTree) -> Iterator[Fault]:
    shown: dict[int, int] = {}
    for position, row in enumerate(tree.rows):
        if not _is_shown(tree, position):
            continue
        first = shown.setdefault(row.index, position)
        if tree.leaves[first] != tree.leaves[position]:
            yield Disorder(f"there are two rows at index {row.index}", first, position)
    for index in range(len(tree.rows)):
        if index not in shown:
            yield Unshown(f"no row can be shown at index {index}", index)
    for index in range(len(tree.rows) - 1):
        if index not in shown or index + 1 not in shown:
            continue
        here, there = shown[index], shown[index + 1]
        if int(tree.rows[here].account, 16) >= int(tree.rows[there].account, 16):
            yield Disorder(f"the accounts of rows {index} and {index + 1} do not ascend", here, there)


def _is_shown(tree: RowTree, position: int) -> bool:
    """Whether a row can be shown at the index that it claims: if the way from its place to the root is as long."""
    claimed = tree.rows[position].index
    if claimed == position:
        return True
    return claimed < len(tree.rows) and len(tree.proof(claimed)) == len(tree.proof(position))


def _omissions(tree: RowTree, graph: BoundaryGraph) -> Iterator[Omission]:
    """In a tree whose accounts ascend."""
    # In a tree of another order than its indices', each row can still be shown at its own.
    places = sorted(range(len(tree.rows)), key=lambda position: tree.rows[position].index)
    taken = [int(tree.rows[position].account, 16) for position in places]
    for account in graph.accounts:
        if account not in tree.positions:
            after = bisect(taken, int(account, 16))
            around = [places[at] for at in (after - 1, after) if 0 <= at < len(taken)]
            yield Omission(f"{account} has no row", account, around)


# ---------------------------------------------------------------- what a row says


def _wrong_rows(tree: RowTree, graph: BoundaryGraph, parameters: ScoreParameters) -> Iterator[Fault]:
    visits = {row.account: row.visits for row in tree.rows}
    scores = tree.subject is None
    trusted = {row.account: _trusted(row, parameters) for row in tree.rows} if scores else {}
    for position, row in enumerate(tree.rows):
        name = _name(row)
        edges = graph.trusting.get(row.account, {})
        inflows = sum(
            inflow(parameters.stop, weight, graph.trust_strength[source], visits[source])
            for source, weight in edges.items()
        )
        if not is_balanced(row.visits, _begins(tree, parameters, row.account), inflows, len(edges)):
            yield WrongRow(f"the visits of {name} are not what flows in", position)
        if scores and row.diagonal < DIAGONAL_ONE:
            yield WrongRow(f"the diagonal of {name} is below one", position)
        if scores and row.score != max(trusted[row.account] - distrusted(graph, row.account, trusted), 0):
            yield WrongRow(f"the score of {name} does not follow from the row", position)
        if scores and row.is_behind_bridge:
            yield from _false_cuts(tree, graph, parameters, position)


def _false_cuts(tree: RowTree, graph: BoundaryGraph, parameters: ScoreParameters, position: int) -> Iterator[FalseCut]:
    row = tree.rows[position]
    if parameters.seeds.get(row.account, 0) > 0:
        yield FalseCut(f"the bridge of {_name(row)} is not passed by the walks that begin there", position, position)
    for source in graph.trusting.get(row.account, {}):
        neighbor = tree.positions[source]
        passed = tree.rows[neighbor]
        begins = parameters.seeds.get(source, 0) == FIXED_ONE
        if passed.visits > 0 and (begins or passed.bridge != row.bridge):
            yield FalseCut(f"the bridge of {_name(row)} is not passed by walks over {source}", position, neighbor)


def _wrong_diagonals(
    tree: RowTree, graph: BoundaryGraph, parameters: ScoreParameters, honest: RowTree
) -> Iterator[Fault]:
    """Diagonals off by more than their unit."""
    questions = []
    for position, row in enumerate(tree.rows):
        right = honest.rows[row.index].diagonal
        if abs(row.diagonal - right) <= 1:
            continue
        given, computed = row.diagonal / DIAGONAL_ONE, right / DIAGONAL_ONE
        sentence = f"the diagonal of {_name(row)} is {given:.7f} and should be {computed:.7f}"
        cycle, probability = likeliest_cycle(graph, parameters.stop, row.account)
        if is_diagonal_below(row.diagonal, probability):
            yield LowDiagonal(sentence, position, cycle)
        else:
            questions.append(WrongDiagonal(sentence, position))
    yield from questions


def _hidden_bridges(tree: RowTree, honest: RowTree) -> Iterator[HiddenBridge]:
    for position, row in enumerate(tree.rows):
        right = honest.rows[row.index]
        if right.is_behind_bridge and row.bridge != right.bridge and row.visits > 0:
            sentence = f"{_name(row)} hides that all walks to it pass {right.bridge}"
            yield HiddenBridge(sentence, position, right.bridge)


def region_behind(tree: RowTree, graph: BoundaryGraph, fault: HiddenBridge) -> list[ChecksumAddress]:
    """The row's account and all by whom walks come to it that do not name the bridge, ascending.

    Where nothing else is wrong, walks enter it only from those who do.
    """
    first = tree.rows[fault.position].account
    region, waiting = {first}, [first]
    while waiting:
        for source in graph.trusting.get(waiting.pop(), {}):
            if source not in region and tree.rows[tree.positions[source]].bridge != fault.bridge:
                region.add(source)
                waiting.append(source)
    return sorted(region, key=lambda account: int(account, 16))


def _name(row: Row) -> str:
    return f"row {row.index} ({row.account})"


def _begins(tree: RowTree, parameters: ScoreParameters, account: ChecksumAddress) -> int:
    if tree.subject is None:
        return parameters.seeds.get(account, 0)
    return FIXED_ONE if account == tree.subject else 0


def _trusted(row: Row, parameters: ScoreParameters) -> int:
    return trust_score(row.visits, row.diagonal, row.is_behind_bridge, parameters.bridge_decay)
