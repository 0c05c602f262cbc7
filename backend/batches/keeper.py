"""Moves audits on where the contracts wait for anybody's call: draw, finalize, settle.

Verifier nodes may do the same; whoever comes second is refused by the contracts, which is no error.
"""

from collections.abc import Callable, Sequence
from typing import Any

import structlog
from sqlalchemy import Row

from backend.batches import repository
from backend.batches.court import Court
from backend.database import Database
from backend.indexer import repository as index
from backend.indexer.models import ChainEvent, RecordedBatch
from backend.indexer.source import Head
from chain.errors import TransactionFailedError, TransactionRevertedError

_log = structlog.get_logger()
_PER_STEP = 64


class Keeper:
    """One per database."""

    def __init__(self, database: Database, court: Court, head: Callable[[], Head], clock: Callable[[], float]) -> None:
        self._database = database
        self._court = court
        self._head = head
        self._clock = clock

    def step(self) -> None:
        """Make every call that is due."""
        head = self._head()
        now = max(int(self._clock()), head.time)
        with self._database.read() as session:
            due = repository.due_for_keeping(session, head.number, now, _PER_STEP)
        for batch in due:
            try:
                self._move_on(batch)
            except (TransactionRevertedError, TransactionFailedError) as refusal:
                _log.info("audit not moved on", batch=batch.id.hex(), reason=str(refusal))

    def _move_on(self, batch: RecordedBatch) -> None:
        match self._court.phase(batch.id):
            case "recorded":
                self._court.draw(batch.batch)
            case "tally":
                self._finalize(batch)
            case "decided":
                self._court.settle(batch.batch)

    def _finalize(self, batch: RecordedBatch) -> None:
        with self._database.read() as session:
            events = index.batch_events(session.connection(), batch.id)
        drawn = [event for event in events if event.name == "Drawn"][-1:]
        for event in drawn:  # none where the index is behind the chain: the next step will find it
            revealed, disclosed = said_in_round(events, event.args["round"])
            self._court.finalize(
                batch.batch,
                bytes.fromhex(event.args["seed"][2:]),
                event.args["committee"],
                [revealed.get(verifier, _NOTHING) for verifier in event.args["committee"]],
                disclosed,
            )


_NOTHING: tuple[Any, ...] = ([], [], 0, bytes(32))


def said_in_round(events: Sequence[ChainEvent | Row[Any]], number: int) -> tuple[dict[str, tuple[Any, ...]], list[int]]:
    """What each verifier revealed in a round, as the court's `Reveal` struct, and the digests that were disclosed."""
    revealed = {}
    disclosed: list[int] = []
    for event in events:
        args = event.args
        if args.get("round") != number:
            continue
        if event.name == "Revealed":
            revealed[args["verifier"]] = (
                [int(digest) for digest in args["digests"]],
                args["verdicts"],
                int(args["opened"]),
                bytes.fromhex(args["payload"][2:]),
            )
        elif event.name == "Disclosed":
            disclosed = [int(digest) for digest in args["digests"]]
    return revealed, disclosed
