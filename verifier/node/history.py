"""The court's events as far as the node has read them: a copy on disk that follows the chain's reorganisations.

It can be deleted at any time and is then read again from the chain; nothing is lost with it.
"""

import json
import sqlite3
from pathlib import Path
from typing import Any, Protocol

from chain.events import Event

# How far back a reorganisation is looked for; what lies deeper is final.
REORGANISATION_DEPTH = 128
# Blocks asked for at once, below what public endpoints refuse.
_SPAN = 2_000
# Blocks that are asked for once more with those that follow: endpoints exist whose logs lag behind their blocks.
_OVERLAP = 16

_SCHEMA = """
CREATE TABLE IF NOT EXISTS block (number INTEGER PRIMARY KEY, hash BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS event (
    block_number INTEGER NOT NULL,
    log_index INTEGER NOT NULL,
    block_hash BLOB NOT NULL,
    transaction_hash BLOB NOT NULL,
    batch_id BLOB NOT NULL,
    contract TEXT NOT NULL,
    name TEXT NOT NULL,
    arguments TEXT NOT NULL,
    PRIMARY KEY (block_number, log_index)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS event_of_batch ON event (batch_id);
"""


class EventSource(Protocol):
    """What the history reads."""

    def head(self) -> int:
        """Number of the newest block."""

    def block_hash(self, number: int) -> bytes | None:
        """Hash of a block; None where the chain has no block of that number."""

    def batch_events(self, first: int, last: int) -> list[Event]:
        """Events about batches (those with an argument `batchId`) in blocks `first` to `last`, both included."""


class History:
    """Events by batch, in the order of the chain that was seen last. For the thread that made it only."""

    def __init__(self, path: Path, first_block: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._first_block = first_block
        self._connection = sqlite3.connect(path, isolation_level=None)
        # Losing the last blocks with the power is harmless: they are read again.
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._connection.executescript(_SCHEMA)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    @property
    def next_block(self) -> int:
        """The first block that has not been read."""
        newest = self._connection.execute("SELECT max(number) FROM block").fetchone()[0]
        return self._first_block if newest is None else newest + 1

    def batches(self) -> set[bytes]:
        """Batches with at least one event."""
        return {row[0] for row in self._connection.execute("SELECT DISTINCT batch_id FROM event")}

    def events_of(self, batch_id: bytes) -> list[Event]:
        """Everything that happened to one batch."""
        rows = self._connection.execute(
            "SELECT contract, name, arguments, block_number, block_hash, transaction_hash, log_index FROM event"
            " WHERE batch_id = ? ORDER BY block_number, log_index",
            (batch_id,),
        )
        return [Event(row[0], row[1], _decode(row[2]), *row[3:]) for row in rows]

    def forget(self, batch_id: bytes) -> None:
        """Drop the events of a batch that is over."""
        self._connection.execute("DELETE FROM event WHERE batch_id = ?", (batch_id,))

    def advance(self, source: EventSource, confirmations: int) -> set[bytes]:
        """Read on to the head less `confirmations`; returns the batches with events that appeared or disappeared.

        An endpoint that is behind what was already read is ignored, one that changes its mind while it is being read
        is read again at the next call.
        """
        last = source.head() - confirmations
        changed = self._roll_back(source, last)
        while self.next_block <= last:
            first = self.next_block
            until = min(first + _SPAN - 1, last)
            until_hash = source.block_hash(until)
            events = source.batch_events(max(self._first_block, first - _OVERLAP), until)
            if until_hash is None or source.block_hash(until) != until_hash:
                break
            if any(event.block_number == until and event.block_hash != until_hash for event in events):
                break
            changed.update(self._append(until, until_hash, events))
        return changed

    def _roll_back(self, source: EventSource, last: int) -> set[bytes]:
        """Forget every block that `source` no longer has, as far as `source` reaches."""
        known = self._connection.execute(
            "SELECT number, hash FROM block WHERE number <= ? ORDER BY number DESC", (last,)
        ).fetchall()
        kept = next((number for number, block_hash in known if source.block_hash(number) == block_hash), None)
        if not known or kept == known[0][0]:
            return set()
        floor = self._first_block - 1 if kept is None else kept
        self._connection.execute("BEGIN IMMEDIATE")
        gone = {
            row[0]
            for row in self._connection.execute("SELECT DISTINCT batch_id FROM event WHERE block_number > ?", (floor,))
        }
        self._connection.execute("DELETE FROM event WHERE block_number > ?", (floor,))
        self._connection.execute("DELETE FROM block WHERE number > ?", (floor,))
        self._connection.execute("COMMIT")
        return gone

    def _append(self, until: int, until_hash: bytes, events: list[Event]) -> set[bytes]:
        """Store what is new of `events`; returns the batches that it is about."""
        changed: set[bytes] = set()
        self._connection.execute("BEGIN IMMEDIATE")
        for event in events:
            inserted = self._connection.execute(
                "INSERT OR IGNORE INTO event VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    event.block_number,
                    event.log_index,
                    event.block_hash,
                    event.transaction_hash,
                    event.args["batchId"],
                    event.contract,
                    event.name,
                    _encode(event.args),
                ),
            )
            if inserted.rowcount:
                changed.add(event.args["batchId"])
        self._connection.execute("INSERT INTO block VALUES (?, ?)", (until, until_hash))
        self._connection.execute("DELETE FROM block WHERE number < ?", (until - REORGANISATION_DEPTH,))
        self._connection.execute("COMMIT")
        return changed


def _encode(arguments: dict[str, Any]) -> str:
    return json.dumps(arguments, default=lambda value: {"hex": value.hex()})


def _decode(text: str) -> dict[str, Any]:
    decoded: dict[str, Any] = json.loads(
        text, object_hook=lambda raw: bytes.fromhex(raw["hex"]) if raw.keys() == {"hex"} else raw
    )
    return decoded
