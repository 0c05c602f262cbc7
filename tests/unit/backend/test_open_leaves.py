"""The batch that grows leaf by leaf against the one that is built at once."""

from eth_account import Account
from hypothesis import given
from hypothesis import strategies as st

from backend.contributions.open_leaves import OpenLeaves
from chain.contribution import Leaf, build_batch

CONTRIBUTOR = Account.from_key(b"\x03" * 32).address

leaf_parts = st.tuples(st.integers(0, 2**40), st.binary(min_size=32, max_size=32), st.binary(min_size=32, max_size=32))


@given(st.lists(leaf_parts, min_size=1, max_size=40), st.integers(0, 1000), st.integers(1, 2**40))
def test_batch__grown_leaf_by_leaf__equals_the_one_built_at_once(
    parts: list[tuple[int, bytes, bytes]], first: int, deadline: int
) -> None:
    open_leaves = OpenLeaves(9, CONTRIBUTOR, first)
    leaves: list[Leaf] = []
    for units, trace_root, evidence in parts:
        leaf = Leaf(9, CONTRIBUTOR, open_leaves.next, units, trace_root, evidence)
        leaves.append(leaf)
        before = open_leaves.copy()
        open_leaves.append(leaf, leaf.hash)
        assert (open_leaves.batch(deadline), open_leaves.manifest) == build_batch(leaves, deadline)
        assert before.next == open_leaves.next - 1  # a trial leaves the original as it was
