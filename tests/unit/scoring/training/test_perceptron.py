"""The perceptron's shortcut for mixtures against plain evaluation."""

from itertools import pairwise

import numpy as np
import pytest

from scoring.training.errors import InvalidModelError
from scoring.training.loss_scores import STEP, first_order_influence, loss_deltas
from scoring.training.models import StackedModel
from scoring.training.perceptron import Perceptron


def plain_losses(widths: tuple[int, ...], features: np.ndarray, labels: np.ndarray, stack: np.ndarray) -> np.ndarray:
    """Cross-entropy of a perceptron, one model at a time, as a textbook has it."""
    found = []
    for parameters in stack:
        values, start = features, 0
        for depth, (inputs, outputs) in enumerate(pairwise(widths)):
            matrix = parameters[start : start + inputs * outputs].reshape(outputs, inputs)
            start += inputs * outputs
            values = (np.maximum(values, 0) if depth else values) @ matrix.T + parameters[start : start + outputs]
            start += outputs
        likelihood = np.exp(values) / np.exp(values).sum(axis=1, keepdims=True)
        found.append(-np.log(likelihood[np.arange(len(labels)), labels]))
    return np.array(found)


@pytest.mark.parametrize("widths", [(5, 3), (5, 4, 3), (5, 7, 4, 3)])
def test_losses__any_depth__as_plain_evaluation(widths: tuple[int, ...]) -> None:
    random = np.random.default_rng(0)
    features, labels = random.standard_normal((11, 5)), random.integers(0, 3, 11)
    model = Perceptron(widths, features, labels)
    plain = StackedModel(lambda stack: plain_losses(widths, features, labels, stack))
    base, updates = random.standard_normal(model.size), random.standard_normal((4, model.size))
    mixtures = random.random((70, 4))
    assert model.losses(base, updates, mixtures) == pytest.approx(plain.losses(base, updates, mixtures), abs=1e-12)


@pytest.mark.parametrize("widths", [(5, 3), (5, 4, 3), (5, 7, 4, 3)])
def test_gradient__any_depth__as_differences(widths: tuple[int, ...]) -> None:
    random = np.random.default_rng(1)
    model = Perceptron(widths, random.standard_normal((11, 5)), random.integers(0, 3, 11))
    base, step = random.standard_normal(model.size), 1e-6
    losses = model.losses(base, np.eye(model.size), step * np.concatenate([np.eye(model.size), -np.eye(model.size)]))
    up, down = losses.mean(axis=1).reshape(2, -1)
    assert model.gradient(base) == pytest.approx((up - down) / (2 * step), abs=1e-7)


def test_first_order_influence__short_updates__what_they_do_to_the_loss() -> None:
    random = np.random.default_rng(2)
    model = Perceptron((5, 4, 3), random.standard_normal((40, 5)), random.integers(0, 3, 40))
    base, updates = random.standard_normal(model.size), 1e-5 * random.standard_normal((6, model.size))
    told = first_order_influence(model.gradient(base), updates)
    assert STEP * told == pytest.approx(loss_deltas(model, base, updates).mean(axis=1), rel=1e-3, abs=1e-9)


def test_on__some_rows__their_losses() -> None:
    random = np.random.default_rng(3)
    model = Perceptron((5, 4, 3), random.standard_normal((9, 5)), random.integers(0, 3, 9))
    base, nothing = random.standard_normal(model.size), np.zeros((1, 1))
    rows = np.array([7, 2])
    everywhere = model.losses(base, np.zeros((1, model.size)), nothing)
    assert model.on(rows).losses(base, np.zeros((1, model.size)), nothing) == pytest.approx(everywhere[:, rows])


@pytest.mark.parametrize(
    ("widths", "features", "labels"),
    [
        ((5,), (4, 5), [0, 0, 0, 0]),
        ((5, 2), (4, 6), [0, 0, 0, 0]),
        ((5, 2), (4, 5), [0, 0, 0]),
        ((5, 2), (4, 5), [0, 0, 0, 2]),
        ((5, 2), (4, 5), [0, 0, 0, -1]),
        ((5, 2), (0, 5), []),
    ],
)
def test_perceptron__unfitting_data__refused(
    widths: tuple[int, ...], features: tuple[int, int], labels: list[int]
) -> None:
    with pytest.raises(InvalidModelError):
        Perceptron(widths, np.zeros(features), np.array(labels, dtype=np.int64))


def test_losses__unfitting_parameters__refused() -> None:
    model = Perceptron((2, 2), np.zeros((1, 2)), np.zeros(1, dtype=np.int64))
    with pytest.raises(InvalidModelError, match="6 numbers"):
        model.losses(np.zeros(5), np.zeros((1, 5)), np.zeros((1, 1)))
