"""A multi-layer perceptron with cross-entropy loss, whose first layer is evaluated for all mixtures at once."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from scoring.training.errors import InvalidModelError
from scoring.training.models import CHUNK, Floats, Rows


class Perceptron:
    """A `Model`: fully connected layers with ReLU between them, and the samples that it is judged on.

    Parameters are one vector: for each layer its matrix, shape (outputs, inputs), row by row, and then its biases.
    The arithmetic is done in the type of the features and parameters that are given.
    """

    def __init__(self, widths: Sequence[int], features: Floats, labels: Rows) -> None:
        """widths: inputs, hidden layers, classes. features: (samples, inputs). labels: (samples,), below classes.

        Raises InvalidModelError.
        """
        if len(widths) < 2 or min(widths) < 1:
            raise InvalidModelError("a perceptron has an input and an output, each at least one wide")
        if features.ndim != 2 or features.shape[1] != widths[0] or labels.shape != features.shape[:1]:
            raise InvalidModelError(f"expected samples of {widths[0]} features, with a label each")
        if labels.size == 0 or labels.min() < 0 or labels.max() >= widths[-1]:
            raise InvalidModelError(f"expected one sample or more, with labels from 0 to {widths[-1] - 1}")
        self.widths = tuple(widths)
        self.size = sum((inputs + 1) * outputs for inputs, outputs in pairwise(widths))
        self._features, self._labels = np.ascontiguousarray(features.T), labels

    @property
    def features(self) -> Floats:
        """Of the samples that it is judged on, shape (samples, inputs)."""
        return self._features.T

    @property
    def labels(self) -> Rows:
        """Of the samples that it is judged on, shape (samples,)."""
        return self._labels

    @property
    def samples(self) -> int:
        """How many it is judged on."""
        return self._labels.size

    def on(self, rows: Rows) -> "Perceptron":
        """The same model, judged on some of the samples."""
        return Perceptron(self.widths, self.features[rows], self._labels[rows])

    def losses(self, base: Floats, updates: Floats, mixtures: Floats) -> Floats:
        """As `Model.losses`.

        The first layer is linear in its parameters, so it is evaluated once for the base and each update, and mixed
        afterwards: `X W(mixture) = X W + sum of a_i X U_i`.
        """
        self._check(base, updates)
        hidden, samples = self.widths[1], self._labels.size
        split = (self.widths[0] + 1) * hidden
        of_base = self._first(base[None, :split])[0]
        of_updates = self._first(updates[:, :split]).reshape(len(updates), -1)
        found = np.empty((len(mixtures), samples), dtype=of_base.dtype)
        for first in range(0, len(mixtures), CHUNK):
            chunk = mixtures[first : first + CHUNK]
            outputs = (chunk @ of_updates).reshape(len(chunk), hidden, samples)
            outputs += of_base
            for matrix, bias in self._layers(base[split:] + chunk @ updates[:, split:]):
                np.maximum(outputs, 0, out=outputs)
                outputs = matrix @ outputs
                outputs += bias
            found[first : first + CHUNK] = self._cross_entropy(outputs)
        return found

    def gradient(self, parameters: Floats) -> Floats:
        """The gradient of the mean loss, shape (d,)."""
        self._check(parameters, parameters[None])
        split = (self.widths[0] + 1) * self.widths[1]
        tail = [(matrix[0], bias[0]) for matrix, bias in self._layers(parameters[None, split:])]
        inputs, outputs = [self._features], self._first(parameters[None, :split])[0]
        for matrix, bias in tail:
            inputs.append(np.maximum(outputs, 0))
            outputs = matrix @ inputs[-1] + bias
        back = np.exp(outputs - outputs.max(axis=0))
        back /= back.sum(axis=0)
        back[self._labels, np.arange(self._labels.size)] -= 1
        back /= self._labels.size
        parts: list[Floats] = []
        for depth in reversed(range(len(inputs))):
            parts += [back.sum(axis=1), (back @ inputs[depth].T).ravel()]
            if depth:
                back = (tail[depth - 1][0].T @ back) * (inputs[depth] > 0)
        return np.concatenate(parts[::-1])

    def predictions(self, parameters: Floats) -> Rows:
        """The most likely class of each sample, shape (samples,)."""
        split = (self.widths[0] + 1) * self.widths[1]
        outputs = self._first(parameters[None, :split])
        for matrix, bias in self._layers(parameters[None, split:]):
            outputs = matrix @ np.maximum(outputs, 0) + bias
        return np.asarray(outputs[0].argmax(axis=0), dtype=np.int64)

    def _check(self, base: Floats, updates: Floats) -> None:
        if base.shape != (self.size,) or updates.ndim != 2 or updates.shape[1] != self.size:
            raise InvalidModelError(f"expected parameters and updates of {self.size} numbers")

    def _first(self, parameters: Floats) -> Floats:
        """Outputs of the first layer, shape (m, hidden, samples)."""
        outputs, inputs = self.widths[1], self.widths[0]
        matrix = parameters[:, : outputs * inputs].reshape(-1, inputs)
        found = (matrix @ self._features).reshape(len(parameters), outputs, -1)
        return np.asarray(found + parameters[:, outputs * inputs :, None])

    def _layers(self, parameters: Floats) -> list[tuple[Floats, Floats]]:
        """Matrices (m, outputs, inputs) and biases (m, outputs, 1) of the layers after the first."""
        layers, start = [], 0
        for inputs, outputs in pairwise(self.widths[1:]):
            middle, end = start + outputs * inputs, start + outputs * (inputs + 1)
            matrix = parameters[:, start:middle].reshape(-1, outputs, inputs)
            layers.append((matrix, parameters[:, middle:end, None]))
            start = end
        return layers

    def _cross_entropy(self, outputs: Floats) -> Floats:
        """`log(sum of exp(outputs)) - output of the label`, shape (m, samples)."""
        largest = outputs.max(axis=1)
        outputs = outputs - largest[:, None]
        right = outputs[:, self._labels, np.arange(self._labels.size)]
        return np.asarray(np.log(np.exp(outputs, out=outputs).sum(axis=1)) - right)
