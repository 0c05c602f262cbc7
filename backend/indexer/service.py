"""Follows the event log of all contracts into tables, through restarts and reorganisations."""

from collections.abc import Callable
from itertools import groupby

import structlog
from sqlmodel import Session

from backend.database import Database
from backend.indexer import repository
from backend.indexer.folds import to_row
from backend.indexer.models import ChainEvent, IndexedBlock
from backend.indexer.source import EventSource, RangeRefusedError
from chain.errors import ChainUnavailableError

_log = structlog.get_logger()


class InconsistentEndpointError(ChainUnavailableError):
    """The endpoint's answers contradict each other: it was caught by a reorganisation, or it is broken."""


class Indexer:
    """One reader of one chain. Only one may write to a database at a time.

    `on_recorded` is called within the transaction with the batches that a range of blocks recorded, `on_rollback` with
    the number of the last block that still stands and the batches that are no longer recorded.
    """

    def __init__(
        self,
        database: Database,
        source: EventSource,
        *,
        first_block: int,
        confirmations: int,
        log_range: int,
        on_recorded: Callable[[Session, list[bytes]], None],
        on_rollback: Callable[[Session, int, list[bytes]], None],
    ) -> None:
        self._database = database
        self._source = source
        self._first_block = first_block
        self._confirmations = confirmations
        self._largest_range = self._range = log_range
        self._on_recorded = on_recorded
        self._on_rollback = on_rollback

    def catch_up(self) -> None:
        """Read everything there is to read."""
        while self.step():
            pass

    def step(self) -> bool:
        """Undo what is no longer on the chain, then read one range of blocks. Returns whether there was one to read."""
        last = self._last_standing()
        start = self._first_block if last is None else last.number + 1
        end = min(self._source.head().number - self._confirmations, start + self._range - 1)
        if end < start:
            return False
        try:
            rows, blocks = self._consistent_range(last, start, end)
        except RangeRefusedError:
            if self._range == 1:
                raise
            self._range //= 2
            return True
        self._range = min(self._range * 2, self._largest_range)
        with self._database.write() as session:
            for block in blocks:
                session.merge(block)
            repository.add_events(session, rows)
            recorded = [bytes.fromhex(row.args["batchId"][2:]) for row in rows if row.name == "Recorded"]
            if recorded:
                self._on_recorded(session, recorded)
        return True

    def _last_standing(self) -> IndexedBlock | None:
        """The last block read that is still on the chain; everything above it is undone in one transaction."""
        with self._database.read() as session:
            newest = last = repository.last_block(session)
            while last is not None and not self._stands(last):
                last = repository.block_before(session, last.number)
        if newest is not None and last != newest:
            fork = self._first_block - 1 if last is None else last.number
            _log.warning("chain reorganised", undone_from=fork + 1, undone_to=newest.number)
            with self._database.write() as session:
                self._on_rollback(session, fork, repository.remove_above(session, fork))
        return last

    def _stands(self, block: IndexedBlock) -> bool:
        found = self._source.block(block.number)
        return found is not None and found[0] == block.hash

    def _consistent_range(
        self, last: IndexedBlock | None, start: int, end: int
    ) -> tuple[list[ChainEvent], list[IndexedBlock]]:
        """Events of a range, and the hashes that they stand and fall with, all of one and the same chain.

        The end's hash is read before and after the events, the start must follow the last block read, and each event
        must lie in the block that the chain has at its height.
        """
        end_hash = self._hash(end)
        if last is not None:
            first = self._source.block(start)
            if first is None or first[1] != last.hash:
                raise InconsistentEndpointError("The chain is being reorganised; it is read again in a moment.")
        events = {(event.transaction_hash, event.log_index): event for event in self._source.events(start, end)}
        ordered = sorted(events.values(), key=lambda event: (event.block_number, event.log_index))
        blocks = [IndexedBlock(number=end, hash=end_hash)]
        for number, group in groupby(ordered, key=lambda event: event.block_number):
            block_hash = self._hash(number) if start <= number <= end else None
            if block_hash is None or any(event.block_hash != block_hash for event in group):
                raise InconsistentEndpointError("The endpoint gave events of another chain; they are read again soon.")
            if number != end:
                blocks.append(IndexedBlock(number=number, hash=block_hash))
        if self._hash(end) != end_hash:
            raise InconsistentEndpointError("The chain is being reorganised; it is read again in a moment.")
        return [to_row(event) for event in ordered], blocks

    def _hash(self, number: int) -> bytes:
        found = self._source.block(number)
        if found is None:
            raise InconsistentEndpointError(f"The endpoint lost block {number}; it is read again in a moment.")
        return found[0]
