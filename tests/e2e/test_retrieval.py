"""Retrieval on a chain: six sources of which two pollute and one turns bad half way, a service and a committee."""

import os
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_utils.crypto import keccak
from fastapi import FastAPI
from fastapi.testclient import TestClient

from backend.app import ChainSide, create_app
from backend.evidence.store import EvidenceStore
from backend.settings import Settings
from chain.contribution import canonical_json
from chain.deploy import deploy
from chain.localnet import DEVELOPMENT_KEY, local_chain
from chain.network import Network, connect
from chain.parameters import TOKEN
from chain.sender import TransactionSender
from chain.signed_call import sign_call
from chain.typed_data import Call
from scripts.rehearsal import PARAMETERS, InlineExecutor, Reading, SceneCourt, pass_time
from verifier.node.evidence import EvidenceMissingError
from verifier.node.examiner import WorkloadExaminer
from verifier.node.history import History
from verifier.node.journal import Journal, JournalOwner
from verifier.node.node import Executors, VerifierNode
from verifier.node.workbench import open_workbench
from verifier.retrieval.corpus import Corpus
from verifier.retrieval.examiner import with_retrieval
from verifier.retrieval.exchange import Answer, SignedQuery
from verifier.retrieval.opening import open_job
from verifier.retrieval.reading import read_passages
from verifier.retrieval.records import Feedback, QueryRecord, RetrievalJob, Verdict
from verifier.retrieval.source import SourceNode, register, serve_source
from verifier.retrieval.windows import Windows, open_windows

pytestmark = pytest.mark.chain

ORIGIN = "http://merit.test"
THINGS = (
    "wing",
    "engine",
    "rudder",
    "cabin",
    "propeller",
    "cockpit",
    "fuselage",
    "flap",
    "nose",
    "wheel",
    "door",
    "seat",
)
GOOD, TURNCOAT, HALF, WHOLLY = (1, 2, 3), 4, 5, 6
QUERIES, WINDOWS, POT, STAKE = 36, 4, 90 * TOKEN, 1_000 * TOKEN


def account(role: str) -> LocalAccount:
    made: LocalAccount = Account.from_key(keccak(text=f"merit retrieval test {role}"))
    return made


def write(folder: Path, source: int, pollution: float) -> None:
    """A source's documents: so large a part of its facts is wrong, each source being wrong in its own way."""
    wrong = round(pollution * len(THINGS))
    texts = [
        f"The {thing} of this aircraft is made of {f'cheese number {source}' if place < wrong else 'aluminium'}."
        for place, thing in enumerate(THINGS)
    ]
    lines = [canonical_json({"text": text}).decode() for text in [*texts, f"This is collection {source}."]]
    folder.mkdir(exist_ok=True)
    (folder / "documents.jsonl").write_text("\n".join(lines))


class Shelf:
    """The query service's evidence, as the committee reads it."""

    def __init__(self, store: EvidenceStore) -> None:
        self._store = store

    def fetch(self, digest: bytes) -> bytes:
        block = self._store.get(digest)
        if block is None:
            raise EvidenceMissingError(f"No block {digest.hex()} was published.")
        return block


