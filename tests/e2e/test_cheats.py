"""Each cheat of the demonstration, alone: it is caught, and with its defence removed it is paid."""

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from eth_account.signers.local import LocalAccount
from eth_typing import ChecksumAddress
from web3.contract.contract import ContractFunction
from web3.types import RPCEndpoint

from chain.errors import TransactionRevertedError
from chain.events import EventLog
from chain.network import Network
from chain.parameters import FIXED_ONE, TOKEN
from chain.sender import TransactionSender
from scripts.demo.report import Report
from scripts.rehearsal import AUDIT_FEE, PARAMETERS, Rehearsal, Scene
from verifier.epochs.boundary import BoundaryGraph
from verifier.epochs.rows import Row, ScoreParameters, build_rows
from verifier.fingerprint.sampling import MarginLimits
from verifier.models.demonstration import DemonstrationModels
from verifier.node.adversaries import GuessingExaminer
from verifier.node.court import Court
from verifier.node.journal import Draw, JournaledCommitment
from verifier.workloads.providers import CheapTokensProvider, HonestProvider, SubstituteProvider, TextProvider
from verifier.workloads.text_generation import TextGeneration

pytestmark = pytest.mark.chain

LEAVES = 5
CHEATS: dict[str, Callable[[TextGeneration, DemonstrationModels], TextProvider]] = {
    "int8": lambda workload, models: SubstituteProvider(workload, models.int8),
    "smaller model": lambda workload, models: SubstituteProvider(workload, models.small),
    "cheap tokens": lambda workload, models: CheapTokensProvider(workload, models.small),
}


@pytest.fixture
def workload(models: DemonstrationModels) -> TextGeneration:
    return TextGeneration(models.registered)


def taking_any_tokens(workload: TextGeneration) -> TextGeneration:
    """The workload without its check that the tokens were drawn by the model."""
    blind = copy.copy(workload)
    blind.profile = replace(workload.profile, margins=MarginLimits(mean=1e9, peak=1e9))
    return blind


def widest(workload: TextGeneration) -> int:
    """The largest distance that terms may name: all bits of a digest but one."""
    return 256 * workload.profile.lattice.words - 1


def taking_any_digest(workload: TextGeneration) -> dict[str, int]:
    """Terms without a comparison between contributor and committee."""
    return {"soft": widest(workload) - 1, "hard": widest(workload)}


def seat_the_honest(scene: Scene, *, but: LocalAccount | None = None) -> None:
    for account in scene.cast.committee:
        if account != but:
            scene.enter_verifier(account)


def assert_only_slashed(report: Report, *cheats: LocalAccount) -> None:
    """Nobody but the cheats loses stake, and every token that came in is still held or was burned."""
    assert {account for account, amount in report.slashed.items() if amount} == {cheat.address for cheat in cheats}
    assert report.conservation.deposited == report.conservation.held + report.conservation.burned > 0


# ---------------------------------------------------------------- providers


def audited(scene: Scene, server: TextProvider, **terms: int) -> Report:
    """A batch of a provider that answers by `server`, before an honest committee."""
    provider = scene.cast.providers[0]
    scene.enter_provider(provider, server)
    seat_the_honest(scene)
    scene.order(provider, scene.open_job(scene.cast.requester, **terms), LEAVES)
    return scene.settle()


def assert_caught(report: Report, provider: LocalAccount) -> None:
    assert [batch.outcome for batch in report.batches] == ["fraud"]
    assert report.credits[provider.address] == 0
    assert_only_slashed(report, provider)


def assert_paid(report: Report, provider: LocalAccount) -> None:
    assert [batch.outcome for batch in report.batches] == ["pass"]
    assert report.credits[provider.address] > 0
    assert_only_slashed(report)


