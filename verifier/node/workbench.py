"""Where strangers' work is run again: the registered models, and what is asked of them."""

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from numpy.typing import NDArray

from chain.errors import MeritError
from verifier.fingerprint.consensus import Verdict
from verifier.fingerprint.trace import TraceShape
from verifier.node.journal import CommittedTrace
from verifier.node.specification import Specification
from verifier.shared.blocks import Fetch
from verifier.workloads.audit import Disclosure as LeafDisclosure
from verifier.workloads.audit import audit_leaves, opens_commitment
from verifier.workloads.workload import Workload

# Models in memory at a time: jobs name them, and there are as many jobs as anybody opens.
MOST_LOADED = 2


class UnsuitableJobError(MeritError):
    """A job whose specification cannot be worked by here: an unknown workload, or a model that is not registered."""


@dataclass(frozen=True)
class LeafFinding:
    """What running one leaf again said. `rows`: of the trace that an honest contributor holds, 0 if there is none."""

    verdict: Verdict
    digest: tuple[int, ...]
    rows: int
    reason: str


@dataclass(frozen=True)
class OpeningClaim:
    """A disclosed digest, and the bytes that are said to open the committed trace under `key`."""

    trace: CommittedTrace
    key: bytes
    digest: tuple[int, ...]
    opening: bytes


class BatchResult(Protocol):
    """What a batch of SHARED work comes to. traces: for positions in it, what is fingerprinted, shape (1, columns)."""

    @property
    def payload(self) -> bytes:
        """What the court is to adopt."""

    @property
    def traces(self) -> Mapping[int, NDArray[Any]]:
        """By position."""


@dataclass(frozen=True)
class BatchFinding:
    """A `BatchResult` with nothing else to it."""

    payload: bytes
    traces: Mapping[int, NDArray[Any]]


class Workbench(Protocol):
    """Every call with a specification raises `UnsuitableJobError` for one that cannot be worked by."""

    def words(self, specification: Specification) -> int:
        """Words in a digest of the specified model."""

    def examine(self, specification: Specification, works: Sequence[tuple[bytes, bytes]]) -> list[LeafFinding]:
        """Run each pair of work and 32-byte key again."""

    def opened(self, specification: Specification, claims: Sequence[OpeningClaim]) -> list[bool]:
        """Whether each claim's opening opens its trace and has its digest."""

    def work_out(self, work: Callable[[Fetch], BatchResult], fetch: Fetch) -> BatchFinding:
        """Call `work`, which another process can be sent. Raises what `fetch` raises.

        And MalformedEvidenceError, MalformedRecordError and UnavailableBlockError where `work` does.
        """


class LocalWorkbench:
    """A `Workbench` in this process. What `load` gave for the specifications that were asked for last is kept."""

    def __init__(self, load: Callable[[Specification], Workload[Any, Any]]) -> None:
        self._load = load
        self._loaded: OrderedDict[Specification, Workload[Any, Any]] = OrderedDict()

    def words(self, specification: Specification) -> int:
        """Words in a digest of the specified model."""
        return self._workload(specification).profile.lattice.words

    def examine(self, specification: Specification, works: Sequence[tuple[bytes, bytes]]) -> list[LeafFinding]:
        """Run each pair of work and 32-byte key again."""
        workload = self._workload(specification)
        reports = audit_leaves(workload, works)
        return [
            LeafFinding(report.verdict, report.digest, report.shape.rows if report.shape else 0, report.reason)
            for report in reports
        ]

    def opened(self, specification: Specification, claims: Sequence[OpeningClaim]) -> list[bool]:
        """Whether each claim's opening opens its trace and has its digest."""
        lattice = self._workload(specification).profile.disclosed
        return [
            claim.trace.rows > 0
            and opens_commitment(
                claim.trace.root,
                TraceShape(claim.trace.rows, lattice.whitening.columns, lattice.chunk_rows),
                claim.key,
                lattice,
                LeafDisclosure(claim.digest, claim.opening),
            )
            for claim in claims
        ]

    def work_out(self, work: Callable[[Fetch], BatchResult], fetch: Fetch) -> BatchFinding:
        """As `Workbench.work_out`."""
        result = work(fetch)
        return BatchFinding(result.payload, result.traces)

    def _workload(self, specification: Specification) -> Workload[Any, Any]:
        if specification not in self._loaded:
            while len(self._loaded) >= MOST_LOADED:
                self._loaded.popitem(last=False)
            self._loaded[specification] = self._load(specification)
        self._loaded.move_to_end(specification)
        return self._loaded[specification]


def open_workbench(models: Path) -> LocalWorkbench:
    """A workbench over a directory of models. Only whoever calls this carries the weight of the models' libraries."""
    from verifier.models.store import ModelStore  # noqa: PLC0415
    from verifier.node.workloads import load_workload  # noqa: PLC0415

    return LocalWorkbench(partial(load_workload, ModelStore(models)))