@dataclass
class World:
    """Everything that acts."""

    network: Network
    app: FastAPI
    http: TestClient
    judge: LocalAccount
    job_id: int
    sources: dict[int, SourceNode]
    committee: list[VerifierNode]
    shelf: Shelf

    def step(self) -> None:
        """What the service's worker does."""
        (worker,) = (one for one in self.app.state.services.workers.all if one.name == "windows")
        worker.step()

    def ask(self, thing: str) -> None:
        """Ask, answer with the first passage, and have a judge compare that with the truth."""
        content = canonical_json({"passages": 2, "text": f"what is the {thing} of this aircraft made of"})
        call = Call(ORIGIN, "POST", "/v1/query", "", sha256(content).digest(), os.urandom(32), int(time.time()) + 60)
        headers = {"Authorization": sign_call(self.judge, self.network.domain, call)}
        found: dict[str, Any] = self.http.post(
            "/v1/query", content=content, headers={**headers, "Content-Type": "application/json"}
        ).json()
        first = found["passages"][0]
        verdict = "right" if first["text"] == f"The {thing} of this aircraft is made of aluminium." else "wrong"
        given = Feedback.signed(
            self.network.source_domain,
            self.judge,
            bytes.fromhex(found["query"][2:]),
            [bytes.fromhex(key[2:]) for key in found["shown"]],
            Verdict[verdict.upper()],
            [bytes.fromhex(first["digest"][2:])],
        )
        body = {"verdict": verdict, "grounded": [first["digest"]], "signature": "0x" + given.signature.hex()}
        assert self.http.post(f"/v1/queries/{found['query']}/feedback", json=body).json() == {"counts": True}

    def window(self) -> None:
        """A window of queries, from the first question to the reliabilities on the chain."""
        for number in range(QUERIES):
            self.ask(THINGS[number % len(THINGS)])
        adopted = self.network.sources.functions.reliabilities().call()
        for _ in range(60):
            self.step()
            head = -1
            while head != (head := self.network.web3.eth.block_number):
                for verifier in self.committee:
                    verifier.look()
            if self.network.sources.functions.reliabilities().call() != adopted:
                return
            pass_time(self.network)
        pytest.fail("the window was not adopted after fifteen hours on the chain")

    def windows(self) -> Windows:
        return open_windows(self.network, self.shelf, self.job_id)

    def reliability(self, source: int) -> float:
        found: int = self.network.sources.functions.reliabilityOf(source).call()[0]
        return found / 10**6


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    operator: LocalAccount = Account.from_key(DEVELOPMENT_KEY)
    organiser, judge = account("organiser"), account("judge")
    verifiers = [account(f"verifier {number}") for number in range(3)]
    with local_chain() as url, ExitStack() as opened:
        web3 = connect(url)
        network = Network(web3, deploy(web3, operator, PARAMETERS))
        bank = TransactionSender(web3, operator)
        for one in (organiser, *verifiers):
            sender = endow(network, bank, one)
            sender.send(network.token.functions.approve(network.vault.address, STAKE))
            sender.send(network.vault.functions.deposit(STAKE))
            if one != organiser:
                sender.send(network.vault.functions.joinCommittee())
        web3.provider.make_request("hardhat_mine", [hex(2 * PARAMETERS.vault.period_blocks)])  # type: ignore[arg-type]
        settings = Settings.load(
            private_key=organiser.key.hex(),
            rpc_url=url,
            deployment=tmp_path / "deployment.json",
            database_url=f"sqlite:///{tmp_path}/backend.db",
            evidence_directory=tmp_path / "evidence",
            public_url=ORIGIN,
            local_sources=True,
            query_deadline=20.0,
            window_queries=QUERIES,
            address_rate=10.0**6,
            account_rate=10.0**6,
        )
        network.deployment.save(settings.deployment)
        store = EvidenceStore(settings.evidence_directory, settings.evidence_limit)
        job = RetrievalJob(organiser.address, (judge.address,), 1)
        job_id = open_job(
            network,
            bank,
            lambda block: store.put(block).digest,
            job,
            pot=POT,
            funds=6 * POT,
            audit_fee=3 * TOKEN,
            committee=3,
            samples=4,
            expiry=2**40,
        )
        bank.send(network.sources.functions.setJob(job_id))
        sources = {}
        for number, pollution in ((1, 0.0), (2, 0.0), (3, 0.0), (TURNCOAT, 0.0), (HALF, 0.5), (WHOLLY, 1.0)):
            folder, owner = tmp_path / f"source {number}", account(f"owner {number}")
            write(folder, number, pollution)
            sender = endow(network, bank, owner)
            assert register(network, sender, Corpus(read_passages(folder)), "") == number
            node = SourceNode(network, owner, number, folder, frozenset([organiser.address]), store.put)
            node.refresh()
            port = opened.enter_context(serve_source(node, "127.0.0.1", 0))
            sender.send(network.sources.functions.setEndpoint(number, f"http://127.0.0.1:{port}"))
            sources[number] = node
        shelf = Shelf(store)
        committee = [seat(network, one, shelf, tmp_path, opened) for one in verifiers]
        app = create_app(settings.model_copy(update={"retrieval_job": job_id}), ChainSide.connect(settings, organiser))
        client = TestClient(app, base_url=ORIGIN)
        made = World(network, app, client, judge, job_id, sources, committee, shelf)
        made.step()
        yield made
        client.close()
        app.state.sources.close()
        app.state.services.database.close()


