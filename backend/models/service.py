"""The models that jobs ask for, from the jobs' specifications."""

from collections.abc import Sequence
from dataclasses import dataclass

from backend.evidence.store import EvidenceStore
from backend.indexer.models import Job
from chain.contribution import MalformedRecordError
from verifier.node.specification import Specification


@dataclass(frozen=True)
class RequestedModel:
    """A model, by the SHA-256 digest of its manifest, for one kind of work; `jobs` are numbers."""

    specification: Specification
    jobs: list[int]


def requested_models(jobs: Sequence[Job], store: EvidenceStore) -> list[RequestedModel]:
    """Of open jobs, in their order. Jobs whose specification is not here, or not one, are left out."""
    found: dict[Specification, RequestedModel] = {}
    for job in jobs:
        specification = None if job.closed else _specification(job, store)
        if specification is not None:
            found.setdefault(specification, RequestedModel(specification, [])).jobs.append(job.id)
    return list(found.values())


def _specification(job: Job, store: EvidenceStore) -> Specification | None:
    digest = job.terms.get("specification")
    block = store.get(bytes.fromhex(digest[2:])) if digest is not None else None
    try:
        return Specification.from_block(block) if block is not None else None
    except MalformedRecordError:
        return None
