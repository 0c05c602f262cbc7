"""A sampled leaf, from both sides: what the verifier reports and what the contributor discloses."""

from collections.abc import Sequence
from dataclasses import dataclass

from verifier.fingerprint.challenge import drawn_chunk
from verifier.fingerprint.consensus import Verdict
from verifier.fingerprint.errors import MalformedOpeningError
from verifier.fingerprint.lattice import LatticeProfile, digest
from verifier.fingerprint.trace import ChunkOpening, Trace, TraceShape
from verifier.workloads.errors import MalformedEvidenceError
from verifier.workloads.workload import Output, Request, Rerun, Workload

# Work is run again in batches of this size: most of the gain of a batch, and a bound on the memory that it takes.
LARGEST_BATCH = 8


@dataclass(frozen=True)
class LeafReport:
    """What one verifier says about one leaf.

    digest: of the chunk that the key draws from the verifier's own trace; zeros where there is no trace.
    reason: why the verdict is not CONSISTENT, in a sentence; empty otherwise.
    shape: of the trace that an honest contributor holds; None where there is none.
    """

    verdict: Verdict
    digest: tuple[int, ...]
    reason: str
    shape: TraceShape | None


@dataclass(frozen=True)
class Disclosure:
    """What the contributor discloses of one leaf: the digest for the chain and the opening for the verifiers."""

    digest: tuple[int, ...]
    opening: bytes


def audit_leaves(workload: Workload[Request, Output], leaves: Sequence[tuple[bytes | None, bytes]]) -> list[LeafReport]:
    """Runs leaves again, each the evidence (None when it could not be found) and its 32-byte key (`leaf_key`)."""
    nothing = (0,) * workload.profile.lattice.words
    reports: dict[int, LeafReport] = {}
    works: dict[int, tuple[Request, Output]] = {}
    for place, (evidence, _) in enumerate(leaves):
        if evidence is None:
            reports[place] = LeafReport(Verdict.UNAVAILABLE, nothing, "the evidence could not be found", None)
            continue
        try:
            works[place] = workload.read_evidence(evidence)
        except MalformedEvidenceError as error:
            reports[place] = LeafReport(Verdict.INCONSISTENT, nothing, str(error), None)
    places = list(works)
    for start in range(0, len(places), LARGEST_BATCH):
        batch = places[start : start + LARGEST_BATCH]
        for place, rerun in zip(batch, workload.rerun([works[place] for place in batch]), strict=True):
            reports[place] = _report(rerun, leaves[place][1], workload.profile.lattice)
    return [reports[place] for place in range(len(leaves))]


def audit_leaf(workload: Workload[Request, Output], evidence: bytes | None, key: bytes) -> LeafReport:
    """`audit_leaves` of one."""
    return audit_leaves(workload, [(evidence, key)])[0]


def _report(rerun: Rerun, key: bytes, lattice: LatticeProfile) -> LeafReport:
    verdict = Verdict.CONSISTENT
    if rerun.inconsistency is not None:
        verdict = Verdict.INCONSISTENT
    elif rerun.doubt is not None:
        # What the court makes of it is what becomes of work in the grey band: no pay, no slash.
        verdict = Verdict.UNAVAILABLE
    chunk = rerun.trace.chunk(drawn_chunk(key, rerun.trace.shape.chunks))
    reason = rerun.inconsistency or rerun.doubt or ""
    return LeafReport(verdict, digest(chunk, key, lattice), reason, rerun.committed or rerun.trace.shape)


def disclose(trace: Trace, key: bytes, lattice: LatticeProfile) -> Disclosure:
    """What a contributor discloses of the trace that it committed to, under the leaf's key."""
    opening = trace.open_chunk(drawn_chunk(key, trace.shape.chunks))
    return Disclosure(digest(opening.values, key, lattice), opening.to_bytes())


def opens_commitment(
    root: bytes, shape: TraceShape | None, key: bytes, lattice: LatticeProfile, disclosure: Disclosure
) -> bool:
    """Whether the disclosed digest is that of the drawn chunk of the trace committed to under `root`.

    shape: from the verifier's own report, so that the contributor cannot choose another chunk or another trace size.
    """
    if shape is None:
        return False
    try:
        opening = ChunkOpening.from_bytes(disclosure.opening, shape)
    except MalformedOpeningError:
        return False
    if opening.chunk != drawn_chunk(key, shape.chunks) or not opening.opens(root):
        return False
    return digest(opening.values, key, lattice) == disclosure.digest
