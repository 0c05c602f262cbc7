"""Closing a contributor's open batch: from now on its leaves can only reach the chain in it."""

from sqlmodel import Session

from backend.batches.models import OutgoingBatch
from backend.contributions import repository
from backend.evidence.store import EvidenceStore
from chain.contribution import Batch
from chain.typed_data import Domain, message_digest


def batch_id(domain: Domain, batch: Batch) -> bytes:
    """The batch's EIP-712 digest, which is its id on the chain."""
    return message_digest(domain.batch(batch))


class BatchCloser:
    """Turns open batches into outgoing ones."""

    def __init__(self, domain: Domain, store: EvidenceStore) -> None:
        self._domain = domain
        self._store = store

    def keep(self, manifest: bytes) -> None:
        """Store a batch's manifest. This comes before `close`, so that it is there when anyone can ask for it."""
        self._store.put(manifest)

    def close(self, session: Session, batch: Batch, signature: bytes, now: float) -> None:
        """Let the open batch be an outgoing one, within the caller's transaction."""
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
            signature=signature,
            closed_at=int(now),
        )
        session.merge(outgoing)  # the same batch may have been refused before and been signed again
        repository.assign(session, outgoing.id, batch)
        repository.drop_signature(session, batch.job_id, batch.contributor)
