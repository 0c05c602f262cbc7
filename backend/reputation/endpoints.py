"""Reputation: what the chain says, and what the newest edges would give."""

from fastapi import APIRouter
from pydantic import Field

from backend.context import Context
from backend.epochs.endpoints import ProvenRow, row_document
from backend.fields import Address, Document
from backend.identity.endpoints import SignedCaller
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


class CarryingEdgeDocument(Document):
    """An edge, and how often the walks that reach the account take it before they arrive, on average."""

    source: Address
    target: Address
    times: float


class CarryingPathDocument(Document):
    """A way from the seed to the account, and the part of the walks that reach it which take exactly this way."""

    accounts: list[Address]
    part: float


class PersonalView(Document):
    """`score = reach * kept_at_bridge - taken_by_distrust`, not below zero; all zero where no walk arrives."""

    address: Address
    seed: Address
    score: float
    reach: float = Field(description="probability that a walk from the seed reaches the account")
    bridge: Address | None = Field(
        description="the first account that all walks to it pass; itself where there is none before it"
    )
    kept_at_bridge: float
    taken_by_distrust: float
    edges: list[CarryingEdgeDocument]
    paths: list[CarryingPathDocument]


@router.get("/{address}/from/{seed}", responses=problems(401, 404))
def read_personal_view(address: Address, seed: Address, context: Context, caller: SignedCaller) -> PersonalView:
    """An account's reputation as any one account sees it by the newest edges, and what carries it.

    It needs an identity because it costs more than any other question: each seed is a solution of its own.
    """
    found = context.personal.explain(seed, address)
    if found is None:
        return PersonalView(
            address=address,
            seed=seed,
            score=0,
            reach=0,
            bridge=None,
            kept_at_bridge=0,
            taken_by_distrust=0,
            edges=[],
            paths=[],
        )
    return PersonalView(
        address=address,
        seed=seed,
        score=found.score,
        reach=found.reach,
        bridge=found.bridge,
        kept_at_bridge=found.kept_at_bridge,
        taken_by_distrust=found.taken_by_distrust,
        edges=[CarryingEdgeDocument(source=edge.source, target=edge.target, times=edge.times) for edge in found.edges],
        paths=[CarryingPathDocument(accounts=list(path.nodes), part=path.part) for path in found.paths],
    )


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
