"""What a node must not forget: its commitments and their salts, on disk before the transaction that uses them is sent.

A commitment without its salt cannot be revealed, and a verifier that committed and does not reveal pays the largest of
the penalties. So an entry is written, and synchronised to the disk, before the chain hears of it; it is never changed
and never deleted; and one draw of a committee has one entry.
"""

import json
import secrets
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

from eth_typing import ChecksumAddress

from chain.errors import MeritError

_SCHEMA = """
CREATE TABLE owner (
    chain_id INTEGER NOT NULL,
    court TEXT NOT NULL,
    verifier TEXT NOT NULL,
    exported INTEGER NOT NULL
);
CREATE TABLE commitment (
    batch_id BLOB NOT NULL,
    round INTEGER NOT NULL,
    seed BLOB NOT NULL,
    digests TEXT NOT NULL,
    verdicts TEXT NOT NULL,
    payload BLOB NOT NULL,
    traces TEXT NOT NULL,
    salt BLOB NOT NULL,
    PRIMARY KEY (batch_id, round, seed)
) WITHOUT ROWID;
CREATE TABLE spending (
    transaction_hash BLOB PRIMARY KEY,
    batch_id BLOB NOT NULL,
    step TEXT NOT NULL,
    gas_used INTEGER NOT NULL,
    gas_price INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE result (
    batch_id BLOB PRIMARY KEY,
    earned TEXT NOT NULL,
    lost TEXT NOT NULL
) WITHOUT ROWID;
PRAGMA user_version = 1;
"""


# What `owner.exported` says: the journal of a node, one that was moved away, and the file that it was moved in.
_AT_WORK, _MOVED_AWAY, _ON_ITS_WAY = 0, 1, 2


class JournalError(MeritError):
    """The journal cannot be used: another node holds it, it is another key's, or it is damaged."""


class SecondCommitmentError(MeritError):
    """A commitment other than the one that the journal already holds for the same draw."""


@dataclass(frozen=True)
class JournalOwner:
    """Whose work a journal records: one key on one deployment."""

    chain_id: int
    court: ChecksumAddress
    verifier: ChecksumAddress


@dataclass(frozen=True)
class Draw:
    """One drawing of a committee. A reorganisation can draw a round again, with another seed."""

    batch_id: bytes
    round: int
    seed: bytes


@dataclass(frozen=True)
class CommittedTrace:
    """What a contributor's trace must be to count as opened: its root, and its rows (0 if there can be none)."""

    root: bytes
    rows: int


@dataclass(frozen=True)
class Findings:
    """What a verifier found: digests (samples x words 256-bit words), a verdict a sample, the payload (32 bytes).

    `traces`, one a sample, is what the disclosed openings will be checked against; the other members are committed to.
    """

    digests: tuple[int, ...]
    verdicts: tuple[int, ...]
    payload: bytes
    traces: tuple[CommittedTrace, ...]


@dataclass(frozen=True)
class Totals:
    """Audits that are over, token amounts in the smallest unit, and wei spent on gas by step."""

    audits: int
    earned: int
    lost: int
    spent: dict[str, int]


@dataclass(frozen=True)
class JournaledCommitment:
    """Findings and the 32-byte salt that hides them until they are revealed."""

    findings: Findings
    salt: bytes = field(repr=False)


