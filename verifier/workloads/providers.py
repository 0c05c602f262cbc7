"""Providers of text generation, honest and not: the cast of the demonstration and of the adversarial tests.

All serve requests for the registered model. What a cheat serves is well formed; only running the work again tells.
"""

from typing import Generic, Protocol

from verifier.fingerprint.trace import Trace
from verifier.models.causal import CausalModel
from verifier.models.generation import TextRequest, generate, replay
from verifier.workloads.text_generation import TextGeneration, Tokens
from verifier.workloads.workload import Output, Request, Run, Workload


class TextProvider(Protocol):
    """Whoever answers requests for text."""

    def serve(self, request: TextRequest) -> Run[Tokens]:
        """The output it sends and the trace it commits to."""


class HonestProvider(Generic[Request, Output]):
    """Runs the registered model, whatever it does."""

    def __init__(self, workload: Workload[Request, Output]) -> None:
        self._workload = workload

    def serve(self, request: Request) -> Run[Output]:
        return self._workload.run(request)


class SubstituteProvider:
    """Runs another model, and commits to that model's trace."""

    def __init__(self, workload: TextGeneration, substitute: CausalModel) -> None:
        self._workload = workload
        self._substitute = substitute

    def serve(self, request: TextRequest) -> Run[Tokens]:
        workload = self._workload
        generation = generate(self._substitute, workload.rule, workload.end_token, [request])[0]
        return Run(generation.tokens, Trace(generation.hidden, workload.profile.lattice.chunk_rows))


class CheapTokensProvider:
    """Sends tokens of another model, and commits to the registered model's trace of them: the pre-fill attack."""

    def __init__(self, workload: TextGeneration, substitute: CausalModel) -> None:
        self._workload = workload
        self._substitute = substitute

    def serve(self, request: TextRequest) -> Run[Tokens]:
        workload = self._workload
        tokens = generate(self._substitute, workload.rule, workload.end_token, [request])[0].tokens
        hidden, _ = replay(workload.model, workload.rule, [request], [tokens])[0]
        return Run(tokens, Trace(hidden, workload.profile.lattice.chunk_rows))
