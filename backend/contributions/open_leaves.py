"""The batch over one contributor's open leaves, kept so that one more leaf costs a few hashes instead of all of them.

Equal to `chain.contribution.build_batch` over the same leaves. The Merkle root is kept as the roots of the complete
subtrees, largest first: an odd node is promoted unchanged, so a later leaf never changes them. The manifest is kept in
pieces, and as the state of its hash before the closing bracket.
"""

from hashlib import sha256

from eth_typing import ChecksumAddress

from chain.contribution import Batch, Leaf, canonical_json
from chain.merkle import node_above

_END = b"]}"


class OpenLeaves:
    """Leaves of one job and contributor with consecutive numbers from `first` on."""

    def __init__(self, job_id: int, contributor: ChecksumAddress, first: int) -> None:
        self.job_id = job_id
        self.contributor = contributor
        self.first = first
        self.ids: list[bytes] = []
        self._units = 0
        self._peaks: list[tuple[int, bytes]] = []
        empty = canonical_json({"contributor": contributor, "job_id": job_id, "leaves": []})
        self._pieces = [empty.removesuffix(_END)]
        self._digest = sha256(self._pieces[0])

    @property
    def next(self) -> int:
        """Number of the leaf that would come next."""
        return self.first + len(self.ids)

    def append(self, leaf: Leaf, leaf_id: bytes) -> None:
        """Add the leaf numbered `next`; `leaf_id` is its hash, which the caller has already."""
        entry = canonical_json(
            {
                "evidence": leaf.evidence.hex(),
                "sequence": leaf.sequence,
                "trace_root": leaf.trace_root.hex(),
                "units": leaf.units,
            }
        )
        piece = b"," + entry if self.ids else entry
        self._pieces.append(piece)
        self._digest.update(piece)
        self.ids.append(leaf_id)
        self._units += leaf.units
        size, node = 1, leaf_id
        while self._peaks and self._peaks[-1][0] == size:
            node = node_above(self._peaks.pop()[1], node)
            size *= 2
        self._peaks.append((size, node))

    def copy(self) -> "OpenLeaves":
        """The same leaves, to be extended on trial."""
        other = OpenLeaves.__new__(OpenLeaves)
        other.job_id, other.contributor, other.first = self.job_id, self.contributor, self.first
        other.ids, other._units, other._peaks = self.ids.copy(), self._units, self._peaks.copy()
        other._pieces, other._digest = self._pieces.copy(), self._digest.copy()
        return other

    @property
    def manifest(self) -> bytes:
        """The batch's manifest."""
        return b"".join(self._pieces) + _END

    def batch(self, deadline: int) -> Batch:
        """The batch over at least one leaf."""
        node = self._peaks[-1][1]
        for _, peak in reversed(self._peaks[:-1]):
            node = node_above(peak, node)
        digest = self._digest.copy()
        digest.update(_END)
        return Batch(
            job_id=self.job_id,
            contributor=self.contributor,
            first=self.first,
            count=len(self.ids),
            units=self._units,
            leaves_root=node,
            data_hash=digest.digest(),
            deadline=deadline,
        )
