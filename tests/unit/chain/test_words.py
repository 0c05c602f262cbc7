"""Words against eth-abi's encoder."""

from typing import Any

import pytest
from eth_abi.abi import encode
from eth_utils.address import to_checksum_address
from hypothesis import given
from hypothesis import strategies as st

from chain.words import encode_words

VALUES: dict[str, st.SearchStrategy[Any]] = {
    **{f"uint{bits}": st.integers(0, 2**bits - 1) for bits in (32, 48, 64, 256)},
    "address": st.binary(min_size=20, max_size=20).map(to_checksum_address),
    "bytes32": st.binary(min_size=32, max_size=32),
}
words = st.lists(st.sampled_from(sorted(VALUES)).flatmap(lambda kind: st.tuples(st.just(kind), VALUES[kind])))


@given(words)
def test_words__of_any_values__are_what_eth_abi_gives(pairs: list[tuple[str, Any]]) -> None:
    types, values = [kind for kind, _ in pairs], [value for _, value in pairs]
    assert encode_words(types, values) == encode(types, values)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("uint64", 2**64),
        ("uint64", -1),
        ("uint64", True),
        ("uint64", 1.0),
        ("bytes32", bytes(31)),
        ("bytes32", bytes(33)),
        ("address", "0x" + "00" * 21),
        ("address", "0x" + "0g" * 20),
    ],
)
def test_word__that_its_type_does_not_hold__is_refused(kind: str, value: Any) -> None:
    with pytest.raises(ValueError, match=r".+"):
        encode_words([kind], [value])