class Journal:
    """An SQLite file that one process at a time can open. Safe to share between threads."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._lock = Lock()
        self._totals: Totals | None = None

    @classmethod
    def open(cls, path: Path, owner: JournalOwner, *, exported: bool = False) -> "Journal":
        """Open or create the journal of `owner`. Raises `JournalError`.

        exported: open it even if it was exported, to export it again.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            connection.execute("PRAGMA synchronous = EXTRA")
            # The lock is taken by the first write and, in this mode, held until the connection closes.
            connection.execute("BEGIN EXCLUSIVE")
            _prepare(connection, path, owner, exported)
            connection.execute("COMMIT")
        except sqlite3.DatabaseError as error:
            connection.close()
            if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
                raise JournalError(f"Another node uses the journal {path}; stop it first.") from error
            raise JournalError(f"The journal {path} cannot be used ({error}); restore it or name another.") from error
        except JournalError:
            connection.close()
            raise
        return cls(connection)

    def close(self) -> None:
        """Give up the lock."""
        with self._lock:
            self._connection.close()

    def keep_commitment(self, draw: Draw, findings: Findings) -> JournaledCommitment:
        """Put `findings` on disk with a fresh salt; the entry that is there already if it holds the same findings.

        Raises `SecondCommitmentError` if it holds others: one draw has one commitment, whatever happens.
        """
        with self._transaction() as connection:
            present = _read_commitment(connection, draw)
            if present is None:
                present = JournaledCommitment(findings, secrets.token_bytes(32))
                connection.execute(
                    "INSERT INTO commitment VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                    (
                        draw.batch_id,
                        draw.round,
                        draw.seed,
                        json.dumps([f"{digest:064x}" for digest in findings.digests]),
                        json.dumps(findings.verdicts),
                        findings.payload,
                        json.dumps([(trace.root.hex(), trace.rows) for trace in findings.traces]),
                        present.salt,
                    ),
                )
        if present.findings != findings:
            raise SecondCommitmentError(
                f"The journal holds another commitment for round {draw.round} of batch 0x{draw.batch_id.hex()}; "
                "it stands, and the new findings are dropped."
            )
        return present

    def commitment(self, draw: Draw) -> JournaledCommitment | None:
        """The commitment of a draw, if one was ever kept."""
        with self._lock:
            return _read_commitment(self._connection, draw)

    def record_spending(
        self, transaction_hash: bytes, batch_id: bytes, step: str, gas_used: int, gas_price: int
    ) -> None:
        """Account for a mined transaction of a batch's audit; `gas_price` in wei."""
        with self._transaction() as connection:
            connection.execute(
                "INSERT OR IGNORE INTO spending VALUES (?, ?, ?, ?, ?)",
                (transaction_hash, batch_id, step, gas_used, gas_price),
            )
        self._totals = None

    def record_result(self, batch_id: bytes, earned: int, lost: int) -> None:
        """Account for an audit that is over: fees earned and stake lost, in the token's smallest unit."""
        with self._transaction() as connection:
            connection.execute("INSERT OR REPLACE INTO result VALUES (?, ?, ?)", (batch_id, str(earned), str(lost)))
        self._totals = None

    def totals(self) -> Totals:
        """Everything that was accounted for."""
        if self._totals is None:
            with self._lock:
                self._totals = _read_totals(self._connection)
        return self._totals

    def export(self, path: Path) -> None:
        """Write the journal to a new file for another machine. This one is closed to work before the copy exists.

        Raises `JournalError` where `path` exists already.
        """
        if path.exists():
            raise JournalError(f"{path} exists; name a file that does not.")
        partial = path.with_name(path.name + ".partial")
        partial.unlink(missing_ok=True)
        with self._transaction() as connection:
            connection.execute("UPDATE owner SET exported = ?", (_MOVED_AWAY,))
        copy = sqlite3.connect(partial, isolation_level=None)
        with self._lock:
            self._connection.backup(copy)
        copy.execute("UPDATE owner SET exported = ?", (_ON_ITS_WAY,))
        copy.close()
        partial.replace(path)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")


