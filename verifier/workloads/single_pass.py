"""Work whose answer to a request is one row of numbers, and what is served of it: the parts that all of it shares."""

import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from chain.contribution import canonical_json
from verifier.fingerprint.trace import Trace
from verifier.models.answers import Answers
from verifier.models.manifest import Manifest
from verifier.models.profile import Profile
from verifier.workloads.errors import MalformedEvidenceError
from verifier.workloads.strict_json import check_keys, parse
from verifier.workloads.workload import Rerun, Run

Request = TypeVar("Request")
Output = TypeVar("Output")
_BYTES_BESIDES = 512


class SinglePass(ABC, Generic[Request, Output]):
    """A `Workload` whose request is a dataclass and whose trace is the one row that the model gives for it."""

    FORMAT: ClassVar[str]

    def __init__(self, manifest: Manifest, largest: int) -> None:
        """largest: bytes of the JSON of a request and its output."""
        self.manifest = manifest
        self.profile: Profile = manifest.profile()
        self._identity = manifest.identity.hex()
        self._largest = largest + _BYTES_BESIDES

    def run(self, request: Request) -> Run[Output]:
        """Raises MalformedEvidenceError for a request that the model cannot take."""
        answers = self._checked_answers([request])
        return Run(self.served(answers.served[0]), Trace(answers.traced, self.profile.lattice.chunk_rows))

    def rerun(self, works: Sequence[tuple[Request, Output]]) -> list[Rerun]:
        """One batch of forward passes. Raises MalformedEvidenceError for a request that the model cannot take."""
        answers, limits = self._checked_answers([request for request, _ in works]), self.profile.margins
        reruns = []
        for row, own, (_, output) in zip(answers.traced, answers.served, works, strict=True):
            margins = self._margins(own, output)
            inconsistency = None
            if not limits.consistent(margins):
                inconsistency = (
                    f"the output is not that of the registered model: it is off by {margins.mean():.4g} on average "
                    f"(limit {limits.mean:.4g}) and by up to {margins.max():.4g} (limit {limits.peak:.4g})"
                )
            reruns.append(Rerun(Trace(row[None], self.profile.lattice.chunk_rows), inconsistency))
        return reruns

    def write_evidence(self, request: Request, output: Output) -> bytes:
        document = {
            "format": self.FORMAT,
            "model": self._identity,
            "output": self._written(output),
            "request": asdict(request),  # type: ignore[call-overload]  # a request is a dataclass
        }
        return canonical_json(document)

    def read_evidence(self, data: bytes) -> tuple[Request, Output]:
        document = parse(data, self._largest)
        check_keys(document, {"format", "model", "output", "request"})
        if document["format"] != self.FORMAT or document["model"] != self._identity:
            raise MalformedEvidenceError(f"it is not for model {self._identity} in format {self.FORMAT}")
        request, output = self._read_request(document["request"]), self._read(document["output"])
        if self.write_evidence(request, output) != data:
            raise MalformedEvidenceError("it is not in canonical form")
        return request, output

    def _checked_answers(self, requests: Sequence[Request]) -> Answers:
        for request in requests:
            self._read_request(json.loads(canonical_json(asdict(request))))  # type: ignore[call-overload]  # as above
        return self._answers(requests)

    @abstractmethod
    def served(self, values: NDArray[np.float32]) -> Output:
        """The output that the values (n,) of an answer are served as."""

    @abstractmethod
    def _answers(self, requests: Sequence[Request]) -> Answers:
        """The model's, to requests that it can take."""

    @abstractmethod
    def _margins(self, own: NDArray[np.float32], output: Output) -> NDArray[np.float64]:
        """How far what was served is from the verifier's own values."""

    @abstractmethod
    def _read_request(self, value: Any) -> Request:
        """A request from JSON. Raises MalformedEvidenceError unless the model can take it."""

    @abstractmethod
    def _written(self, output: Output) -> str | int:
        """An output as JSON."""

    @abstractmethod
    def _read(self, value: Any) -> Output:
        """An output from JSON. Raises MalformedEvidenceError."""
