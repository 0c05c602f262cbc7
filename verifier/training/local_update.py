"""What a trainer does with its data in a round."""

import numpy as np

from scoring.training.models import Floats, Rows
from scoring.training.perceptron import Perceptron


def descend(
    model: Perceptron,
    parameters: Floats,
    rows: Rows,
    random: np.random.Generator,
    *,
    epochs: int = 4,
    batch: int = 16,
    rate: float = 0.2,
) -> Floats:
    """Plain stochastic gradient descent over some of the model's samples; returns the difference, shape (d,)."""
    trained = parameters.copy()
    for _ in range(epochs):
        order = random.permutation(rows)
        for first in range(0, len(order), batch):
            trained -= rate * model.on(order[first : first + batch]).gradient(trained)
    return np.asarray(trained - parameters)


def initial_parameters(model: Perceptron, seed: int) -> Floats:
    """Uniform within the inverse square root of a layer's inputs (the customary start), biases zero."""
    random = np.random.default_rng(seed)
    parts: list[Floats] = []
    for inputs, outputs in zip(model.widths, model.widths[1:], strict=False):
        limit = 1 / np.sqrt(inputs)
        parts += [random.uniform(-limit, limit, inputs * outputs), np.zeros(outputs)]
    return np.concatenate(parts)
