"""What a valuation asks of a model: the losses of many mixtures of updates at once."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.floating[Any]]
Rows: TypeAlias = NDArray[np.int64]
Values: TypeAlias = NDArray[np.float64]

# So many models are held at once: their activations stay in the processor's cache.
CHUNK = 64


_Item = TypeVar("_Item")
_Found = TypeVar("_Found")


class Mapper(Protocol):
    """As the builtin `map`: the results of a function for each item, in their order.

    One over several machines is given functions and items that can be pickled. How the work is cut into items does not
    depend on it, so that the numbers do not either.
    """

    def __call__(self, function: Callable[[_Item], _Found], items: Iterable[_Item], /) -> Iterable[_Found]: ...


class Model(Protocol):
    """A model with the samples that it is judged on."""

    def losses(self, base: Floats, updates: Floats, mixtures: Floats) -> Floats:
        """The loss of every sample, shape (m, samples), under each of the parameters `base + mixtures @ updates`.

        base: (d,). updates: (n, d). mixtures: (m, n).
        """


class DifferentiableModel(Model, Protocol):
    """One whose loss has a gradient."""

    def gradient(self, parameters: Floats) -> Floats:
        """The gradient of the mean loss over the samples, shape (d,)."""


@dataclass(frozen=True)
class StackedModel:
    """A `Model` from any function that maps parameters, shape (m, d), to losses, shape (m, samples)."""

    evaluate: Callable[[Floats], Floats]

    def losses(self, base: Floats, updates: Floats, mixtures: Floats) -> Floats:
        """As `Model.losses`: the mixtures are formed, a chunk at a time."""
        return np.concatenate(
            [
                self.evaluate(base + mixtures[first : first + CHUNK] @ updates)
                for first in range(0, len(mixtures), CHUNK)
            ]
        )
