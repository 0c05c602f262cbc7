"""What models that answer by one row of numbers give, and how far what was served is from what a verifier computes."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.float32]


@dataclass(frozen=True)
class Answers:
    """Of n requests: the rows that are fingerprinted, float32 (n, columns), and what is served, float32 (n, values)."""

    traced: Rows
    served: Rows


def value_margins(own: NDArray[np.float32], served: NDArray[np.float32]) -> NDArray[np.float64]:
    """How far each served value is from the verifier's own, both (values,), >= 0."""
    return np.asarray(np.abs(own.astype(np.float64) - served))


def choice_margins(own: NDArray[np.float32], choice: int) -> NDArray[np.float64]:
    """How far the value at `choice` is below the largest of the verifier's own (values,), of shape (1,), >= 0."""
    values = own.astype(np.float64)
    return np.array([values.max() - values[choice]])
