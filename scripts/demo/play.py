"""What happens on the stage: jobs are opened, work is sent, audits run, an epoch ends."""

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack

from eth_account.signers.local import LocalAccount
from eth_typing import ChecksumAddress
from web3.logs import DISCARD

from chain.client import MeritClient
from chain.errors import TransactionFailedError
from chain.job_terms import Kind, Terms
from chain.parameters import TOKEN
from chain.sender import TransactionSender
from scripts.demo.narrator import Narrator
from scripts.demo.providers import Provider, leave
from scripts.demo.stage import DemonstrationError, Stage
from verifier.models.demonstration import DemonstrationModels, sample_requests
from verifier.models.training import standard_library_corpus
from verifier.node.specification import Specification
from verifier.workloads.providers import CheapTokensProvider, HonestProvider, SubstituteProvider, TextProvider
from verifier.workloads.text_generation import TextGeneration

LEAVES = 4
# Of seven verifiers: both dishonest ones are drawn soon, and four honest ones are a quorum of two thirds without them.
COMMITTEE = 6
# Batches that the honest provider sends, at most, until each dishonest verifier has sat on a committee.
MOST_HONEST_BATCHES = 12
PATIENCE_SECONDS = 240
_ALWAYS_AUDITED = 10_000
# The least that the escrow accepts for the price and the stake that the ring's jobs name.
_SELDOM_AUDITED = 1_200


