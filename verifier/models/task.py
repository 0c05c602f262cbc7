"""What models are registered for."""

from enum import StrEnum


class Task(StrEnum):
    """The value names the workload of a job's specification."""

    TEXT = "text-generation"
    EMBEDDING = "embedding"
    CLASSIFICATION = "classification"
    IMAGE = "image-generation"
