"""A node is killed before and after every write to its files and every step of every transaction, and restarted.

The audit must end as it does without the kill, and there must never be a second commitment on the chain.
"""

import sqlite3
from collections import Counter
from typing import Any

import pytest
from web3.types import TxReceipt

from chain.outbox import Outbox, Pending
from chain.sender import TransactionSender
from verifier.node.audit import BatchOutcome
from verifier.node.court import Court

pytestmark = pytest.mark.chain

_connect = sqlite3.connect
_CRITICAL = [
    "before INSERT INTO commitment",
    "after INSERT INTO commitment",
    "before commit on disk",
    "after commit on disk",
    "before INSERT OR REPLACE",
    "after INSERT OR REPLACE",
    "before sending commit",
    "after sending commit",
    "before DELETE FROM pending",
    "after DELETE FROM pending",
    "receipt of commit",
    "before sending reveal",
    "after sending reveal",
    "receipt of reveal",
]


class KilledError(BaseException):
    """The process is gone: nothing may catch this."""


class Killer:
    """Counts how often each point is passed, and kills at one of them, once."""

    def __init__(self, at: tuple[str, int] | None = None) -> None:
        self.at = at
        self.fired = False
        self.passed: Counter[str] = Counter()

    def point(self, name: str) -> None:
        """A place where the process may end."""
        self.passed[name] += 1
        if not self.fired and (name, self.passed[name]) == self.at:
            self.fired = True
            raise KilledError(name)


class CrashingSender(TransactionSender):
    """A sender with a point before and after the broadcast, and after the receipt."""

    killer: Killer
    _calling = "what was left in the outbox"

    def send(self, call: Any) -> TxReceipt:
        receipt = super().send(call)
        self.killer.point(f"receipt of {call.fn_name}")
        return receipt

    def _broadcast(self, call: Any) -> Pending:
        self._calling = call.fn_name
        return super()._broadcast(call)

    def _submit(self, pending: Pending) -> bool:
        self.killer.point(f"before sending {self._calling}")
        is_new = super()._submit(pending)
        self.killer.point(f"after sending {self._calling}")
        return is_new


class Victim:
    """A node that is started again, over the same files, after it was killed."""

    def __init__(self, world: Any, killer: Killer, monkeypatch: pytest.MonkeyPatch) -> None:
        self._world = world
        self._killer = killer
        self._monkeypatch = monkeypatch
        self._node: Any = None
        self._files: list[sqlite3.Connection] = []

    def look(self) -> None:
        """Look at the chain; a kill may end the process in the middle of it."""
        try:
            if self._node is None:
                self._start()
            self._node.look()
        except KilledError:
            self._node = None
            for file in self._files:  # as the end of a process leaves them: nothing more is written
                file.close()
            self._files.clear()

    def _start(self) -> None:
        account = self._world.verifiers[0]
        with self._monkeypatch.context() as patch:
            patch.setattr(sqlite3, "connect", self._open)
            outbox = Outbox(self._world.folder / account.address / "outbox.sqlite")
            sender = CrashingSender(self._world.web3, account, outbox=outbox)
            sender.killer = self._killer
            court = Court(self._world.network, sender, monotonic=lambda: 0.0)
            self._node = self._world.node(account, court=court)

    def _open(self, *arguments: Any, **named: Any) -> sqlite3.Connection:
        killer = self._killer

        class Crashing(sqlite3.Connection):
            last_write = ""

            def _around(self, sql: str, run: Any, *parameters: Any) -> sqlite3.Cursor:
                name = " ".join(sql.split()[:3])
                if name.startswith(("INSERT", "DELETE", "CREATE")):
                    self.last_write = name
                elif name == "COMMIT" and self.last_write == "INSERT INTO commitment":
                    name = "commit on disk"
                elif name.startswith(("SELECT", "PRAGMA")):
                    return run(sql, *parameters)  # type: ignore[no-any-return]
                killer.point(f"before {name}")
                cursor: sqlite3.Cursor = run(sql, *parameters)
                killer.point(f"after {name}")
                return cursor

            def execute(self, sql: str, *parameters: Any) -> sqlite3.Cursor:
                return self._around(sql, super().execute, *parameters)

            def executemany(self, sql: str, *parameters: Any) -> sqlite3.Cursor:
                return self._around(sql, super().executemany, *parameters)

        connection = _connect(*arguments, factory=Crashing, **named)
        self._files.append(connection)
        return connection


def _play(world: Any, killer: Killer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A whole audit in which the first verifier may be killed: nobody must notice."""
    victim = Victim(world, killer, monkeypatch)
    others = [world.node(account) for account in world.verifiers[1:]]
    provider = world.provider()
    provider.serve(world.job_id, [world.order(0)])
    assert world.settle(victim, provider, *others) == (BatchOutcome.PASS, {}), killer.at
    logs = world.network.court.events.Committed().get_logs(from_block=world.network.deployment.block)
    assert Counter(log["args"]["verifier"] for log in logs).most_common(1)[0][1] == 1, killer.at


@pytest.mark.parametrize("name", _CRITICAL)
def test_node__killed_around_its_promises__audit_ends_as_it_would_have(
    world: Any, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    killer = Killer((name, 1))
    _play(world, killer, monkeypatch)
    assert killer.fired


@pytest.mark.long
def test_node__killed_anywhere__audit_ends_as_it_would_have(deployed: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Killer()
    with deployed.undone() as world:
        _play(world, whole, monkeypatch)
    points = [(name, time) for name, times in whole.passed.items() for time in range(1, times + 1)]
    assert len(points) >= 40
    fired = 0
    for at in points:
        killer = Killer(at)
        with deployed.undone() as world:
            _play(world, killer, monkeypatch)
        fired += killer.fired
    # Blocks are read in fewer portions in some runs than in others, so a few late points may not be reached again.
    assert fired >= 0.9 * len(points)