def import_journal(exported: Path, path: Path) -> None:
    """Make an exported file the journal at `path`.

    Raises `JournalError` where work is recorded already, or where the file is not an export: a copy of a journal that
    is still at work elsewhere would commit a second time.
    """
    if path.exists() and _state(path) != _MOVED_AWAY:
        raise JournalError(f"There is a journal at {path} already; export or move it away first.")
    if not exported.is_file():
        raise JournalError(f"Cannot read the exported journal {exported}; name the file that was exported.")
    if _state(exported) != _ON_ITS_WAY:
        raise JournalError(f"{exported} was not written by `merit verifier export`; name the file that was.")
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    shutil.copyfile(exported, partial)
    with closing(sqlite3.connect(partial, isolation_level=None)) as copy:
        copy.execute("UPDATE owner SET exported = ?", (_AT_WORK,))
    partial.replace(path)
    # Imported twice, two nodes would do the same work and pay for each other's mistakes.
    exported.unlink()


def read_journal(path: Path) -> tuple[JournalOwner, Totals]:
    """Whose journal is at `path` and what it accounts for. Raises `JournalError` while a node uses it."""
    if not path.is_file():
        raise JournalError(f"There is no journal at {path}; name the node's data directory with --data.")
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", timeout=0, uri=True)) as connection:
            owner = JournalOwner(*connection.execute("SELECT chain_id, court, verifier FROM owner").fetchone())
            return owner, _read_totals(connection)
    except (sqlite3.DatabaseError, TypeError) as error:
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY:
            raise JournalError(f"Another node uses the journal {path}; stop it first.") from error
        raise JournalError(f"{path} is not a journal; restore it or name another.") from error


def _state(path: Path) -> int | None:
    """One of the three states; None for a file that is no journal, or that a node uses."""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", timeout=0, uri=True)) as connection:
            state: int = connection.execute("SELECT exported FROM owner").fetchone()[0]
            return state
    except (sqlite3.DatabaseError, TypeError):
        return None


def _prepare(connection: sqlite3.Connection, path: Path, owner: JournalOwner, exported: bool) -> None:
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version == 0:
        for statement in filter(str.strip, _SCHEMA.split(";")):
            connection.execute(statement)
        connection.execute("INSERT INTO owner VALUES (?, ?, ?, 0)", (owner.chain_id, owner.court, owner.verifier))
        return
    if version != 1:
        raise JournalError(f"The journal {path} was written by a newer version of Merit; update this one.")
    *named, state = connection.execute("SELECT chain_id, court, verifier, exported FROM owner").fetchone()
    if state == _ON_ITS_WAY:
        raise JournalError(f"{path} is on its way to another machine; put it in place with `merit verifier import`.")
    if state == _MOVED_AWAY and not exported:
        raise JournalError(f"The journal {path} was exported to another machine; import it back before working here.")
    present = JournalOwner(*named)
    if present != owner:
        raise JournalError(
            f"The journal {path} belongs to {present.verifier} on chain {present.chain_id} (court {present.court}); "
            "name another data directory for this key."
        )


def _read_commitment(connection: sqlite3.Connection, draw: Draw) -> JournaledCommitment | None:
    row = connection.execute(
        "SELECT digests, verdicts, payload, traces, salt FROM commitment WHERE batch_id = ? AND round = ? AND seed = ?",
        (draw.batch_id, draw.round, draw.seed),
    ).fetchone()
    if row is None:
        return None
    digests, verdicts, payload, traces, salt = row
    findings = Findings(
        digests=tuple(int(digest, 16) for digest in json.loads(digests)),
        verdicts=tuple(json.loads(verdicts)),
        payload=payload,
        traces=tuple(CommittedTrace(bytes.fromhex(root), rows) for root, rows in json.loads(traces)),
    )
    return JournaledCommitment(findings, salt)


def _read_totals(connection: sqlite3.Connection) -> Totals:
    results = connection.execute("SELECT earned, lost FROM result").fetchall()
    spent: dict[str, int] = {}
    for step, gas_used, gas_price in connection.execute("SELECT step, gas_used, gas_price FROM spending"):
        spent[step] = spent.get(step, 0) + gas_used * gas_price
    return Totals(
        audits=len(results),
        earned=sum(int(earned) for earned, _ in results),
        lost=sum(int(lost) for _, lost in results),
        spent=spent,
    )
