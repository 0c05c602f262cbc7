"""A model small enough to train within a test run, and its cheap stand-ins."""

import pytest
import torch

from verifier.models.calibration import CalibrationTerms
from verifier.models.demonstration import DemonstrationModels, DemonstrationSizes, demonstration_models
from verifier.models.gpt import GptArchitecture
from verifier.models.training import Recipe
from verifier.workloads.text_generation import TextGeneration

SIZES = DemonstrationSizes(
    recipe=Recipe(GptArchitecture(context=96, columns=64, layers=2), steps=150),
    small_recipe=Recipe(GptArchitecture(context=96, columns=64, layers=1), steps=40),
    requests=80,
    terms=CalibrationTerms(false_alarm=0.025, words=2, batches=(1, 16), threads=(1,)),
)


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> DemonstrationModels:
    """Trained and calibrated once in a test session: every folder's fixture finds the same directory."""
    torch.set_num_threads(1)
    return demonstration_models(tmp_path_factory.getbasetemp() / "demonstration-models", SIZES)


@pytest.fixture(scope="session")
def workload(models: DemonstrationModels) -> TextGeneration:
    return TextGeneration(models.registered)
