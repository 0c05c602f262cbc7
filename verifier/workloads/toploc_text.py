"""Text generation by contributors who publish TOPLOC proofs of their runs, and keep nothing else of them.

The contributor commits to its proofs, one for each chunk of the trace, and discloses one of them in an audit. What a
proof says depends on the verifier's own run, so that the court cannot compare it: members decide, and vote. Their
digests, of their own traces, still have to agree: they show that each has run the work.
"""

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chain.contribution import canonical_json
from verifier.fingerprint.errors import MalformedOpeningError
from verifier.fingerprint.toploc import ToplocProof, largest_difference, proofs_of
from verifier.fingerprint.trace import Trace, TraceShape
from verifier.models.causal import CausalModel
from verifier.models.errors import ModelError
from verifier.models.generation import TextRequest
from verifier.models.profile import Profile
from verifier.models.store import Registered
from verifier.workloads.errors import MalformedEvidenceError
from verifier.workloads.strict_json import parse
from verifier.workloads.text_generation import TextGeneration, Tokens
from verifier.workloads.workload import Rerun, Run

NAME = "text-generation-toploc"


@dataclass(frozen=True)
class ProvenText:
    """Output tokens, and the bytes of a proof for each chunk of the trace that they were drawn from."""

    tokens: Tokens
    proofs: tuple[bytes, ...]


class ToplocTextGeneration:
    """A `Workload` whose contributors commit to TOPLOC proofs; a unit of it is a chunk of the trace, not a token."""

    def __init__(self, registered: Registered[CausalModel]) -> None:
        self._text = TextGeneration(registered)
        self.manifest = registered.manifest
        self.profile: Profile = self._text.profile
        if self.profile.toploc is None:
            raise ModelError("the model was not calibrated for TOPLOC; calibrate it with --toploc, or order digests")
        self._limits = self.profile.toploc

    def run(self, request: TextRequest) -> Run[ProvenText]:
        """Raises MalformedEvidenceError for a request that the model cannot take."""
        run = self._text.run(request)
        return self.proven(run.output, run.trace)

    def proven(self, tokens: Tokens, trace: Trace) -> Run[ProvenText]:
        """What a contributor serves and commits to of tokens and the trace that it has for them."""
        proofs = proofs_of(trace, self._limits.top)
        output = ProvenText(tokens, tuple(proof.to_bytes() for proof in proofs))
        rows = np.zeros((len(proofs), 1 + self._limits.top), dtype=np.float32)
        for row, proof in zip(rows, proofs, strict=True):
            row[: 1 + len(proof.coefficients)] = (proof.modulus, *proof.coefficients)
        return Run(output, Trace(rows, 1))

    def rerun(self, works: Sequence[tuple[TextRequest, ProvenText]]) -> list[Rerun]:
        """One forward pass over prompts and outputs, and a comparison with every proof."""
        reruns = self._text.rerun([(request, output.tokens) for request, output in works])
        return [self._judged(rerun, output.proofs) for rerun, (_, output) in zip(reruns, works, strict=True)]

    def _judged(self, rerun: Rerun, proofs: tuple[bytes, ...]) -> Rerun:
        trace, limits = rerun.trace, self._limits
        committed = TraceShape(trace.shape.chunks, 1 + limits.top, 1)
        if rerun.inconsistency is not None:
            return Rerun(trace, rerun.inconsistency, committed=committed)
        if len(proofs) != trace.shape.chunks:
            return Rerun(trace, f"{len(proofs)} proofs are given for {trace.shape.chunks} chunks", committed=committed)
        try:
            read = [
                ToplocProof.from_bytes(proof, min(limits.top, trace.chunk(chunk).size))
                for chunk, proof in enumerate(proofs)
            ]
        except MalformedOpeningError as error:
            return Rerun(trace, str(error), committed=committed)
        difference = largest_difference(read, trace)
        told = f"a proof differs from the registered model's values by {difference:.4g} of a mantissa's 128 steps"
        if difference > limits.hard:
            return Rerun(trace, f"{told}, more than {limits.hard:.4g}", committed=committed)
        doubt = f"{told}, between {limits.soft:.4g} and {limits.hard:.4g}" if difference > limits.soft else None
        return Rerun(trace, None, doubt, committed)

    def write_evidence(self, request: TextRequest, output: ProvenText) -> bytes:
        document = json.loads(self._text.write_evidence(request, output.tokens))
        return canonical_json(document | {"proofs": [base64.b64encode(proof).decode() for proof in output.proofs]})

    def read_evidence(self, data: bytes) -> tuple[TextRequest, ProvenText]:
        document = parse(data, self._text.largest_evidence + self._largest_proofs)
        if not isinstance(document, dict) or not isinstance(document.get("proofs"), list):
            raise MalformedEvidenceError("it has no list of proofs")
        proofs = tuple(self._proof(value) for value in document.pop("proofs"))
        request, tokens = self._text.read_document(document)
        output = ProvenText(tokens, proofs)
        if self.write_evidence(request, output) != data:
            raise MalformedEvidenceError("it is not in canonical form")
        return request, output

    @property
    def _largest_proofs(self) -> int:
        """Bytes of the proofs of the longest output: two for each coefficient, in base64, with quotes and a comma."""
        chunks = -(-self._text.model.context // self.profile.lattice.chunk_rows)
        return chunks * (4 * (2 + 2 * self._limits.top) // 3 + 8)

    def _proof(self, value: Any) -> bytes:
        try:
            proof = base64.b64decode(value, validate=True)
        except (TypeError, ValueError):
            proof = b""
        if not 4 <= len(proof) <= 2 + 2 * self._limits.top:
            raise MalformedEvidenceError("a proof is a string in base64, two bytes for each coefficient and two more")
        return proof
