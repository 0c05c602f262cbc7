"""The interface of a kind of work that can be run again."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from verifier.fingerprint.trace import Trace, TraceShape
from verifier.models.profile import Profile

Request = TypeVar("Request")
Output = TypeVar("Output")


@dataclass(frozen=True)
class Run(Generic[Output]):
    """What a provider makes of a request: the output it serves and the trace it commits to."""

    output: Output
    trace: Trace


@dataclass(frozen=True)
class Rerun:
    """What a verifier sees: its own trace of the output served and, if that is not the model's output, why.

    doubt: why the output may neither be paid nor slashed.
    committed: shape of what an honest contributor has committed to, where that is not a trace like the verifier's.
    """

    trace: Trace
    inconsistency: str | None
    doubt: str | None = None
    committed: TraceShape | None = None


class Workload(Protocol[Request, Output]):
    """One registered model doing one kind of work."""

    @property
    def profile(self) -> Profile:
        """How its traces are digested and judged."""

    def run(self, request: Request) -> Run[Output]:
        """Does the work."""

    def rerun(self, works: Sequence[tuple[Request, Output]]) -> list[Rerun]:
        """Does a batch of work again on the outputs that were served, and says which are consistent with it."""

    def write_evidence(self, request: Request, output: Output) -> bytes:
        """The one canonical form of a request and its output, which is stored under its content hash."""

    def read_evidence(self, data: bytes) -> tuple[Request, Output]:
        """Parses a stranger's bytes. Raises MalformedEvidenceError unless they are canonical and within bounds."""
