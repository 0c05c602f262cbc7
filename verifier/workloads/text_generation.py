"""Text generation with a registered causal model."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chain.contribution import canonical_json
from verifier.fingerprint.sampling import MAXIMUM_SEED
from verifier.fingerprint.trace import Trace
from verifier.models.causal import CausalModel
from verifier.models.generation import TextRequest, generate, replay
from verifier.models.profile import Profile
from verifier.models.store import Registered
from verifier.workloads.errors import MalformedEvidenceError
from verifier.workloads.strict_json import check_keys, integer, parse, tokens
from verifier.workloads.workload import Rerun, Run

FORMAT = "merit-text/1"
# A token takes at most seven bytes of JSON: six digits and a comma.
_BYTES_BY_TOKEN = 7
_BYTES_BESIDES_TOKENS = 512

Tokens = tuple[int, ...]


class TextGeneration:
    """A `Workload` whose trace holds, for each output token, the final hidden state that it was drawn from."""

    def __init__(self, registered: Registered[CausalModel]) -> None:
        self.manifest = registered.manifest
        self.model = registered.model
        rule = registered.manifest.text_rule()
        self.rule, self.end_token = rule.sampling(), rule.end_token
        self.profile: Profile = registered.manifest.profile()
        self._identity = registered.manifest.identity.hex()

    def run(self, request: TextRequest) -> Run[Tokens]:
        """Raises MalformedEvidenceError for a request that the model cannot take."""
        self._check_request(request)
        generation = generate(self.model, self.rule, self.end_token, [request])[0]
        return Run(generation.tokens, Trace(generation.hidden, self.profile.lattice.chunk_rows))

    def rerun(self, works: Sequence[tuple[TextRequest, Tokens]]) -> list[Rerun]:
        """One forward pass over prompts and outputs. Raises MalformedEvidenceError where `read_evidence` would."""
        for request, output in works:
            self._check_request(request)
            self._check_output(request, output)
        replayed = replay(self.model, self.rule, [r for r, _ in works], [output for _, output in works])
        return [
            Rerun(Trace(hidden, self.profile.lattice.chunk_rows), self._inconsistency(margins))
            for hidden, margins in replayed
        ]

    def _inconsistency(self, margins: NDArray[np.float64]) -> str | None:
        limits = self.profile.margins
        if limits.consistent(margins):
            return None
        return (
            "the tokens were not drawn by the registered model and sampling rule: their margins' mean is "
            f"{margins.mean():.4g} (limit {limits.mean:.4g}), their peak {margins.max():.4g} (limit {limits.peak:.4g})"
        )

    @property
    def largest_evidence(self) -> int:
        """Bytes of the evidence of the longest request and output."""
        return _BYTES_BY_TOKEN * self.model.context + _BYTES_BESIDES_TOKENS

    def write_evidence(self, request: TextRequest, output: Tokens) -> bytes:
        document = {
            "format": FORMAT,
            "model": self._identity,
            "output": list(output),
            "request": {
                "maximum_new_tokens": request.maximum_new_tokens,
                "prompt": list(request.prompt),
                "sampling_seed": request.sampling_seed,
            },
        }
        return canonical_json(document)

    def read_evidence(self, data: bytes) -> tuple[TextRequest, Tokens]:
        request, output = self.read_document(parse(data, self.largest_evidence))
        if self.write_evidence(request, output) != data:
            raise MalformedEvidenceError("it is not in canonical form")
        return request, output

    def read_document(self, document: Any) -> tuple[TextRequest, Tokens]:
        """What evidence says, as JSON. Raises MalformedEvidenceError."""
        check_keys(document, {"format", "model", "output", "request"})
        check_keys(document["request"], {"maximum_new_tokens", "prompt", "sampling_seed"})
        if document["format"] != FORMAT or document["model"] != self._identity:
            raise MalformedEvidenceError(f"it is not for model {self._identity} in format {FORMAT}")
        told = document["request"]
        request = TextRequest(
            prompt=self._tokens(told["prompt"]),
            maximum_new_tokens=integer(told["maximum_new_tokens"], self.model.context),
            sampling_seed=integer(told["sampling_seed"], MAXIMUM_SEED),
        )
        output = self._tokens(document["output"])
        self._check_request(request)
        self._check_output(request, output)
        return request, output

    def _tokens(self, value: Any) -> Tokens:
        return tokens(value, self.model.context, self.model.vocabulary)

    def _check_request(self, request: TextRequest) -> None:
        if not request.prompt or not all(0 <= token < self.model.vocabulary for token in request.prompt):
            raise MalformedEvidenceError(f"a prompt has one token or more, each below {self.model.vocabulary}")
        if request.maximum_new_tokens < 1:
            raise MalformedEvidenceError("a request asks for one new token or more")
        if len(request.prompt) + request.maximum_new_tokens > self.model.context:
            raise MalformedEvidenceError(f"prompt and new tokens exceed the model's {self.model.context} tokens")
        if not 0 <= request.sampling_seed <= MAXIMUM_SEED:
            raise MalformedEvidenceError("a sampling seed is below 2**64")

    def _check_output(self, request: TextRequest, output: Tokens) -> None:
        """The stop rule: an output ends with the end token, or has the length asked for; never both early and late."""
        if not 1 <= len(output) <= request.maximum_new_tokens:
            raise MalformedEvidenceError("the output's length is not what the request allows")
        if not all(0 <= token < self.model.vocabulary for token in output):
            raise MalformedEvidenceError("the output holds tokens that the model does not have")
        if self.end_token in output[:-1]:
            raise MalformedEvidenceError("the output goes on after the end token")
        if len(output) < request.maximum_new_tokens and output[-1] != self.end_token:
            raise MalformedEvidenceError("the output stops before the end token and before its maximum length")