def _share(scene: Scene) -> int:
    """What each of a whole committee has for an audit."""
    return (AUDIT_FEE - AUDIT_FEE * PARAMETERS.fee_rate // 10_000) // len(scene.cast.committee)


def test_honest_provider__alone__paid_and_so_is_the_committee(rehearsal: Rehearsal, workload: TextGeneration) -> None:
    with rehearsal.scene() as scene:
        report = audited(scene, HonestProvider(workload))
    assert_paid(report, scene.cast.providers[0])
    assert {report.credits[account.address] for account in scene.cast.committee} == {_share(scene)}


@pytest.mark.parametrize("cheat", CHEATS)
def test_cheating_provider__alone__caught(
    rehearsal: Rehearsal, models: DemonstrationModels, workload: TextGeneration, cheat: str
) -> None:
    with rehearsal.scene() as scene:
        report = audited(scene, CHEATS[cheat](workload, models))
    assert_caught(report, scene.cast.providers[0])


@pytest.mark.parametrize("cheat", ["int8", "smaller model"])
def test_other_model__digest_distance_alone__caught(
    rehearsal: Rehearsal, models: DemonstrationModels, workload: TextGeneration, cheat: str
) -> None:
    with rehearsal.scene(workload=taking_any_tokens(workload)) as scene:
        report = audited(scene, CHEATS[cheat](workload, models))
    assert_caught(report, scene.cast.providers[0])


@pytest.mark.parametrize("cheat", ["int8", "smaller model"])
def test_other_model__without_the_digest_distance__paid(
    rehearsal: Rehearsal, models: DemonstrationModels, workload: TextGeneration, cheat: str
) -> None:
    """What another model writes is also refused by its tokens, so that check must not hide what the distance does."""
    with rehearsal.scene(workload=taking_any_tokens(workload)) as scene:
        report = audited(scene, CHEATS[cheat](workload, models), **taking_any_digest(workload))
    assert_paid(report, scene.cast.providers[0])


def test_cheap_tokens__token_consistency_alone__caught(
    rehearsal: Rehearsal, models: DemonstrationModels, workload: TextGeneration
) -> None:
    with rehearsal.scene() as scene:
        report = audited(scene, CHEATS["cheap tokens"](workload, models), **taking_any_digest(workload))
    assert_caught(report, scene.cast.providers[0])


def test_cheap_tokens__without_token_consistency__paid(
    rehearsal: Rehearsal, models: DemonstrationModels, workload: TextGeneration
) -> None:
    with rehearsal.scene(workload=taking_any_tokens(workload)) as scene:
        report = audited(scene, CHEATS["cheap tokens"](workload, models))
    assert_paid(report, scene.cast.providers[0])


# ---------------------------------------------------------------- verifiers


class Plagiarist:
    """Commits what the first member has committed, and reveals what that one revealed, with the salt that all can see.

    refusals: names of the errors that it met.
    """

    def __init__(self, network: Network, account: LocalAccount) -> None:
        self._network = network
        self._sender = TransactionSender(network.web3, account)
        self._victim: ChecksumAddress | None = None
        self.refusals: set[str] = set()

    def look(self) -> None:
        """Copy what there is to copy."""
        court, start = self._network.court, self._network.deployment.block
        if self._victim is None:
            for committed in court.events.Committed().get_logs(from_block=start)[:1]:
                self._victim = committed["args"]["verifier"]
                self._try(court.functions.commit(committed["args"]["batchId"], committed["args"]["commitment"]))
        for revealed in court.events.Revealed().get_logs(from_block=start):
            if revealed["args"]["verifier"] == self._victim:
                sent = self._network.web3.eth.get_transaction(revealed["transactionHash"])
                _, arguments = court.decode_function_input(sent["input"])
                self._try(court.functions.reveal(**arguments))

    def _try(self, call: ContractFunction) -> None:
        try:
            self._sender.send(call)
        except TransactionRevertedError as error:
            self.refusals.add(error.name)


def with_a_plagiarist(scene: Scene) -> tuple[Report, Plagiarist]:
    """An honest batch before a committee with one member that copies all it sees."""
    copier = scene.cast.copier
    plagiarist = Plagiarist(scene.network, copier)
    scene.enter_provider(scene.cast.honest, HonestProvider(scene.workload))
    seat_the_honest(scene, but=copier)
    scene.participants[copier.address] = plagiarist
    scene.order(scene.cast.honest, scene.open_job(scene.cast.requester), LEAVES)
    return scene.settle(), plagiarist


def remove_the_binding(network: Network, creation_code: str, operator: LocalAccount) -> None:
    """Put the code of a court that is wired alike in the place of the court's."""
    court = network.court
    factory = network.web3.eth.contract(abi=court.abi, bytecode=creation_code)
    wiring = [court.functions[name]().call() for name in ("vault", "escrow", "graph", "oracle", "authority")]
    amounts = [court.functions[name]().call() for name in ("windows", "penalties")]
    address = TransactionSender(network.web3, operator).send(factory.constructor(*wiring, *amounts))["contractAddress"]
    assert address is not None
    code = network.web3.eth.get_code(address)
    network.web3.provider.make_request(RPCEndpoint("anvil_setCode"), [court.address, code.to_0x_hex()])


@pytest.fixture
def commitments_of_the_court(rehearsal: Rehearsal, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nodes ask the court what to commit to, so that they can work with another court."""

    def asked(court: Court, draw: Draw, kept: JournaledCommitment) -> bytes:
        findings = kept.findings
        functions = rehearsal.network.court.functions
        arguments = (findings.digests, findings.verdicts, findings.payload, kept.salt)
        return bytes(functions.commitmentOf(draw.batch_id, draw.round, court.address, *arguments).call())

    monkeypatch.setattr(Court, "commitment_of", asked)


def test_copying_verifier__alone__cannot_reveal_and_is_slashed(
    rehearsal: Rehearsal, commitments_of_the_court: None
) -> None:
    with rehearsal.scene() as scene:
        report, plagiarist = with_a_plagiarist(scene)
    assert "AuditCourtCommitmentMismatch" in plagiarist.refusals
    assert report.credits[scene.cast.copier.address] == 0 < report.credits[scene.cast.honest.address]
    assert_only_slashed(report, scene.cast.copier)


def test_copying_verifier__commitment_does_not_bind_its_sender__paid(
    rehearsal: Rehearsal, commitments_of_the_court: None, unbound_court: str
) -> None:
    with rehearsal.scene() as scene:
        remove_the_binding(scene.network, unbound_court, scene.cast.operator)
        report, plagiarist = with_a_plagiarist(scene)
    assert "AuditCourtCommitmentMismatch" not in plagiarist.refusals
    assert report.credits[scene.cast.copier.address] == _share(scene)
    assert_only_slashed(report)


def with_a_guesser(scene: Scene, **terms: int) -> Report:
    """An honest batch before a committee with one member that reveals random digests."""
    guesser = scene.cast.guesser
    scene.enter_provider(scene.cast.honest, HonestProvider(scene.workload))
    seat_the_honest(scene, but=guesser)
    scene.enter_verifier(guesser, examiner=GuessingExaminer())
    scene.order(scene.cast.honest, scene.open_job(scene.cast.requester, **terms), LEAVES)
    return scene.settle()


def test_guessing_verifier__alone__outside_the_cluster_and_slashed(rehearsal: Rehearsal) -> None:
    with rehearsal.scene() as scene:
        report = with_a_guesser(scene)
    assert report.credits[scene.cast.guesser.address] == 0 < report.credits[scene.cast.honest.address]
    assert_only_slashed(report, scene.cast.guesser)


def test_guessing_verifier__any_digests_agree__paid(rehearsal: Rehearsal, workload: TextGeneration) -> None:
    """`tau` may not exceed `hard`, which has to be as wide; the honest contributor needs neither."""
    with rehearsal.scene() as scene:
        report = with_a_guesser(scene, tau=widest(workload), **taking_any_digest(workload))
    assert report.credits[scene.cast.guesser.address] == _share(scene)
    assert_only_slashed(report)


# ---------------------------------------------------------------- the ring


Feedback = list[dict[str, Any]]
Ring = tuple[Report, Feedback, ScoreParameters]


@pytest.fixture(scope="module")
def ring(rehearsal: Rehearsal, models: DemonstrationModels) -> Ring:
    """What came of honest work, and of five Sybils that pay each other ten times its price; the feedback it left."""
    cast, server = rehearsal.cast, HonestProvider(TextGeneration(models.registered))
    with rehearsal.scene() as scene:
        seat_the_honest(scene)
        for account in (cast.honest, *cast.sybils):
            scene.enter_provider(account, server)
        job = scene.open_job(cast.requester, committee_size=3)
        for account in (cast.honest, cast.sybils[0]):
            scene.order(account, job, 1)
        for payer, payee in zip(cast.sybils, (*cast.sybils[1:], cast.sybils[0]), strict=True):
            rare = {"audit_rate_floor": 1_200, "audit_rate_ceiling": 1_200, "committee_size": 3}
            job = scene.open_job(payer, price=TOKEN // 10, slash_per_unit=TOKEN, **rare)
            scene.order(payee, job, 1)
        report = scene.settle()
        events = EventLog(scene.network).fetch(scene.network.deployment.block, scene.network.web3.eth.block_number)
    parameters = next(event.args for event in events if event.name == "ParametersSet")
    feedback = [event.args for event in events if event.name == "FeedbackRecorded"]
    return report, feedback, ScoreParameters.from_event(parameters)


def rows_of(feedback: Feedback, parameters: ScoreParameters) -> dict[ChecksumAddress, Row]:
    return {row.account: row for row in build_rows(BoundaryGraph.from_feedback(feedback), parameters)}


def within_the_bound(attacker: float, sybils: list[float], parameters: ScoreParameters) -> bool:
    """MeritRank's bound on what Sybils gain in all: (1 - stop) / stop of what the attacker has."""
    stop = parameters.stop / FIXED_ONE
    return sum(sybils) <= attacker * (1 - stop) / stop


def test_ring__on_the_chains_edges__within_the_bound_and_no_gain_to_its_head(rehearsal: Rehearsal, ring: Ring) -> None:
    report, feedback, parameters = ring
    attacker, *sybils = [account.address for account in rehearsal.cast.sybils]
    rows = rows_of(feedback, parameters)
    scores = {account: row.score / TOKEN for account, row in rows.items()}
    assert all(scores[account] > 0 for account in (attacker, *sybils))
    assert within_the_bound(scores[attacker], [scores[account] for account in sybils], parameters)
    honest = rows_of([entry for entry in feedback if entry["from"] == rehearsal.cast.requester.address], parameters)
    assert scores[attacker] == pytest.approx(honest[attacker].score / TOKEN, rel=1e-6)
    assert report.credits[rehearsal.cast.honest.address] > 0
    assert_only_slashed(report)


def test_ring__score_is_payments_received__beyond_the_bound(rehearsal: Rehearsal, ring: Ring) -> None:
    _, feedback, parameters = ring
    attacker, *sybils = [
        sum(entry["amount"] for entry in feedback if entry["to"] == account.address)
        for account in rehearsal.cast.sybils
    ]
    assert not within_the_bound(attacker, sybils, parameters)


def test_ring__score_is_visits_without_the_diagonal__raises_its_head(rehearsal: Rehearsal, ring: Ring) -> None:
    _, feedback, parameters = ring
    attacker = rehearsal.cast.sybils[0].address
    honest = rows_of([entry for entry in feedback if entry["from"] == rehearsal.cast.requester.address], parameters)
    assert rows_of(feedback, parameters)[attacker].visits > honest[attacker].visits + FIXED_ONE // 100
