"""Which workloads this version can run, and how a job's specification leads to one."""

from collections.abc import Callable
from typing import Any

from verifier.models.errors import ModelError
from verifier.models.store import ModelStore
from verifier.models.task import Task
from verifier.node.specification import Specification
from verifier.node.workbench import UnsuitableJobError
from verifier.workloads import toploc_text
from verifier.workloads.encoding import Classification, Embedding
from verifier.workloads.image_generation import ImageGeneration
from verifier.workloads.text_generation import TextGeneration
from verifier.workloads.toploc_text import ToplocTextGeneration
from verifier.workloads.workload import Workload


def load_workload(models: ModelStore, specification: Specification) -> Workload[Any, Any]:
    """The specified workload with its model. Raises `UnsuitableJobError`."""
    load = _LOADERS.get(specification.workload) if specification.kind == "inference" else None
    if load is None:
        raise UnsuitableJobError(
            f"The job asks for {specification.kind} by {specification.workload}, which this version cannot run."
        )
    try:
        return load(models, specification.model)
    except ModelError as error:
        raise UnsuitableJobError(f"The job's model cannot be used: {error}.") from error


def _text_generation(models: ModelStore, model: bytes) -> TextGeneration:
    registered = models.load(model)
    if registered.manifest.profile().toploc is not None:
        raise ModelError(f"its bands are those of TOPLOC; order {toploc_text.NAME}, or calibrate without --toploc")
    return TextGeneration(registered)


_LOADERS: dict[str, Callable[[ModelStore, bytes], Workload[Any, Any]]] = {
    Task.TEXT: _text_generation,
    toploc_text.NAME: lambda models, model: ToplocTextGeneration(models.load(model)),
    Task.EMBEDDING: lambda models, model: Embedding(models.load_encoder(model)),
    Task.CLASSIFICATION: lambda models, model: Classification(models.load_encoder(model)),
    Task.IMAGE: lambda models, model: ImageGeneration(models.load_image_model(model)),
}
