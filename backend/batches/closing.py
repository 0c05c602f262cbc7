"""Closing a contributor's open batch: from now on its leaves can only reach the chain in it."""

from sqlmodel import Session

from backend.batches.models import OutgoingBatch
from backend.contributions import repository
from backend.contributions.models import OpenBatch
from backend.evidence.store import EvidenceStore
from chain.contribution import Batch, build_batch
from chain.typed_data import Domain, message_digest


def batch_id(domain: Domain, batch: Batch) -> bytes:
    """The batch's EIP-712 digest, which is its id on the chain."""
    return message_digest(domain.batch(batch))


class BatchCloser:
    """Turns open batches into outgoing ones, within the caller's transaction."""

    def __init__(self, domain: Domain, store: EvidenceStore) -> None:
        self._domain = domain
        self._store = store

    def close(self, session: Session, open_batch: OpenBatch, now: float) -> OutgoingBatch:
        """The outgoing batch. Its manifest is in the store before anyone can ask for it."""
        rows = repository.leaves_from(session, open_batch.job_id, open_batch.contributor, open_batch.first)
        rows = rows[: open_batch.count]
        batch, manifest = build_batch([row.leaf for row in rows], open_batch.deadline)
        self._store.put(manifest)
        outgoing = OutgoingBatch(
            id=batch_id(self._domain, batch),
            job_id=batch.job_id,
            contributor=batch.contributor,
            first=batch.first,
            count=batch.count,
            units=batch.units,
            leaves_root=batch.leaves_root,
            data_hash=batch.data_hash,
            deadline=batch.deadline,
            signature=open_batch.signature,
            closed_at=int(now),
        )
        outgoing = session.merge(outgoing)  # the same batch may have been refused before and been signed again
        repository.assign(session, outgoing.id, [row.id for row in rows])
        repository.drop_signature(session, batch.job_id, batch.contributor)
        return outgoing