class Play:
    """One performance over an open stage."""

    def __init__(self, stage: Stage, models: DemonstrationModels, seed: int, tell: Callable[[str], None]) -> None:
        self._stage = stage
        self._cast = stage.cast
        self._models = models
        self._workload = TextGeneration(models.registered)
        self._specification = Specification("inference", "text-generation", models.registered.manifest.identity)
        context = models.registered.model.context
        self._requests = iter(sample_requests(standard_library_corpus(), 500, context, seed))
        self._tell = tell
        self._narrator = Narrator(stage.network, stage.cast.names, tell)
        self._ordered: dict[ChecksumAddress, int] = {}

    def perform(self) -> None:
        """From the first job to the final scores. Raises `DemonstrationError` if it does not come to an end."""
        with ExitStack() as stack:
            cast, stage = self._cast, self._stage
            client = stack.enter_context(MeritClient(stage.api_url, stage.network.domain, cast.requester))
            client.put_evidence(self._specification.to_block())
            providers = {account.address: self._enter(account, stack) for account in cast.providers}
            stack.callback(leave, providers.values())
            # The ring's members open jobs for each other: paid work, as far as the chain can see.
            self._job = self._open_job(cast.requester, 500 * TOKEN, _ALWAYS_AUDITED)
            ring_jobs = [self._open_job(payer, 50 * TOKEN, _SELDOM_AUDITED) for payer in cast.sybils]
            stage.start_clock()
            self._work_for_the_requester(providers)
            self._pay_the_ring(providers, ring_jobs)
            self._await("every batch to be settled", self._all_settled)
            self._seat_the_dishonest(providers[self._cast.honest.address])
            self._await("the scores to become final", lambda: self._scores_are_final(client))
        burn = self._stage.network.vault.functions.burn()
        TransactionSender(self._stage.network.web3, self._cast.requester).send(burn)

    def _enter(self, account: LocalAccount, stack: ExitStack) -> Provider:
        servers: dict[ChecksumAddress, TextProvider] = {
            self._cast.int8.address: SubstituteProvider(self._workload, self._models.int8),
            self._cast.small.address: SubstituteProvider(self._workload, self._models.small),
            self._cast.cheap_tokens.address: CheapTokensProvider(self._workload, self._models.small),
        }
        server = servers.get(account.address, HonestProvider(self._workload))
        provider = Provider(self._stage, account, server, self._workload)
        stack.callback(provider.stop)
        return provider

    def _work_for_the_requester(self, providers: dict[ChecksumAddress, Provider]) -> None:
        """Everyone who works for the requester is audited. The first Sybil does honest work here."""
        cast = self._cast
        for account in (cast.honest, cast.int8, cast.small, cast.cheap_tokens, cast.sybils[0]):
            self._order(providers[account.address], cast.requester, self._job, LEAVES)

    def _pay_the_ring(self, providers: dict[ChecksumAddress, Provider], jobs: Sequence[int]) -> None:
        """The next one of the ring answers each Sybil's job."""
        ring = self._cast.sybils
        for payer, payee, job in zip(ring, (*ring[1:], ring[0]), jobs, strict=True):
            self._order(providers[payee.address], payer, job, 1)

    def _seat_the_dishonest(self, honest: Provider) -> None:
        """Whom the draw has spared so far gets more chances to be drawn."""
        for _ in range(MOST_HONEST_BATCHES):
            caught = {event.args["verifier"] for event in self._narrator.named("VerifierPenalized")}
            if {self._cast.copier.address, self._cast.guesser.address} <= caught:
                return
            self._tell("A dishonest verifier has not been drawn yet: the honest provider sends one more batch.")
            self._order(honest, self._cast.requester, self._job, LEAVES)
            self._await("the batch to be settled", self._all_settled)
        raise DemonstrationError("The draw spared a dishonest verifier to the end; run the demonstration again.")

    def _open_job(self, requester: LocalAccount, amount: int, ceiling: int) -> int:
        network, profile = self._stage.network, self._workload.profile
        sender = TransactionSender(network.web3, requester)
        terms = Terms(
            kind=Kind.INFERENCE,
            price=TOKEN // 100,
            audit_fee=3 * TOKEN,
            slash_per_unit=TOKEN // 10,
            audit_rate_floor=_SELDOM_AUDITED,
            audit_rate_ceiling=ceiling,
            committee_size=COMMITTEE,
            samples=3,
            words=profile.lattice.words,
            tau=profile.bands.tau,
            soft=profile.bands.soft,
            hard=profile.bands.hard,
            expiry=network.web3.eth.get_block("latest")["timestamp"] + 86_400,
            specification=self._specification.digest,
        )
        sender.send(network.token.functions.approve(network.escrow.address, amount))
        receipt = sender.send(network.escrow.functions.open(terms.as_tuple(), amount))
        opened = network.escrow.events.JobOpened().process_receipt(receipt, errors=DISCARD)
        if not opened:
            raise TransactionFailedError("The job was not opened; look at the transaction.")
        job_id: int = opened[0]["args"]["jobId"]
        return job_id

    def _order(self, provider: Provider, requester: LocalAccount, job_id: int, leaves: int) -> None:
        provider.order(requester, job_id, [next(self._requests) for _ in range(leaves)])
        address = provider.account.address
        self._ordered[address] = self._ordered.get(address, 0) + leaves

    def _all_settled(self) -> bool:
        recorded = self._narrator.named("Recorded")
        settled = {event.args["batchId"] for event in self._narrator.named("Settled")}
        leaves: dict[ChecksumAddress, int] = {}
        for event in recorded:
            if event.args["batchId"] in settled:
                batch = event.args["batch"]
                leaves[batch["contributor"]] = leaves.get(batch["contributor"], 0) + batch["count"]
        return leaves == self._ordered

    def _scores_are_final(self, client: MeritClient) -> bool:
        """Whether the last feedback belongs to a final epoch, and every account of it is checked in."""
        last = max((event.args["epoch"] for event in self._narrator.named("FeedbackRecorded")), default=0)
        if not any(event.args["epoch"] >= last for event in self._narrator.named("Finalized")):
            return False
        answers = [client.reputation(address) for address in self._cast.names]
        return all(
            answer["final"] is None
            or (answer["final"]["epoch"] >= last and answer["final"]["score"] == answer["checked_in"])
            for answer in answers
        )

    def _await(self, what: str, reached: Callable[[], bool]) -> None:
        self._tell(f"Waiting for {what} ...")
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            self._narrator.look()
            if reached():
                return
            if time.monotonic() > deadline:
                raise DemonstrationError(
                    f"Waited {PATIENCE_SECONDS} s for {what} in vain; the logs are in {self._stage.directory / 'logs'}."
                )
            time.sleep(0.5)
