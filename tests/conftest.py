"""What all tests share: logs that end with the test that set them up, and a model small enough to train meanwhile."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
import structlog

if TYPE_CHECKING:
    from verifier.models.demonstration import DemonstrationModels
    from verifier.workloads.text_generation import TextGeneration


@pytest.fixture(autouse=True)
def _logs() -> Iterator[None]:
    """A program that a test runs in this process configures the logs, for a stream that is closed behind it."""
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> "DemonstrationModels":
    """Trained and calibrated once in a test session. Tests that need no model do not pay for importing torch."""
    import torch  # noqa: PLC0415

    from verifier.models.calibration import CalibrationTerms  # noqa: PLC0415
    from verifier.models.demonstration import DemonstrationSizes, demonstration_models  # noqa: PLC0415
    from verifier.models.gpt import GptArchitecture  # noqa: PLC0415
    from verifier.models.training import Recipe  # noqa: PLC0415

    sizes = DemonstrationSizes(
        recipe=Recipe(GptArchitecture(context=96, columns=64, layers=2), steps=150),
        small_recipe=Recipe(GptArchitecture(context=96, columns=64, layers=1), steps=40),
        requests=80,
        terms=CalibrationTerms(false_alarm=0.025, words=2, batches=(1, 16), threads=(1,)),
    )
    torch.set_num_threads(1)
    return demonstration_models(tmp_path_factory.getbasetemp() / "demonstration-models", sizes)


@pytest.fixture(scope="session")
def workload(models: "DemonstrationModels") -> "TextGeneration":
    """The registered model at work."""
    from verifier.workloads.text_generation import TextGeneration  # noqa: PLC0415

    return TextGeneration(models.registered)
