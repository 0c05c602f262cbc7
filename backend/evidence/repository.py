"""All SQL over what evidence is wanted for."""

from collections.abc import Iterator

from sqlmodel import Session, col, select

from backend.batches.models import OutgoingBatch
from backend.contributions.models import Contribution
from backend.evidence.models import Pin
from backend.indexer import repository as index
from backend.indexer.models import Job, RecordedBatch

_SETTLED = "settled"


def pin(session: Session, digest: bytes, account: str, now: int) -> Pin:
    """Keep evidence for an account; the pin as it was where there is one already."""
    row = session.get(Pin, (digest, account))
    if row is None:
        row = Pin(digest=digest, account=account, pinned_at=now)
        session.add(row)
    return row


def unpin(session: Session, digest: bytes, account: str) -> None:
    """The account wants it no longer."""
    row = session.get(Pin, (digest, account))
    if row is not None:
        session.delete(row)


def pinned(session: Session) -> Iterator[bytes]:
    """What any account wants kept."""
    yield from session.exec(select(Pin.digest).distinct())


def of_unsettled_contributions(session: Session) -> Iterator[bytes]:
    """Evidence of every contribution that is not in a settled batch."""
    settled = select(RecordedBatch.id).where(RecordedBatch.phase == _SETTLED)
    query = select(Contribution.evidence).where(
        col(Contribution.batch_id).is_(None) | col(Contribution.batch_id).not_in(settled)
    )
    yield from session.exec(query)


def unsettled_manifests(session: Session) -> Iterator[bytes]:
    """Manifests of batches that are closed or recorded, and not settled."""
    yield from session.exec(select(RecordedBatch.data_hash).where(RecordedBatch.phase != _SETTLED))
    waiting = select(OutgoingBatch.data_hash).where(
        col(OutgoingBatch.recorded_block).is_(None), col(OutgoingBatch.refusal).is_(None)
    )
    yield from session.exec(waiting)


def specifications(session: Session) -> Iterator[bytes]:
    """Specifications of jobs that take work, or have work that is not settled."""
    busy = select(RecordedBatch.job_id).where(RecordedBatch.phase != _SETTLED)
    for terms in session.exec(select(Job.terms).where(~col(Job.closed) | col(Job.id).in_(busy))):
        if "specification" in terms:
            yield bytes.fromhex(terms["specification"][2:])


def epoch_rows(session: Session) -> Iterator[bytes]:
    """The published rows of every epoch: what its scores can be checked by."""
    for event in index.events_named(session, "Proposed"):
        yield bytes.fromhex(event.args["rowsCid"][2:])
