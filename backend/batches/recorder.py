"""Brings contributions to the chain: closes batches that are due and records them.

Nothing that matters is remembered outside the database and the chain. A batch's id is known before it is sent; the
chain refuses what it holds already, before that costs anything, and what a reorganisation took away is sent again. So
the recorder may be stopped at any instruction.
"""

from collections.abc import Callable

import structlog
from sqlmodel import Session

from backend.batches import repository
from backend.batches.closing import BatchCloser
from backend.batches.court import Court
from backend.batches.models import OutgoingBatch
from backend.contributions import repository as contributions
from backend.database import Database
from backend.indexer import repository as index
from chain.contribution import build_batch
from chain.errors import TransactionRevertedError
from chain.merkle import merkle_root

_log = structlog.get_logger()
_AT_ONCE = 16  # batches in one transaction, well under the block's gas; the court takes 32
_PER_STEP = 256

# Refusals that pass when somebody pays or unpauses: the batch is tried again until its signature has expired.
_CURABLE = frozenset({"StakeVaultInsufficientStake", "JobEscrowInsufficientFunds", "EnforcedPause"})


class Recorder:
    """One per database."""

    def __init__(
        self, database: Database, court: Court, closer: BatchCloser, batch_age: float, clock: Callable[[], float]
    ) -> None:
        self._database = database
        self._court = court
        self._closer = closer
        self._batch_age = batch_age
        self._clock = clock
        self._reached = -1  # the last block that the indexer has read
        self._held: dict[bytes, int] = {}  # what the chain holds, and a block that the indexer has yet to come to

    def step(self) -> None:
        """Close what is old enough and record what is closed."""
        while self._close_due():
            pass
        self._record_closed()

    def _close_due(self) -> bool:
        """Close one page of batches. Returns whether there may be more."""
        now = self._clock()
        with self._database.write() as session:
            due = contributions.due(session, now - self._batch_age, _PER_STEP)
            for row in due:
                rows = contributions.leaves_from(session, row.job_id, row.contributor, row.first)[: row.count]
                batch, manifest = build_batch([one.leaf for one in rows], row.deadline)
                self._closer.keep(manifest)
                self._closer.close(session, batch, row.signature, now)
        return len(due) == _PER_STEP

    def _record_closed(self) -> None:
        with self._database.read() as session:
            waiting = repository.unrecorded(session, _PER_STEP + len(self._held))
            indexed = index.last_block(session)
        self._reached = indexed.number if indexed is not None else -1
        # What the indexer has passed without finding it was taken away by a reorganisation.
        self._held = {batch_id: block for batch_id, block in self._held.items() if block > self._reached}
        missing = [batch for batch in waiting if batch.id not in self._held]
        for start in range(0, len(missing), _AT_ONCE):
            self._record(missing[start : start + _AT_ONCE])

    def _record(self, batches: list[OutgoingBatch]) -> None:
        """All in one transaction, or, where one of them is refused, each by itself."""
        try:
            block = self._court.record([batch.batch for batch in batches], [batch.signature for batch in batches])
        except TransactionRevertedError as refusal:
            if len(batches) > 1:
                for batch in batches:
                    self._record([batch])
                return
            self._judge(batches[0], refusal)
        else:
            self._held |= {batch.id: block for batch in batches}

    def _judge(self, batch: OutgoingBatch, refusal: TransactionRevertedError) -> None:
        if refusal.name == "AuditCourtAlreadyRecorded" or self._court.phase(batch.id) != "none":
            self._held[batch.id] = self._reached + 1
            return
        ahead = refusal.name == "AuditCourtUnexpectedFirst" and batch.first > refusal.arguments["expected"]
        if (refusal.name in _CURABLE or ahead) and self._clock() <= batch.deadline:
            _log.warning("batch waits", batch=batch.id.hex(), reason=str(refusal))
            return
        _log.warning("batch refused", batch=batch.id.hex(), reason=str(refusal))
        with self._database.write() as session:
            for row in [batch, *repository.later(session, batch)]:  # what follows cannot be recorded without it
                self._refuse(session, row.id, str(refusal))
            contributions.drop_signature(session, batch.job_id, batch.contributor)

    def _refuse(self, session: Session, batch_id: bytes, reason: str) -> None:
        row = repository.outgoing(session, batch_id)
        if row is not None and row.recorded_block is None:
            row.refusal = reason
            contributions.release(session, batch_id)


def note_recorded(session: Session, batch_ids: list[bytes]) -> None:
    """What the indexer tells when it finds batches on the chain, ours or recorded by their contributors themselves."""
    for batch_id in batch_ids:
        batch = repository.recorded(session, batch_id)
        if batch is None:
            continue
        outgoing = repository.outgoing(session, batch_id)
        if outgoing is not None and outgoing.refusal is None:  # its leaves are in it since it was closed
            outgoing.recorded_block = batch.recorded_block
            continue
        if outgoing is not None:
            outgoing.recorded_block, outgoing.refusal = batch.recorded_block, None
        else:
            contributions.drop_signature(session, batch.job_id, batch.contributor)
        ids = contributions.ids_in(session, batch.batch)
        if len(ids) == batch.count and merkle_root(ids) == batch.leaves_root:
            contributions.assign(session, batch_id, batch.batch)


def note_rollback(session: Session, block: int, gone: list[bytes]) -> None:
    """What the indexer tells when all blocks above `block` are gone, and with them the records of some batches."""
    repository.unmark_recorded_above(session, block)
    for batch_id in gone:
        if repository.outgoing(session, batch_id) is None:  # its contributor recorded it; nobody here would do it again
            contributions.release(session, batch_id)
