"""Brings windows of queries to the chain, has what comes of them adopted, and has false answers slashed."""

import json
from collections.abc import Callable

import structlog

from backend.database import Database
from backend.sources import repository
from backend.sources.service import SourceService
from chain.errors import TransactionRevertedError
from chain.network import Network
from chain.sender import TransactionSender
from verifier.retrieval.exchange import Answer
from verifier.retrieval.organiser import MOST_RECORDS, Organiser
from verifier.retrieval.windows import Windows

_SLASHED_AT_ONCE = 100
_log = structlog.get_logger()


class WindowKeeper:
    """One step looks at everything that is due.

    renew: says that an evidence block is still needed, and when. queries, age: of a window when it is recorded; age in
    seconds.
    """

    def __init__(
        self,
        *,
        network: Network,
        sender: TransactionSender,
        service: SourceService,
        windows: Windows,
        organiser: Organiser,
        database: Database,
        renew: Callable[[bytes, float], object],
        queries: int,
        age: float,
        clock: Callable[[], float],
    ) -> None:
        self._network = network
        self._sender = sender
        self._service = service
        self._windows = windows
        self._organiser = organiser
        self._database = database
        self._renew = renew
        self._queries = queries
        self._age = age
        self._clock = clock

    def step(self) -> None:
        """Slash, adopt, record, and tell the service where the windows stand."""
        self._slash()
        self._windows.look()
        adopted = self._organiser.adopt()
        if adopted is not None:
            _log.info("reliabilities adopted", window=adopted.state.window)
        header, state = self._windows.next_header()
        pending = self._windows.is_pending()
        if not pending and self._is_due(header.window):
            # From now on queries belong to the next window: none may come after its records were read.
            self._service.move(state, header.window + 1)
            self._record(header.window)
            pending = True
        self._service.move(state, header.window + pending)

    def _is_due(self, window: int) -> bool:
        with self._database.read() as session:
            count, since = repository.count_in(session, window)
        return since is not None and (count >= self._queries or self._clock() - since >= self._age)

    def _record(self, window: int) -> None:
        with self._database.read() as session:
            records = [record for number, record in repository.records_from(session, window) if number == window]
        for source, _, _ in self._service.sources():
            self._renew(source.commitments[source.version].index, self._clock())
        batch_id = self._organiser.record(records[:MOST_RECORDS])
        _log.info("window recorded", window=window, queries=len(records), batch=batch_id.hex())

    def _slash(self) -> None:
        """Each false answer is forgotten only once its source is slashed: a crash in between repeats a refused call."""
        with self._database.read() as session:
            waiting = repository.false_answers(session, _SLASHED_AT_ONCE)
        for row in waiting:
            answer = Answer.from_json(json.loads(row.answer))
            passage = answer.passages[row.which]
            call = self._network.sources.functions.slash(
                answer.as_tuple(row.query), row.which, passage.as_tuple(), answer.signature
            )
            try:
                self._sender.send(call)
                _log.warning("source slashed", source=row.source)
            except TransactionRevertedError as refusal:  # somebody else was faster, or it was slashed for another
                _log.info("source not slashed", source=row.source, reason=str(refusal))
            with self._database.write() as session:
                session.delete(row)
