"""Commitments to a trace, and openings of its chunks and single rows.

A trace is a float32 matrix: one row for each output token (or one row in all, for an embedding). Its commitment is a
keccak Merkle root over chunks of rows; a chunk's node binds its place, the trace's shape and the root over its rows:

    row node    H("merit.trace.row/1"   | row | little-endian float32 values)
    chunk node  H("merit.trace.chunk/1" | chunk | rows | columns | chunk_rows | root over the chunk's row nodes)

with H the double keccak of `chain.merkle.leaf_hash` and every number four bytes, big-endian. The last chunk of a trace
that has at least one full chunk is its last `chunk_rows` rows: it overlaps the one before, so that no chunk is short.
"""

import struct
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from chain.merkle import leaf_hash, merkle_proof, merkle_root, verify_proof
from verifier.fingerprint.errors import MalformedOpeningError

MAXIMUM_ROWS = 2**20
MAXIMUM_COLUMNS = 2**24
_ROW_DOMAIN = b"merit.trace.row/1"
_CHUNK_DOMAIN = b"merit.trace.chunk/1"
_MAGIC = b"MTO1"
_HEADER = struct.Struct(">4s5I")


@dataclass(frozen=True)
class TraceShape:
    """rows x columns of a trace and the rows in a full chunk."""

    rows: int
    columns: int
    chunk_rows: int

    def __post_init__(self) -> None:
        if not 1 <= self.rows <= MAXIMUM_ROWS or not 1 <= self.columns <= MAXIMUM_COLUMNS:
            raise ValueError(f"a trace has 1 to {MAXIMUM_ROWS} rows and 1 to {MAXIMUM_COLUMNS} columns")
        if not 1 <= self.chunk_rows <= MAXIMUM_ROWS:
            raise ValueError(f"a chunk has 1 to {MAXIMUM_ROWS} rows")

    @property
    def chunks(self) -> int:
        return -(-self.rows // self.chunk_rows)

    def span(self, chunk: int) -> range:
        """Rows of the trace that make up a chunk. Raises IndexError outside the trace."""
        if not 0 <= chunk < self.chunks:
            raise IndexError(f"chunk {chunk} is not in a trace of {self.chunks} chunks")
        stop = min((chunk + 1) * self.chunk_rows, self.rows)
        return range(max(0, stop - self.chunk_rows), stop)


@dataclass(frozen=True)
class ChunkOpening:
    """A chunk's values, float32 of shape (rows of the chunk, columns), and the nodes that lead to the root."""

    shape: TraceShape
    chunk: int
    values: NDArray[np.float32]
    proof: tuple[bytes, ...]

    def opens(self, root: bytes) -> bool:
        """Whether this is what the trace committed to under `root` holds at this place."""
        if len(self.proof) != _proof_length(self.chunk, self.shape.chunks):
            return False
        return verify_proof(_chunk_node(self.shape, self.chunk, self.values), self.proof, root)

    def to_bytes(self) -> bytes:
        """magic, rows, columns, chunk_rows, chunk, number of proof nodes, proof nodes, values."""
        shape = self.shape
        header = _HEADER.pack(_MAGIC, shape.rows, shape.columns, shape.chunk_rows, self.chunk, len(self.proof))
        return header + b"".join(self.proof) + _row_bytes(self.values)

    @staticmethod
    def from_bytes(data: bytes, shape: TraceShape) -> "ChunkOpening":
        """Parses a stranger's bytes for a trace of the expected `shape`. Raises MalformedOpeningError."""
        if len(data) < _HEADER.size:
            raise MalformedOpeningError("it is shorter than its header")
        magic, rows, columns, chunk_rows, chunk, nodes = _HEADER.unpack_from(data)
        if magic != _MAGIC:
            raise MalformedOpeningError("it does not start with MTO1")
        if (rows, columns, chunk_rows) != (shape.rows, shape.columns, shape.chunk_rows):
            raise MalformedOpeningError(f"it is for a trace of another shape than {shape}")
        if chunk >= shape.chunks or nodes != _proof_length(chunk, shape.chunks):
            raise MalformedOpeningError("its chunk or the length of its proof does not fit the trace")
        span = shape.span(chunk)
        start = _HEADER.size + 32 * nodes
        if len(data) != start + 4 * len(span) * columns:
            raise MalformedOpeningError("its length does not fit the chunk")
        values = np.frombuffer(data, dtype="<f4", offset=start).astype(np.float32).reshape(len(span), columns)
        if not np.isfinite(values).all():
            raise MalformedOpeningError("it holds values that are not finite")
        proof = tuple(data[i : i + 32] for i in range(_HEADER.size, start, 32))
        return ChunkOpening(shape, chunk, values, proof)


@dataclass(frozen=True)
class RowOpening:
    """One row of a trace, float32 of shape (columns,), through its chunk to the root."""

    shape: TraceShape
    chunk: int
    row: int
    values: NDArray[np.float32]
    rows_root: bytes
    row_proof: tuple[bytes, ...]
    chunk_proof: tuple[bytes, ...]

    def opens(self, root: bytes) -> bool:
        """Whether the trace committed to under `root` holds these values in this row."""
        span = self.shape.span(self.chunk)
        if self.row not in span or len(self.chunk_proof) != _proof_length(self.chunk, self.shape.chunks):
            return False
        if len(self.row_proof) != _proof_length(self.row - span.start, len(span)):
            return False
        chunk_node = _bound_chunk_node(self.shape, self.chunk, self.rows_root)
        return verify_proof(_row_node(self.row, self.values), self.row_proof, self.rows_root) and verify_proof(
            chunk_node, self.chunk_proof, root
        )


@dataclass(frozen=True)
class Trace:
    """The numbers that a run left behind, float32 of shape (rows, columns), with their commitment."""

    values: NDArray[np.float32]
    chunk_rows: int

    def __post_init__(self) -> None:
        if self.values.dtype != np.float32 or self.values.ndim != 2:
            raise ValueError("a trace is a float32 matrix")
        if not np.isfinite(self.values).all():
            raise ValueError("a trace may hold finite numbers only")

    @cached_property
    def shape(self) -> TraceShape:
        rows, columns = self.values.shape
        return TraceShape(rows, columns, self.chunk_rows)

    @cached_property
    def root(self) -> bytes:
        """The 32-byte commitment that a contribution carries."""
        return merkle_root(self._chunk_nodes)

    def chunk(self, index: int) -> NDArray[np.float32]:
        span = self.shape.span(index)
        return self.values[span.start : span.stop]

    def open_chunk(self, index: int) -> ChunkOpening:
        return ChunkOpening(self.shape, index, self.chunk(index), tuple(merkle_proof(self._chunk_nodes, index)))

    def open_row(self, row: int) -> RowOpening:
        """Raises IndexError outside the trace."""
        if not 0 <= row < self.shape.rows:
            raise IndexError(f"row {row} is not in a trace of {self.shape.rows} rows")
        chunk = row // self.chunk_rows
        span = self.shape.span(chunk)
        nodes = [_row_node(i, self.values[i]) for i in span]
        row_proof = tuple(merkle_proof(nodes, row - span.start))
        chunk_proof = tuple(merkle_proof(self._chunk_nodes, chunk))
        return RowOpening(self.shape, chunk, row, self.values[row], merkle_root(nodes), row_proof, chunk_proof)

    @cached_property
    def _chunk_nodes(self) -> list[bytes]:
        return [_chunk_node(self.shape, i, self.chunk(i)) for i in range(self.shape.chunks)]


def _row_bytes(values: NDArray[np.float32]) -> bytes:
    return values.astype("<f4").tobytes()


def _row_node(row: int, values: NDArray[np.float32]) -> bytes:
    return leaf_hash(_ROW_DOMAIN + struct.pack(">I", row) + _row_bytes(values))


def _chunk_node(shape: TraceShape, chunk: int, values: NDArray[np.float32]) -> bytes:
    rows_root = merkle_root([_row_node(row, values[i]) for i, row in enumerate(shape.span(chunk))])
    return _bound_chunk_node(shape, chunk, rows_root)


def _bound_chunk_node(shape: TraceShape, chunk: int, rows_root: bytes) -> bytes:
    place = struct.pack(">4I", chunk, shape.rows, shape.columns, shape.chunk_rows)
    return leaf_hash(_CHUNK_DOMAIN + place + rows_root)


def _proof_length(index: int, leaves: int) -> int:
    """Nodes in the proof of leaf `index` in a tree that promotes odd nodes."""
    length = 0
    while leaves > 1:
        length += (index ^ 1) < leaves
        index, leaves = index // 2, -(-leaves // 2)
    return length
