"""What an answered row's proof tells of the rows that were not asked for."""

from dataclasses import replace

from eth_utils.address import to_checksum_address
from hypothesis import given
from hypothesis import strategies as st

from verifier.epochs.rows import Row
from verifier.epochs.tree import RowTree


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
