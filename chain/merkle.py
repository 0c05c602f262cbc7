"""Merkle trees that OpenZeppelin's `MerkleProof` verifies: keccak-256 over sorted pairs, 32-byte nodes.

Neighbours are paired level by level and an odd node is promoted unchanged, so appending a leaf leaves every complete
subtree as it was. Leaves must be hashed twice (`leaf_hash`), so that an inner node can never pass for a leaf.
"""

from collections.abc import Sequence

from eth_hash.auto import keccak


def leaf_hash(encoded: bytes) -> bytes:
    """`keccak256(bytes.concat(keccak256(encoded)))`, the leaf of an ABI-encoded record."""
    return keccak(keccak(encoded))


class MerkleTree:
    """A tree that is kept for many proofs."""

    def __init__(self, leaves: Sequence[bytes]) -> None:
        """leaves: at least one, of 32 bytes."""
        self._levels = _levels(leaves)

    @property
    def root(self) -> bytes:
        """A single leaf is its own root."""
        return self._levels[-1][0]

    def proof(self, index: int) -> list[bytes]:
        """Sibling nodes from leaf `index` up to the root, for `verify_proof` and `MerkleProof.verify`."""
        if not 0 <= index < len(self._levels[0]):
            raise IndexError(f"leaf {index} is not in a tree of {len(self._levels[0])} leaves")
        proof: list[bytes] = []
        for level in self._levels[:-1]:
            sibling = index ^ 1
            if sibling < len(level):
                proof.append(level[sibling])
            index //= 2
        return proof


def merkle_root(leaves: Sequence[bytes]) -> bytes:
    """Root over at least one 32-byte leaf; a single leaf is its own root."""
    return MerkleTree(leaves).root


def merkle_proof(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """As `MerkleTree.proof`, of a tree that is needed once."""
    return MerkleTree(leaves).proof(index)


def verify_proof(leaf: bytes, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether `proof` leads from `leaf` to `root`."""
    node = leaf
    for sibling in proof:
        node = node_above(node, sibling)
    return node == root


def node_above(left: bytes, right: bytes) -> bytes:
    """The node above two others, in whichever order they are given."""
    return keccak(left + right if left < right else right + left)


def _levels(leaves: Sequence[bytes]) -> list[list[bytes]]:
    if not leaves:
        raise ValueError("a Merkle tree needs at least one leaf")
    if any(len(leaf) != 32 for leaf in leaves):
        raise ValueError("a Merkle leaf is 32 bytes long")
    levels = [list(leaves)]
    while len(levels[-1]) > 1:
        level = levels[-1]
        pairs = [node_above(level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)]
        levels.append(pairs + level[len(level) & ~1 :])
    return levels
