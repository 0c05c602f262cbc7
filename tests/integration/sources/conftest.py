"""A chain with Merit on it and accounts that hold tokens; each test's transactions are undone."""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest
from eth_account import Account
from eth_account.signers.local import LocalAccount
from fastapi import FastAPI
from web3 import Web3
from web3.types import RPCEndpoint

from backend.app import ChainSide, create_app
from backend.evidence.store import EvidenceStore
from backend.settings import Settings
from backend.sources.service import SourceService
from chain.contribution import canonical_json
from chain.deploy import deploy
from chain.localnet import DEVELOPMENT_KEY, local_chain
from chain.network import Network, connect
from chain.parameters import LOCAL, TOKEN
from chain.sender import TransactionSender
from chain.signed_call import sign_call
from chain.typed_data import Call
from tests.app_transport import AppTransport
from verifier.retrieval.corpus import Corpus
from verifier.retrieval.opening import open_job
from verifier.retrieval.reading import read_passages
from verifier.retrieval.records import Feedback, RetrievalJob, Verdict
from verifier.retrieval.source import SourceNode, register, serve_source

ORIGIN = "http://merit.test"
THINGS = ("wing", "engine", "rudder", "cabin", "propeller", "cockpit")
FUNDS = 1_000 * TOKEN


@pytest.fixture(scope="session")
def deployed() -> Iterator[Network]:
    """The contracts on a fresh chain."""
    with local_chain() as url:
        web3 = connect(url)
        yield Network(web3, deploy(web3, Account.from_key(DEVELOPMENT_KEY), LOCAL))


@pytest.fixture
def network(deployed: Network) -> Iterator[Network]:
    """As deployed."""
    provider = deployed.web3.provider
    kept = provider.make_request(RPCEndpoint("evm_snapshot"), [])["result"]
    yield deployed
    provider.make_request(RPCEndpoint("evm_revert"), [kept])


@pytest.fixture
def operator(network: Network) -> TransactionSender:
    """Whoever deployed."""
    return TransactionSender(network.web3, Account.from_key(DEVELOPMENT_KEY))


@pytest.fixture
def funded(network: Network, operator: TransactionSender) -> Callable[[int], LocalAccount]:
    """Makes accounts, by number, that have ether and tokens."""

    def make(number: int) -> LocalAccount:
        account: LocalAccount = Account.from_key(number.to_bytes(32, "big"))
        ether = hex(Web3.to_wei(10, "ether"))
        network.web3.provider.make_request(RPCEndpoint("anvil_setBalance"), [account.address, ether])
        operator.send(network.token.functions.transfer(account.address, FUNDS))
        return account

    return make


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Documents."""
    made = tmp_path / "documents"
    made.mkdir()
    (made / "wings.txt").write_text("The wing creates lift.\n\n" + "Lift grows with the angle of the wing. " * 25)
    (made / "engines.md").write_text("Engines burn fuel at high altitude.")
    return made


@dataclass
class Street:
    """A query service over three sources, one of them polluted, and whoever asks and judges."""

    network: Network
    app: FastAPI
    http: httpx.Client
    judge: LocalAccount
    sources: dict[int, SourceNode]

    @property
    def service(self) -> SourceService:
        """Behind the endpoints."""
        service: SourceService = self.app.state.sources
        return service

    def step(self) -> None:
        """What the service's worker does."""
        (worker,) = (one for one in self.app.state.services.workers.all if one.name == "windows")
        worker.step()

    def post(self, path: str, document: Any, account: LocalAccount | None = None) -> httpx.Response:
        """The answer to a request that the judge, or another, has signed."""
        return self._signed("POST", path, canonical_json(document), account or self.judge)

    def get(self, path: str, account: LocalAccount) -> httpx.Response:
        """The answer to a question that an account has signed."""
        return self._signed("GET", path, b"", account)

    def _signed(self, method: str, path: str, content: bytes, account: LocalAccount) -> httpx.Response:
        expiry = int(time.time()) + 60
        call = Call(ORIGIN, method, path, "", sha256(content).digest(), os.urandom(32), expiry)
        headers = {"Authorization": sign_call(account, self.network.domain, call), "Content-Type": "application/json"}
        return self.http.request(method, path, content=content, headers=headers)

    def feed_back(
        self, found: dict[str, Any], verdict: str, grounded: Sequence[int], account: LocalAccount | None = None
    ) -> httpx.Response:
        """Say what the answer to a query is worth; grounded: places of passages in it."""
        query = bytes.fromhex(found["query"][2:])
        shown = [bytes.fromhex(key[2:]) for key in found["shown"]]
        digests = [found["passages"][place]["digest"] for place in grounded]
        given = Feedback.signed(
            self.network.source_domain,
            account or self.judge,
            query,
            shown,
            {"no_reference": Verdict.NO_REFERENCE, "right": Verdict.RIGHT, "wrong": Verdict.WRONG}[verdict],
            [bytes.fromhex(digest[2:]) for digest in digests],
        )
        body = {"verdict": verdict, "grounded": digests, "signature": "0x" + given.signature.hex()}
        return self.http.post(f"/v1/queries/{found['query']}/feedback", json=body)


