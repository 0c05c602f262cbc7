"""Reputation: what the chain says, and what the newest edges would give."""

from fastapi import APIRouter

from backend.context import Context
from backend.epochs.endpoints import ProvenRow, row_document
from backend.fields import Address, Document
from backend.problems import problems
from verifier.epochs.row_arithmetic import SCORE_ONE

router = APIRouter(prefix="/v1/reputation", tags=["reputation"])


class FinalScore(ProvenRow):
    """The row of the last final epoch."""

    score: float


class Reputation(Document):
    """Scores in [0, 1].

    `checked_in` is what other contracts read, `final` what the last final epoch proves, `network` what all indexed
    edges give, from the network's own seeds.
    """

    address: Address
    checked_in: float
    final: FinalScore | None
    network: float


@router.get("/{address}", responses=problems(503))
def read_reputation(address: Address, context: Context) -> Reputation:
    """An account's reputation on the chain and by the newest edges."""
    current = context.epochs.scores_now().row_of(address)
    return Reputation(
        address=address,
        checked_in=context.accounts.holdings(address).reputation / SCORE_ONE,
        final=_final(address, context),
        network=current[0].score / SCORE_ONE if current else 0.0,
    )


def _final(address: Address, context: Context) -> FinalScore | None:
    final = next((epoch for epoch in context.epochs.epochs() if epoch.status == "final"), None)
    if final is None:
        return None
    found = context.epochs.scores(final.number).row_of(address)
    if found is None:
        return None
    row, proof = found
    return FinalScore(epoch=final.number, row=row_document(row), proof=proof, score=row.score / SCORE_ONE)
