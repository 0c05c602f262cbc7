"""The tree of an epoch's rows, and the document in which its rows are published."""

import json
from collections.abc import Sequence
from dataclasses import astuple
from functools import cached_property
from typing import Any

from eth_typing import ChecksumAddress
from eth_utils.address import is_checksum_address

from chain.contribution import canonical_json
from chain.errors import MeritError
from chain.merkle import MerkleTree
from verifier.epochs.rows import Row

# Members of a row in the document, with the bits that the contract gives to each; None for an account.
_MEMBERS = (32, None, 64, 64, None, 64)

# `IReputationOracle.ProvenRow`.
ProvenRow = tuple[tuple[Any, ...], list[bytes]]


class MalformedRowsError(MeritError):
    """Published bytes that are no rows of the tree that they were published for."""


class RowTree:
    """Rows under one root: of an epoch's scores, or of the visits by walks that begin at `subject`."""

    def __init__(self, epoch: int, rows: Sequence[Row], subject: ChecksumAddress | None = None) -> None:
        """rows: in a right tree `rows[i].index` is `i` and accounts ascend."""
        self.epoch = epoch
        self.rows = rows
        self.subject = subject
        self.leaves = [row.leaf(epoch, subject) for row in rows]

    @classmethod
    def parse(cls, document: bytes, epoch: int, subject: ChecksumAddress | None = None) -> "RowTree":
        """From a published document. Raises `MalformedRowsError`."""
        try:
            content = json.loads(document)
            rows = [_parse_row(members) for members in content["rows"]]
            if content["epoch"] != epoch or content["subject"] != subject or not rows:
                raise ValueError("another tree's")
            return cls(epoch, rows, subject)
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise MalformedRowsError(f"What was published for epoch {epoch} are not its rows.") from error

    @property
    def root(self) -> bytes:
        """What `propose` and `answerDiagonal` take; there must be a row."""
        return self._tree.root

    @property
    def document(self) -> bytes:
        """The published rows; `propose` and `answerDiagonal` take the SHA-256 digest."""
        return canonical_json(
            {"epoch": self.epoch, "rows": [list(astuple(row)) for row in self.rows], "subject": self.subject}
        )

    def proof(self, position: int) -> list[bytes]:
        """The way from a row to the root."""
        return self._tree.proof(position)

    def proven(self, position: int) -> ProvenRow:
        """A row with its proof, as the oracle's calls take it."""
        return astuple(self.rows[position]), self.proof(position)

    def row_of(self, account: str) -> tuple[Row, list[bytes]] | None:
        """An account's row and its proof; None for an account without one."""
        position = self.positions.get(account)
        return None if position is None else (self.rows[position], self.proof(position))

    def differing_spans(self, position: int, proof: Sequence[bytes]) -> list[tuple[int, int]]:
        """Subtrees beside the way from `position` that are others in `proof`: first position and size of each."""
        spans = []
        nodes = iter(zip(proof, self.proof(position), strict=False))
        last, size = len(self.rows) - 1, 1
        at = position
        while last > 0:
            if at ^ 1 <= last:
                given, own = next(nodes, (b"", b""))
                if given != own:
                    spans.append(((at ^ 1) * size, size))
            at, last, size = at // 2, last // 2, size * 2
        return spans

    @cached_property
    def _tree(self) -> MerkleTree:
        return MerkleTree(self.leaves)

    @cached_property
    def positions(self) -> dict[str, int]:
        """Where each account's row is."""
        return {row.account: position for position, row in enumerate(self.rows)}


def _parse_row(members: Any) -> Row:
    for value, bits in zip(members, _MEMBERS, strict=True):
        if bits is None:
            right = isinstance(value, str) and is_checksum_address(value)
        else:
            right = type(value) is int and 0 <= value < 1 << bits
        if not right:
            raise ValueError("no row")
    return Row(*members)
