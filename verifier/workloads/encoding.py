"""Embedding and classification with a registered encoder: a sequence of tokens gives one row of numbers."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from verifier.models.answers import Answers, choice_margins, value_margins
from verifier.models.encoder import Encoder, encode
from verifier.models.errors import ModelError
from verifier.models.store import Registered
from verifier.workloads.errors import MalformedEvidenceError
from verifier.workloads.single_pass import SinglePass
from verifier.workloads.strict_json import base64_bytes, check_keys, integer, tokens

# A token takes at most seven bytes of JSON, six digits and a comma; a float32 less than six in base64.
_BYTES_BY_NUMBER = 7

Output = TypeVar("Output")


@dataclass(frozen=True)
class EncodingRequest:
    """The sequence to encode."""

    tokens: tuple[int, ...]


class _Encoding(SinglePass[EncodingRequest, Output]):
    FORMAT = "merit-encoding/1"

    def __init__(self, registered: Registered[Encoder]) -> None:
        self.model = registered.model
        super().__init__(registered.manifest, _BYTES_BY_NUMBER * (self.model.context + self.model.columns))

    def _answers(self, requests: Sequence[EncodingRequest]) -> Answers:
        return encode(self.model, [request.tokens for request in requests])

    def _read_request(self, value: Any) -> EncodingRequest:
        check_keys(value, {"tokens"})
        return EncodingRequest(tokens(value["tokens"], self.model.context, self.model.vocabulary))


class Embedding(_Encoding[bytes]):
    """Serves the row itself: its values as little-endian float32."""

    def served(self, values: NDArray[np.float32]) -> bytes:
        return values.astype("<f4").tobytes()

    def _margins(self, own: NDArray[np.float32], output: bytes) -> NDArray[np.float64]:
        return value_margins(own, np.frombuffer(output, dtype="<f4"))

    def _written(self, output: bytes) -> str:
        return base64.b64encode(output).decode()

    def _read(self, value: Any) -> bytes:
        output = base64_bytes(value, 4 * self.model.columns)
        if not np.isfinite(np.frombuffer(output, dtype="<f4")).all():
            raise MalformedEvidenceError("an embedding's values are finite")
        return output


class Classification(_Encoding[int]):
    """Serves the most likely label. Its trace holds the embedding too: with few labels, logits alone tell little."""

    def __init__(self, registered: Registered[Encoder]) -> None:
        if not registered.model.labels:
            raise ModelError("the model has no labels; name a classifier, or order its embeddings")
        super().__init__(registered)

    def served(self, values: NDArray[np.float32]) -> int:
        return int(values.argmax())

    def _margins(self, own: NDArray[np.float32], output: int) -> NDArray[np.float64]:
        return choice_margins(own, output)

    def _written(self, output: int) -> int:
        return output

    def _read(self, value: Any) -> int:
        return integer(value, self.model.labels - 1)