@pytest.fixture
def street(
    network: Network, operator: TransactionSender, funded: Callable[[int], LocalAccount], tmp_path: Path
) -> Iterator[Street]:
    organiser, judge = funded(0x0A), funded(0xA5)
    settings = Settings.load(
        private_key=organiser.key.hex(),
        rpc_url=network.web3.provider.endpoint_uri,  # type: ignore[attr-defined]
        database_url=f"sqlite:///{tmp_path}/backend.db",
        evidence_directory=tmp_path / "evidence",
        public_url=ORIGIN,
        local_sources=True,
        query_deadline=20.0,
        window_queries=4,
        deployment=tmp_path / "deployment.json",
    )
    network.deployment.save(settings.deployment)
    store = EvidenceStore(settings.evidence_directory, settings.evidence_limit)
    sender = TransactionSender(network.web3, organiser)
    sender.send(network.token.functions.approve(network.vault.address, 100 * TOKEN))
    sender.send(network.vault.functions.deposit(100 * TOKEN))
    job = open_job(
        network,
        operator,
        lambda block: store.put(block).digest,
        RetrievalJob(organiser.address, (judge.address,), 1),
        pot=10 * TOKEN,
        funds=100 * TOKEN,
        audit_fee=3 * TOKEN,
        committee=3,
        samples=2,
        expiry=2**40,
    )
    operator.send(network.sources.functions.setJob(job))
    with ExitStack() as opened:
        nodes = {}
        for number, material in ((1, "aluminium"), (2, "aluminium"), (3, "cheese")):
            folder = tmp_path / f"source {number}"
            folder.mkdir()
            texts = [f"The {thing} of this aircraft is made of {material}." for thing in THINGS]
            lines = [canonical_json({"text": text}).decode() for text in [*texts, f"Collection {number}."]]
            (folder / "documents.jsonl").write_text("\n".join(lines))
            owner = funded(0x50 + number)
            sender = TransactionSender(network.web3, owner)
            registered = register(network, sender, Corpus(read_passages(folder)), "http://127.0.0.1:1")
            node = SourceNode(network, owner, registered, folder, frozenset([organiser.address]), store.put)
            node.refresh()
            port = opened.enter_context(serve_source(node, "127.0.0.1", 0))
            sender.send(network.sources.functions.setEndpoint(registered, f"http://127.0.0.1:{port}/"))
            nodes[registered] = node
        app = create_app(settings.model_copy(update={"retrieval_job": job}), ChainSide.connect(settings, organiser))
        with httpx.Client(base_url=ORIGIN, transport=AppTransport(app)) as client:
            made = Street(network, app, client, judge, nodes)
            made.step()
            yield made
        made.service.close()
        app.state.services.database.close()
