"""What an answered row's proof tells of the rows that were not asked for."""

from dataclasses import asdict, dataclass, field, replace
from typing import cast

import pytest
from eth_utils.address import to_checksum_address
from hypothesis import given
from hypothesis import strategies as st

from chain.events import Event
from chain.network import Network
from verifier.epochs import withheld
from verifier.epochs.history import EpochHistory
from verifier.epochs.proposals import subject_argument
from verifier.epochs.rows import Row
from verifier.epochs.tree import RowTree
from verifier.epochs.withheld import next_demands, rows_with_answers


def rows_of(count: int) -> list[Row]:
    names = [to_checksum_address(f"0x{number + 1:040x}") for number in range(count)]
    return [Row(number, name, number, 2**24, name, number) for number, name in enumerate(names)]


@given(st.data())
def test_differing_spans__hold_every_other_row_and_shrink_around_the_asked_one(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 70))
    asked, wrong = data.draw(st.integers(0, count - 1)), data.draw(st.integers(0, count - 1))
    own = RowTree(1, rows_of(count))
    lie = list(own.rows)
    lie[wrong] = replace(lie[wrong], score=10**6)
    spans = own.differing_spans(asked, RowTree(1, lie).proof(asked))
    if asked == wrong:
        assert spans == []  # the row itself was told, and all that is beside its way is one's own
    else:
        ((first, size),) = spans
        assert first <= wrong < first + size
        assert not first <= asked < first + size


@dataclass
class Answers:
    """Stands for a history in which a proposer has answered for rows of its tree."""

    tree: RowTree
    told: list[int] = field(default_factory=list)

    def attempt(self, epoch: int) -> list[Event]:
        rows = [self.tree.rows[index] for index in self.told]
        named = [{"subject": subject_argument(None), "row": asdict(row)} for row in rows]
        return [
            Event("ReputationOracle", "RowAnswered", args, 0, b"", args["row"]["index"].to_bytes(32, "big"), 0)
            for args in named
        ]


@pytest.mark.parametrize("wrong", [0, 1, 500, 998, 999])
@pytest.mark.parametrize("rounds", [4, 10])
def test_demands__answered_as_late_as_possible__find_a_wrong_row_in_time(
    monkeypatch: pytest.MonkeyPatch, wrong: int, rounds: int
) -> None:
    own = RowTree(1, rows_of(1_000))
    lie = list(own.rows)
    lie[wrong] = replace(lie[wrong], score=10**6)
    answers = Answers(RowTree(1, lie))
    history, network = cast(EpochHistory, answers), cast(Network, None)
    monkeypatch.setattr(
        withheld, "_proof_of", lambda _, transaction: answers.tree.proof(int.from_bytes(transaction, "big"))
    )
    for left in range(rounds, -1, -1):
        answers.told += next_demands(network, history, own, answers.told, max(left, 1))
        if rows_with_answers(history, own).root == answers.tree.root:
            break
    assert wrong in answers.told
    assert len(answers.told) < 40
