"""Which models there is work for."""

from typing import Annotated

from fastapi import APIRouter, Query

from backend.context import Context
from backend.fields import MAX_INTEGER, Document, Hash
from backend.jobs import repository as jobs
from backend.models.service import requested_models

router = APIRouter(prefix="/v1/models", tags=["models"])


class ModelDocument(Document):
    """A model by the SHA-256 digest of its manifest, and the numbers of the open jobs that ask for it."""

    model: Hash
    kind: str
    workload: str
    jobs: list[int]


class ModelPage(Document):
    """Of the newest jobs; `next` is the cursor of the page over the jobs before them."""

    models: list[ModelDocument]
    next: int | None


@router.get("")
def list_models(
    context: Context,
    cursor: Annotated[int | None, Query(ge=0, le=MAX_INTEGER)] = None,
    limit: Annotated[int, Query(ge=1, le=200, description="jobs to look at")] = 50,
) -> ModelPage:
    """Models that open jobs ask for, by the jobs' specifications."""
    with context.database.read() as session:
        rows = jobs.page(session, cursor, limit + 1, None)
    models = [
        ModelDocument(
            model=found.specification.model,
            kind=found.specification.kind,
            workload=found.specification.workload,
            jobs=found.jobs,
        )
        for found in requested_models(rows[:limit], context.evidence)
    ]
    return ModelPage(models=models, next=rows[limit - 1].id if len(rows) > limit else None)
