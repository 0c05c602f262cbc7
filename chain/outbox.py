"""The transactions that one key has signed and not yet seen mined: on disk before the chain hears of them."""

import json
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hexbytes import HexBytes

_SCHEMA = """
CREATE TABLE IF NOT EXISTS pending (
    nonce INTEGER PRIMARY KEY,
    fields TEXT NOT NULL,
    raw BLOB NOT NULL,
    hashes TEXT NOT NULL
)
"""


@dataclass
class Pending:
    """One nonce in use: its transaction as it was last signed, and the hashes of that and of what it replaced.

    awaited: a caller waits for the receipt. sent_at: when it was last sent, by the sender's clock. mined_at: when it
    was found mined although nobody waited, because the caller had lost the endpoint's answer.
    """

    transaction: dict[str, Any]
    raw: bytes
    hashes: list[HexBytes]
    sent_at: float
    awaited: bool = False
    mined_at: float | None = None

    @property
    def nonce(self) -> int:
        """The account's transaction count before this one."""
        nonce: int = self.transaction["nonce"]
        return nonce

    def does_the_same(self, transaction: dict[str, Any]) -> bool:
        """Whether the receiver, the call and the amount are those of `transaction`."""
        return all(self.transaction.get(name) == transaction.get(name) for name in ("to", "data", "value"))


class Outbox:
    """Signed transactions by nonce, in an SQLite file or, without one, in memory. The sender's lock guards it."""

    def __init__(self, path: Path | None = None) -> None:
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
        self._connection = sqlite3.connect(path or ":memory:", isolation_level=None, check_same_thread=False)
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.execute(_SCHEMA)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def keep(self, pending: Pending) -> None:
        """Write an entry, in place of an earlier one with its nonce."""
        self._connection.execute(
            "INSERT OR REPLACE INTO pending VALUES (?, ?, ?, ?)",
            (
                pending.nonce,
                json.dumps(pending.transaction),
                pending.raw,
                json.dumps([hash_.hex() for hash_ in pending.hashes]),
            ),
        )

    def drop(self, nonce: int) -> None:
        """Forget an entry that is mined or can never be."""
        self._connection.execute("DELETE FROM pending WHERE nonce = ?", (nonce,))

    def load(self, now: float) -> dict[int, Pending]:
        """All entries by nonce, as they were left by an earlier process; `now` by the sender's clock."""
        rows = self._connection.execute("SELECT fields, raw, hashes FROM pending ORDER BY nonce")
        loaded = [
            Pending(json.loads(transaction), raw, [HexBytes(hash_) for hash_ in json.loads(hashes)], now)
            for transaction, raw, hashes in rows
        ]
        return {pending.nonce: pending for pending in loaded}
