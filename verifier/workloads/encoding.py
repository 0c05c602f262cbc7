"""Embedding and classification with a registered encoder: a sequence of tokens gives one row of numbers."""

import base64
from abc import ABC, abstractmethod
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from chain.contribution import canonical_json
from verifier.fingerprint.trace import Trace
from verifier.models.encoder import encode, label_margins, value_margins
from verifier.models.errors import ModelError
from verifier.models.profile import Profile
from verifier.models.store import RegisteredEncoder
from verifier.workloads.errors import MalformedEvidenceError
from verifier.workloads.strict_json import check_keys, integer, parse, tokens
from verifier.workloads.workload import Rerun, Run

FORMAT = "merit-encoding/1"
# A token takes at most seven bytes of JSON, six digits and a comma; a float32 less than six in base64.
_BYTES_BY_NUMBER = 7
_BYTES_BESIDES = 512

Tokens = tuple[int, ...]
Row = NDArray[np.float32]
Output = TypeVar("Output")


class _Encoding(ABC, Generic[Output]):
    """A `Workload` whose request is a sequence of tokens and whose trace is the one row that the model gives for it."""

    def __init__(self, registered: RegisteredEncoder) -> None:
        self.model = registered.model
        self.profile: Profile = registered.manifest.profile()
        self._identity = registered.manifest.identity.hex()

    def run(self, request: Tokens) -> Run[Output]:
        """Raises MalformedEvidenceError for a sequence that the model cannot take."""
        row = self._row(request)
        return Run(self._output(row), Trace(row[None], self.profile.lattice.chunk_rows))

    def rerun(self, request: Tokens, output: Output) -> Rerun:
        """One forward pass. Raises MalformedEvidenceError for a sequence that the model cannot take."""
        row = self._row(request)
        margins, limits = self._margins(row, output), self.profile.margins
        trace = Trace(row[None], self.profile.lattice.chunk_rows)
        if limits.consistent(margins):
            return Rerun(trace, None)
        return Rerun(
            trace,
            f"the output is not that of the registered model: it is off by {margins.mean():.4g} on average "
            f"(limit {limits.mean:.4g}) and by up to {margins.max():.4g} (limit {limits.peak:.4g})",
        )

    def write_evidence(self, request: Tokens, output: Output) -> bytes:
        document = {"format": FORMAT, "input": list(request), "model": self._identity, "output": self._written(output)}
        return canonical_json(document)

    def read_evidence(self, data: bytes) -> tuple[Tokens, Output]:
        document = parse(data, _BYTES_BY_NUMBER * (self.model.context + self.model.columns) + _BYTES_BESIDES)
        check_keys(document, {"format", "input", "model", "output"})
        if document["format"] != FORMAT or document["model"] != self._identity:
            raise MalformedEvidenceError(f"it is not for model {self._identity} in format {FORMAT}")
        request = tokens(document["input"], self.model.context, self.model.vocabulary)
        output = self._read(document["output"])
        if self.write_evidence(request, output) != data:
            raise MalformedEvidenceError("it is not in canonical form")
        return request, output

    def _row(self, request: Tokens) -> Row:
        tokens(list(request), self.model.context, self.model.vocabulary)
        return np.asarray(encode(self.model, [request])[0], dtype=np.float32)

    @abstractmethod
    def _output(self, row: Row) -> Output:
        """What is served of a row (columns,)."""

    @abstractmethod
    def _margins(self, row: Row, output: Output) -> NDArray[np.float64]:
        """How far what was served is from the verifier's row."""

    @abstractmethod
    def _written(self, output: Output) -> str | int:
        """An output as JSON."""

    @abstractmethod
    def _read(self, value: Any) -> Output:
        """An output from JSON. Raises MalformedEvidenceError."""


class Embedding(_Encoding[bytes]):
    """Serves the row itself: its values as little-endian float32."""

    def _output(self, row: Row) -> bytes:
        return row.astype("<f4").tobytes()

    def _margins(self, row: Row, output: bytes) -> NDArray[np.float64]:
        return value_margins(row, np.frombuffer(output, dtype="<f4"))

    def _written(self, output: bytes) -> str:
        return base64.b64encode(output).decode()

    def _read(self, value: Any) -> bytes:
        try:
            output = base64.b64decode(value, validate=True)
        except (TypeError, ValueError):
            raise MalformedEvidenceError("an embedding is a string in base64") from None
        values = np.frombuffer(output, dtype="<f4", count=len(output) // 4)
        if len(output) != 4 * self.model.columns or not np.isfinite(values).all():
            raise MalformedEvidenceError(f"an embedding has {self.model.columns} finite float32 values")
        return output


class Classification(_Encoding[int]):
    """Serves the most likely label. Its trace holds the embedding too: with few labels, logits alone tell little."""

    def __init__(self, registered: RegisteredEncoder) -> None:
        if not registered.model.labels:
            raise ModelError("the model has no labels; name a classifier, or order its embeddings")
        super().__init__(registered)

    def _output(self, row: Row) -> int:
        return int(row[-self.model.labels :].argmax())

    def _margins(self, row: Row, output: int) -> NDArray[np.float64]:
        return label_margins(self.model, row, output)

    def _written(self, output: int) -> int:
        return output

    def _read(self, value: Any) -> int:
        return integer(value, self.model.labels - 1)
