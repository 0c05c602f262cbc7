from itertools import pairwise

import pytest
from eth_utils.crypto import keccak
from hypothesis import given
from hypothesis import strategies as st

from chain.merkle import leaf_hash, merkle_proof, merkle_root, verify_proof

leaf_lists = st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=40, unique=True)


def reference_root(leaves: list[bytes]) -> bytes:
    """The definition, recursively: split after the largest power of two below the size."""
    if len(leaves) == 1:
        return leaves[0]
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return keccak(b"".join(sorted([reference_root(leaves[:split]), reference_root(leaves[split:])])))


@given(leaf_lists)
def test_merkle_root__any_leaves__is_the_recursive_definition(leaves: list[bytes]) -> None:
    assert merkle_root(leaves) == reference_root(leaves)


@given(leaf_lists, st.data())
def test_merkle_proof__each_leaf__verifies_and_no_other_does(leaves: list[bytes], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(leaves) - 1))
    stranger = data.draw(st.binary(min_size=32, max_size=32).filter(lambda leaf: leaf not in leaves))
    root, proof = merkle_root(leaves), merkle_proof(leaves, index)
    assert verify_proof(leaves[index], proof, root)
    assert not verify_proof(stranger, proof, root)


def test_leaf_hash__inner_node__is_not_a_leaf() -> None:
    """An inner node's preimage is 64 bytes hashed once; a record of the same bytes hashes to something else."""
    leaves = [leaf_hash(bytes([i])) for i in range(4)]
    inner = keccak(b"".join(sorted(leaves[:2])))
    assert verify_proof(inner, merkle_proof([inner, keccak(b"".join(sorted(leaves[2:])))], 0), merkle_root(leaves))
    assert leaf_hash(b"".join(sorted(leaves[:2]))) != inner


@pytest.mark.parametrize("leaves", [[], [b"short"]])
def test_merkle_root__no_leaves_or_short_leaf__is_refused(leaves: list[bytes]) -> None:
    with pytest.raises(ValueError, match="leaf"):
        merkle_root(leaves)


@pytest.mark.parametrize("index", [-1, 3])
def test_merkle_proof__index_outside__is_refused(index: int) -> None:
    with pytest.raises(IndexError, match="3 leaves"):
        merkle_proof([bytes([i]) * 32 for i in range(3)], index)


def test_merkle_root__appended_leaf__keeps_complete_subtrees() -> None:
    leaves = [leaf_hash(bytes([i])) for i in range(9)]
    roots = [merkle_root(leaves[:size]) for size in range(1, 10)]
    assert all(earlier != later for earlier, later in pairwise(roots))
    assert merkle_proof(leaves, 8) == [merkle_root(leaves[:8])]
