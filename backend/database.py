"""The database: SQLite in write-ahead mode by default, PostgreSQL by URL, one way of using either.

A transaction is opened by the service that needs it and never by an endpoint. `write` transactions on SQLite take the
write lock at their start, so that two of them can neither deadlock nor fail half-way. What requests write goes through
`write_together`, so that a commit is shared by all that wait for one.
"""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from threading import Lock
from typing import Any

from sqlalchemy import Connection, Engine, LargeBinary, String, create_engine, event, literal, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Dialect, make_url
from sqlalchemy.exc import ArgumentError, DisconnectionError, OperationalError
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.types import TypeDecorator
from sqlmodel import Session, SQLModel

from backend.group_commit import GroupCommit, Item, Result, Work
from backend.migrations import upgrade
from backend.threads import REQUEST_THREADS
from chain.settings import InvalidSettingError

_BUSY_TIMEOUT = 30.0
_CONNECTIONS = 40  # as many as FastAPI has threads: one that is opened for a request costs more than it
_SILENCE = 1.0  # seconds after which a connection to a server may be gone
_LEADER = 0x4D65726975  # advisory lock of the process that leads
Hash = LargeBinary(32)


class Wei(TypeDecorator[int]):
    """An amount of tokens, up to 256 bits, which no integer column of SQLite holds."""

    impl = String(78)
    cache_ok = True

    def process_bind_param(self, value: int | None, dialect: Dialect) -> str | None:
        """Decimal digits."""
        return None if value is None else str(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> int | None:
        """The number again."""
        return None if value is None else int(value)


class Database:
    """Transactions over one engine."""

    def __init__(self, url: str) -> None:
        try:
            parsed = make_url(url)
            if parsed.drivername in ("postgres", "postgresql"):
                parsed = parsed.set(drivername="postgresql+psycopg")
            self.is_sqlite = parsed.get_backend_name() == "sqlite"
            if self.is_sqlite and parsed.database:
                Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
            arguments: dict[str, Any] = {"timeout": _BUSY_TIMEOUT, "check_same_thread": False} if self.is_sqlite else {}
            self.engine = create_engine(parsed, connect_args=arguments, pool_size=_CONNECTIONS)
        except (ArgumentError, ModuleNotFoundError):
            raise InvalidSettingError(
                "MERIT_DATABASE_URL is not a database's URL; give sqlite:///FILE or postgresql://USER@HOST/NAME."
            ) from None
        if self.is_sqlite:
            _use_write_ahead_log(self.engine)
            self._viewer = self.engine
        else:
            # Each statement of PostgreSQL sees the newest state by itself: a transaction around them adds nothing.
            self._viewer = create_engine(parsed, isolation_level="AUTOCOMMIT", pool_size=REQUEST_THREADS)
            for engine in (self.engine, self._viewer):
                _try_after_silence(engine)
        self._writer = self.engine.execution_options(takes_write_lock=True)
        self._hasty_writer = self.engine.execution_options(takes_write_lock=True, is_hasty=True)
        # SQLite lets one transaction write, and lets the others sleep and look again; a lock wakes them in time.
        self._turn = Lock() if self.is_sqlite else nullcontext()
        self._group = GroupCommit(self.write)

    def migrate(self) -> None:
        """Bring the tables to the newest state."""
        try:
            upgrade(self.engine)
        except OperationalError as error:
            raise InvalidSettingError(
                f"The database at {self.engine.url.render_as_string(hide_password=True)} cannot be used; "
                "is it running, and may this user create tables?"
            ) from error

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A consistent view; nothing is written."""
        with Session(self.engine) as session:
            yield session

    @contextmanager
    def view(self) -> Iterator[Connection]:
        """Plain rows, for what is asked often: a third of the time that a session and its entities take."""
        with self._viewer.connect() as connection:
            yield connection

    @contextmanager
    def write(self, *, durable: bool = True) -> Iterator[Session]:
        """One transaction: committed at the end of the block, undone if it raises.

        durable: wait for the disk. Without it, a loss of power, though no crash of the process, may undo what nobody
        was promised.
        """
        engine = self._writer if durable else self._hasty_writer
        with self._turn, Session(engine, expire_on_commit=False) as session, session.begin():
            if not durable and not self.is_sqlite:
                session.execute(text("SET LOCAL synchronous_commit TO off"))
            yield session

    async def write_together(self, work: Work[Item, Result], item: Item) -> Result:
        """What `work` returns for `item` once it is committed, with all else that waits; see `GroupCommit.run`."""
        return await self._group.run(work, item)

    def close(self) -> None:
        """Give the connections back."""
        self._group.close()
        self._viewer.dispose()
        self.engine.dispose()


def insert_new(session: Session, row: SQLModel) -> bool:
    """Insert a row unless there is one with its key. Returns whether it was inserted."""
    dialect = sqlite if session.get_bind().dialect.name == "sqlite" else postgresql
    statement = dialect.insert(type(row)).on_conflict_do_nothing().returning(literal(1))
    return session.connection().execute(statement, row.model_dump()).first() is not None


class Leadership:
    """Which of several processes on one PostgreSQL database does the work that only one may do.

    The lock belongs to a connection: it is free again as soon as its holder is gone. A SQLite database serves one
    process, which leads.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._connection: Connection | None = None
        self._lock = Lock()

    def is_held(self) -> bool:
        """Whether this process leads, having tried to become the leader if it was not."""
        if self._database.is_sqlite:
            return True
        with self._lock:
            try:
                if self._connection is None:
                    self._connection = self._database.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
                # Asking again for a lock that is held succeeds, and tells whether the connection still stands.
                held = self._connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": _LEADER})
            except OperationalError:
                self._release()
                return False
            if not held:
                self._release()
            return bool(held)

    def release(self) -> None:
        """Let another process lead, at once: the lock is free when this returns."""
        with self._lock:
            if self._connection is not None:
                # A server lets go of a closed connection's locks only when it comes to notice.
                with suppress(OperationalError):
                    self._connection.execute(text("SELECT pg_advisory_unlock_all()"))
            self._release()

    def _release(self) -> None:
        if self._connection is not None:
            self._connection.invalidate()
            self._connection.close()
            self._connection = None


def _try_after_silence(engine: Engine) -> None:
    """Try a connection before it is used, unless it has just worked: to try each costs as much as a statement."""

    @event.listens_for(engine, "checkin")
    def note(_connection: Any, record: ConnectionPoolEntry) -> None:
        record.info["used_at"] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def try_out(connection: Any, record: ConnectionPoolEntry, _proxy: Any) -> None:
        if time.monotonic() - record.info.get("used_at", math.inf) < _SILENCE:
            return
        try:
            engine.dialect.do_ping(connection)
        except engine.dialect.loaded_dbapi.Error:
            raise DisconnectionError from None  # the pool opens another


def _use_write_ahead_log(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # transactions are begun below, not by the driver
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA foreign_keys=ON")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        options = connection.get_execution_options()
        if not options.get("takes_write_lock"):
            connection.exec_driver_sql("BEGIN DEFERRED")
            return
        # FULL: a receipt that was given outlives a loss of power.
        connection.exec_driver_sql(f"PRAGMA synchronous={'NORMAL' if options.get('is_hasty') else 'FULL'}")
        connection.exec_driver_sql("BEGIN IMMEDIATE")
