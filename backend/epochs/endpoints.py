"""Epochs, their proposals, and rows with the proofs that the oracle takes."""

from typing import Annotated

from fastapi import APIRouter, Path

from backend.context import Context
from backend.epochs.service import Epoch
from backend.evidence.content_id import ContentId
from backend.fields import Address, Amount, Document, Hash
from backend.problems import not_found, problems
from verifier.epochs.rows import Row

router = APIRouter(prefix="/v1/epochs", tags=["epochs"])


class EpochDocument(Document):
    """A closed epoch; `rows` is the content identifier of the published rows.

    `error_bound`: how far the visits of rows that pass every check can be from the truth, the sum of absolute errors.
    """

    epoch: int
    status: str
    closed_block: int
    accounts: int
    error_bound: float
    proposer: Address | None
    rows_root: Hash | None
    rows: str | None
    finalizable_at: int | None


class EpochList(Document):
    """Newest first."""

    epochs: list[EpochDocument]


class RowDocument(Document):
    """`MeritRow.Row`: visits in units of 2^-44, diagonal of 2^-24, score of 1e-18."""

    index: int
    account: Address
    visits: Amount
    diagonal: Amount
    bridge: Address
    score: Amount


class ProvenRow(Document):
    """What `ReputationOracle.verifyScore` and `checkIn` take, once the epoch is final."""

    epoch: int
    row: RowDocument
    proof: list[Hash]


@router.get("")
def list_epochs(context: Context) -> EpochList:
    """All closed epochs, newest first."""
    return EpochList(epochs=[_document(epoch) for epoch in context.epochs.epochs()])


@router.get("/{epoch}/rows/{address}", responses=problems(404))
def read_row(epoch: Annotated[int, Path(ge=1, le=2**32 - 1)], address: Address, context: Context) -> ProvenRow:
    """An account's row of a closed epoch with its proof, recomputed from the chain's events."""
    if not context.epochs.has_closed(epoch):
        raise not_found(f"Epoch {epoch}")
    found = context.epochs.scores(epoch).row_of(address)
    if found is None:
        raise not_found(f"A row of {address} in epoch {epoch}")
    row, proof = found
    return ProvenRow(epoch=epoch, row=row_document(row), proof=proof)


def row_document(row: Row) -> RowDocument:
    """A row as the API shows it."""
    return RowDocument.model_validate(row, from_attributes=True)


def _document(epoch: Epoch) -> EpochDocument:
    digest = epoch.rows_digest
    return EpochDocument.model_validate(
        {
            "epoch": epoch.number,
            "status": epoch.status,
            "closed_block": epoch.closed_block,
            "accounts": epoch.node_count,
            "error_bound": epoch.error_bound,
            "proposer": epoch.proposer,
            "rows_root": epoch.rows_root,
            "rows": str(ContentId(raw=True, digest=bytes.fromhex(digest[2:]))) if digest else None,
            "finalizable_at": epoch.finalizable_at,
        }
    )
