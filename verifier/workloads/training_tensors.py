"""Tensors of training as safetensors blocks: parameters, data and updates, whole or compressed. Never pickles."""

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from scoring.training.models import Floats, Rows
from verifier.workloads.errors import MalformedEvidenceError

_LEVELS = 127


def write_parameters(parameters: Floats) -> bytes:
    """Parameters, shape (d,), in single precision."""
    return save({"parameters": parameters.astype(np.float32)})


def read_parameters(block: bytes, size: int) -> Floats:
    """Double precision, shape (size,). Raises MalformedEvidenceError."""
    return _vector(_tensors(block, {"parameters"})["parameters"], np.float32, size)


def write_data(features: Floats, labels: Rows) -> bytes:
    """Features, shape (samples, inputs), in single precision, and labels, shape (samples,)."""
    return save({"features": features.astype(np.float32), "labels": labels.astype(np.int64)})


def read_data(block: bytes) -> tuple[Floats, Rows]:
    """Features in double precision and labels; their fit is the model's to check. Raises MalformedEvidenceError."""
    tensors = _tensors(block, {"features", "labels"})
    features, labels = tensors["features"], tensors["labels"]
    if features.dtype != np.float32 or features.ndim != 2 or not np.isfinite(features).all():
        raise MalformedEvidenceError("features are finite single-precision numbers in rows")
    if labels.dtype != np.int64 or labels.shape != features.shape[:1]:
        raise MalformedEvidenceError("labels are whole numbers, one for each row of features")
    return features.astype(np.float64), labels


def write_tokens(tokens: Rows) -> bytes:
    """Texts as tokens, shape (samples, length)."""
    return save({"tokens": tokens.astype(np.int32)})


def read_tokens(block: bytes, length: int, vocabulary: int) -> Rows:
    """Texts of `length` tokens below `vocabulary`, shape (samples, length). Raises MalformedEvidenceError."""
    tokens = _tensors(block, {"tokens"})["tokens"]
    if tokens.dtype != np.int32 or tokens.ndim != 2 or tokens.shape[1] != length or not len(tokens):
        raise MalformedEvidenceError(f"expected one text or more, in rows of {length} 32-bit tokens")
    if tokens.min() < 0 or tokens.max() >= vocabulary:
        raise MalformedEvidenceError(f"tokens are from 0 to {vocabulary - 1}")
    return tokens.astype(np.int64)


def write_update(delta: Floats, kept: float = 1.0) -> bytes:
    """An update, shape (d,), whole in single precision; or, if only a fraction is `kept`, its largest values.

    What is kept is written as signed bytes, in units of the largest of them over 127.
    """
    if kept >= 1:
        return save({"delta": delta.astype(np.float32)})
    count = max(1, int(kept * delta.size))
    places = np.sort(np.argsort(-np.abs(delta), kind="stable")[:count])
    scale = float(np.abs(delta).max()) / _LEVELS or 1.0
    levels = np.rint(delta[places] / scale).astype(np.int8)
    return save({"levels": levels, "places": places.astype(np.int64), "scale": np.array([scale], np.float32)})


def read_update(block: bytes, size: int) -> Floats:
    """Either form, in double precision, shape (size,); not necessarily finite. Raises MalformedEvidenceError."""
    tensors = _tensors(block, None)
    if set(tensors) == {"delta"}:
        return _vector(tensors["delta"], np.float32, size)
    if set(tensors) != {"levels", "places", "scale"}:
        raise MalformedEvidenceError("an update is one tensor, or levels, places and a scale")
    levels, places, scale = tensors["levels"], tensors["places"], tensors["scale"]
    if places.dtype != np.int64 or places.ndim != 1 or not 1 <= len(places) <= size:
        raise MalformedEvidenceError("places are whole numbers, at most as many as there are parameters")
    if places[0] < 0 or places[-1] >= size or (np.diff(places) <= 0).any():
        raise MalformedEvidenceError("places rise, each within the parameters")
    found = np.zeros(size)
    found[places] = _vector(levels, np.int8, len(places)) * _vector(scale, np.float32, 1)
    return found


def _tensors(block: bytes, names: set[str] | None) -> dict[str, np.ndarray]:
    try:
        tensors: dict[str, np.ndarray] = load(block)
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise MalformedEvidenceError("it is not a block of safetensors") from error
    if names is not None and set(tensors) != names:
        raise MalformedEvidenceError(f"expected the tensors {', '.join(sorted(names))}")
    return tensors


def _vector(tensor: np.ndarray, kind: type, size: int) -> Floats:
    if tensor.dtype != kind or tensor.shape != (size,):
        raise MalformedEvidenceError(f"expected a {np.dtype(kind)} tensor of {size} numbers")
    return tensor.astype(np.float64)