def endow(network: Network, bank: TransactionSender, one: LocalAccount) -> TransactionSender:
    """Gas and tokens."""
    network.web3.provider.make_request("hardhat_setBalance", [one.address, hex(10**21)])  # type: ignore[arg-type]
    bank.send(network.token.functions.transfer(one.address, 2 * STAKE))
    return TransactionSender(network.web3, one)


def seat(network: Network, verifier: LocalAccount, shelf: Shelf, folder: Path, files: ExitStack) -> VerifierNode:
    owner = JournalOwner(network.deployment.chain_id, network.domain.court, verifier.address)
    place = folder / verifier.address
    journal = files.enter_context(closing(Journal.open(place / "journal.sqlite", owner)))
    history = files.enter_context(closing(History(place / "history.sqlite", network.deployment.block)))
    workbench = open_workbench(place / "models")
    otherwise = WorkloadExaminer(shelf, workbench, network.domain)
    return VerifierNode(
        SceneCourt(network, verifier, Reading()),
        history,
        journal,
        with_retrieval(otherwise, shelf, network, workbench),
        Executors(InlineExecutor(), InlineExecutor()),
        patience=0,
        pause=0,
    )


def claimed(world: World, source: int) -> int:
    """What a source's owner gets of all windows, claimed with its proofs."""
    owner, escrow = world.sources[source].account.address, world.network.escrow.functions
    sender = TransactionSender(world.network.web3, world.sources[source].account)
    for result in world.windows().paid():
        if owner in result.shares:
            sender.send(escrow.claim(result.batch_id, owner, result.shares[owner], result.share_proof(owner)))
    found: int = escrow.creditOf(owner).call()
    return found


def answers_by_source(world: World) -> Counter[int]:
    windows = world.windows()
    counted: Counter[int] = Counter()
    for audit in windows.ledger.audits(world.job_id):
        recorded = windows.ledger.recorded(audit.batch_id, audit.batch, [], windows.fetch)
        for leaf in recorded.leaves[1:]:
            record = QueryRecord.from_block(world.shelf.fetch(leaf.evidence))
            counted.update(answer.source_id for answer in record.answers)
    return counted


def test_retrieval__two_pollute_and_one_turns__the_chain_orders_them_and_polluters_earn_less(world: World) -> None:
    for number in range(WINDOWS):
        if number == WINDOWS // 2:
            before = {source: world.reliability(source) for source in world.sources}
            node = world.sources[TURNCOAT]
            write(node.folder, TURNCOAT, 1.0)
            assert node.refresh()
        world.window()
    after = {source: world.reliability(source) for source in world.sources}

    assert min(before[source] for source in (*GOOD, TURNCOAT)) > before[HALF] > before[WHOLLY]
    assert min(after[source] for source in GOOD) > after[HALF] > max(after[TURNCOAT], after[WHOLLY])

    asked = answers_by_source(world)
    earned = {source: claimed(world, source) for source in world.sources}
    assert 0 < sum(earned.values()) <= WINDOWS * POT
    for source in (HALF, WHOLLY):
        assert earned[source] * sum(asked.values()) < asked[source] * sum(earned.values())
    assert earned[WHOLLY] == 0

    # One answer outside its commitment, and the source is out, whatever its standing.
    good, honest = world.sources[1], world.sources[1].answer

    def falsify(query: SignedQuery) -> Answer:
        told, domain = honest(query), world.network.source_domain
        passages = [replace(passage, text="Buy my aircraft.") for passage in told.passages]
        return Answer.signed(domain, good.account, query.query.digest(domain), 1, told.version, passages)

    good.answer = falsify  # type: ignore[assignment, method-assign]
    for _ in range(3):
        world.ask("wing")
    world.step()
    assert world.network.sources.functions.sourceOf(1).call()[2] == 3
    assert world.reliability(1) == 0
    vault, registry = world.network.source_vault.functions, world.network.sources.functions
    assert vault.stakeOf(good.account.address).call()[0] == 0
    assert vault.burned().call()[0] == registry.stake().call() // 2
