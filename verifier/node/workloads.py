"""Which workloads this version can run, and how a job's specification leads to one."""

from typing import Any

from verifier.models.errors import ModelError
from verifier.models.store import ModelStore
from verifier.node.specification import Specification
from verifier.node.workbench import UnsuitableJobError
from verifier.workloads.text_generation import TextGeneration
from verifier.workloads.workload import Workload


def load_workload(models: ModelStore, specification: Specification) -> Workload[Any, Any]:
    """The specified workload with its model. Raises `UnsuitableJobError`."""
    if (specification.kind, specification.workload) != ("inference", "text-generation"):
        raise UnsuitableJobError(
            f"The job asks for {specification.kind} by {specification.workload}, which this version cannot run."
        )
    try:
        return TextGeneration(models.load(specification.model))
    except ModelError as error:
        raise UnsuitableJobError(f"The job's model cannot be used: {error}.") from error
