"""What each update of a round of federated training is worth, what it is paid, and what all of them make together."""

from scoring.training.errors import TrainingError
from scoring.training.filters import Refusal
from scoring.training.models import Model, StackedModel
from scoring.training.payout import payout
from scoring.training.perceptron import Perceptron
from scoring.training.rounds import Update, Valuation, value_round
from scoring.training.shapley import kernel_shapley

__all__ = [
    "Model",
    "Perceptron",
    "Refusal",
    "StackedModel",
    "TrainingError",
    "Update",
    "Valuation",
    "kernel_shapley",
    "payout",
    "value_round",
]
