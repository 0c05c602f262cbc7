"""What a contributor keeps of the work it has served: its leaves by number and the traces that it committed to."""

import sqlite3
from pathlib import Path

import numpy as np
from eth_typing import ChecksumAddress

from chain.contribution import Leaf, content_digest
from chain.errors import MeritError
from verifier.fingerprint.trace import Trace

_SCHEMA = """
CREATE TABLE IF NOT EXISTS leaf (
    job_id INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    units INTEGER NOT NULL,
    trace_root BLOB NOT NULL,
    block BLOB NOT NULL,
    chunk_rows INTEGER NOT NULL,
    PRIMARY KEY (job_id, sequence)
) WITHOUT ROWID;
"""


class LedgerError(MeritError):
    """Work that the ledger does not hold, or holds already."""


class Ledger:
    """A directory of one contributor. An audit may ask for any of it until the batch is settled.

    For the thread that made it only.
    """

    def __init__(self, directory: Path, contributor: ChecksumAddress) -> None:
        self._traces = directory / "traces"
        self._traces.mkdir(parents=True, exist_ok=True)
        self._contributor = contributor
        self._connection = sqlite3.connect(directory / "ledger.sqlite", isolation_level=None)
        self._connection.executescript(_SCHEMA)

    def close(self) -> None:
        """Close the files."""
        self._connection.close()

    def append(self, leaf: Leaf, block: bytes, trace: Trace) -> None:
        """Keep a leaf, its evidence block and its trace. Raises `LedgerError` where another leaf has its number."""
        path = self._path(trace.root)
        partial = path.with_suffix(".partial")
        with partial.open("wb") as file:
            np.save(file, trace.values, allow_pickle=False)
        partial.replace(path)
        try:
            self._connection.execute(
                "INSERT INTO leaf VALUES (?, ?, ?, ?, ?, ?)",
                (leaf.job_id, leaf.sequence, leaf.units, leaf.trace_root, block, trace.chunk_rows),
            )
        except sqlite3.IntegrityError as error:
            raise LedgerError(
                f"Number {leaf.sequence} of job {leaf.job_id} was served before; take the next."
            ) from error

    def leaves(self, job_id: int, first: int, limit: int) -> list[tuple[Leaf, bytes]]:
        """At most `limit` leaves of a job, numbered `first` and up, in order, each with its evidence block."""
        rows = self._connection.execute(
            "SELECT sequence, units, trace_root, block FROM leaf WHERE job_id = ? AND sequence >= ?"
            " ORDER BY sequence LIMIT ?",
            (job_id, first, limit),
        )
        return [
            (Leaf(job_id, self._contributor, sequence, units, trace_root, content_digest(block)), block)
            for sequence, units, trace_root, block in rows
        ]

    def next_number(self, job_id: int) -> int:
        """The number after the last leaf of a job; 0 if there is none."""
        last = self._connection.execute("SELECT max(sequence) FROM leaf WHERE job_id = ?", (job_id,)).fetchone()[0]
        return 0 if last is None else last + 1

    def trace(self, leaf: Leaf) -> Trace:
        """The trace that a leaf commits to. Raises `LedgerError` where it was lost."""
        row = self._connection.execute(
            "SELECT chunk_rows FROM leaf WHERE job_id = ? AND sequence = ? AND trace_root = ?",
            (leaf.job_id, leaf.sequence, leaf.trace_root),
        ).fetchone()
        path = self._path(leaf.trace_root)
        if row is None or not path.exists():
            raise LedgerError(f"The trace of number {leaf.sequence} of job {leaf.job_id} is not in the ledger.")
        return Trace(np.load(path, allow_pickle=False), row[0])

    def drop_trace(self, leaf: Leaf) -> None:
        """Free the space of a trace that no audit can ask for any more."""
        self._path(leaf.trace_root).unlink(missing_ok=True)

    def _path(self, root: bytes) -> Path:
        return self._traces / f"{root.hex()}.npy"
