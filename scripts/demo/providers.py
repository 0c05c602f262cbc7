"""The people who send work: each is a thread with a provider's agent, honest or not."""

from collections.abc import Iterable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from threading import Event, Thread

import torch
from eth_account.signers.local import LocalAccount

from chain.client import MeritClient
from chain.sender import TransactionSender
from scripts.demo.stage import Stage
from verifier.models.generation import TextRequest
from verifier.node.court import Court
from verifier.node.history import History
from verifier.provider.agent import ProviderAgent
from verifier.provider.ledger import Ledger
from verifier.provider.recorder import ApiRecorder
from verifier.provider.requester import Order, place_order
from verifier.workloads.providers import TextProvider
from verifier.workloads.text_generation import TextGeneration


@dataclass
class Provider:
    """One contributor: orders go in by `order`, and its agent serves, submits and discloses until it is stopped."""

    stage: Stage
    account: LocalAccount
    server: TextProvider
    workload: TextGeneration
    failure: BaseException | None = None
    _orders: SimpleQueue[tuple[int, Sequence[Order[TextRequest]]]] = field(default_factory=SimpleQueue)
    _stop: Event = field(default_factory=Event)
    _next: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        name = self.stage.cast.names[self.account.address]
        self._thread = Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def order(self, requester: LocalAccount, job_id: int, requests: Sequence[TextRequest]) -> None:
        """Sign `requests` as the requester and hand them to this provider."""
        first = self._next.get(job_id, 0)
        self._next[job_id] = first + len(requests)
        domain = self.stage.network.domain
        orders = [
            place_order(
                domain,
                requester,
                job_id=job_id,
                contributor=self.account.address,
                sequence=first + i,
                request=request,
            )
            for i, request in enumerate(requests)
        ]
        self._orders.put((job_id, orders))

    def leave(self) -> None:
        """Let the thread end when it is ready."""
        self._stop.set()

    def stop(self) -> None:
        """End the thread; raises what the agent failed with, if it did."""
        self._stop.set()
        self._thread.join()
        if self.failure is not None:
            raise self.failure

    def _run(self) -> None:
        try:
            with ExitStack() as stack:
                self._attend(self._agent(stack))
        except BaseException as error:  # a thread has nobody to raise to; `stop` does it
            self.failure = error

    def _agent(self, stack: ExitStack) -> ProviderAgent:
        stage = self.stage
        directory = stage.directory / stage.cast.names[self.account.address].replace(" ", "-")
        client = stack.enter_context(MeritClient(stage.api_url, stage.network.domain, self.account))
        ledger = stack.enter_context(closing(Ledger(directory, self.account.address)))
        history = stack.enter_context(closing(History(directory / "history.sqlite", stage.network.deployment.block)))
        return ProviderAgent(
            court=Court(stage.network, TransactionSender(stage.network.web3, self.account)),
            domain=stage.network.domain,
            history=history,
            ledger=ledger,
            recorder=ApiRecorder(client, self.account.address),
            server=self.server,
            workload=self.workload,
            least_withdrawal=None,  # credit is left in the escrow, so that the report finds it there
        )

    def _attend(self, agent: ProviderAgent) -> None:
        torch.set_num_threads(1)
        while not self._stop.is_set():
            try:
                job_id, orders = self._orders.get(timeout=0.5)
                agent.serve(job_id, orders)
            except Empty:
                pass
            agent.look()


def leave(providers: Iterable[Provider]) -> None:
    """Let all threads end at the same time."""
    for provider in providers:
        provider.leave()
