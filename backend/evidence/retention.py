"""How long evidence is kept: while anything needs it, and for a while after.

A file's modification time is when it was last stored or needed. Each pass renews that of everything that is needed now
and removes what was not needed for as long as the settings say; an audit can never find its evidence removed.
"""

from collections.abc import Callable, Iterator

import structlog
from sqlmodel import Session

from backend.database import Database
from backend.evidence import repository
from backend.evidence.kubo import Kubo
from backend.evidence.store import EvidenceStore
from chain.contribution import MalformedRecordError, parse_manifest

_EVERY = 3600.0
_log = structlog.get_logger()


class Retention:
    """One per store. `retention`: seconds for which what nothing needs is kept."""

    def __init__(
        self, database: Database, store: EvidenceStore, kubo: Kubo | None, retention: float, clock: Callable[[], float]
    ) -> None:
        self._database = database
        self._store = store
        self._kubo = kubo
        self._retention = retention
        self._clock = clock
        self._next = 0.0

    def step(self) -> None:
        """Make a pass, once an hour."""
        now = self._clock()
        if now < self._next:
            return
        with self._database.read() as session:
            for digest in self._needed(session):
                self._store.renew(digest, now)
        removed = 0
        for content in self._store.remove_unused(before=now - self._retention):
            removed += 1
            if self._kubo is not None:
                self._kubo.unpin(content)
        self._next = now + _EVERY
        _log.info("evidence looked through", removed=removed)

    def _needed(self, session: Session) -> Iterator[bytes]:
        yield from repository.pinned(session)
        yield from repository.of_unsettled_contributions(session)
        yield from repository.specifications(session)
        yield from repository.epoch_rows(session)
        for digest in repository.unsettled_manifests(session):
            yield digest
            yield from self._listed_in(digest)

    def _listed_in(self, manifest: bytes) -> Iterator[bytes]:
        """Evidence of a batch that its contributor may have recorded without us."""
        block = self._store.get(manifest)
        if block is not None:
            try:
                yield from (leaf.evidence for leaf in parse_manifest(block))
            except MalformedRecordError:
                return  # anybody may record a batch over nonsense
