"""The service over a model of the chain: no socket is opened in these tests."""

import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest
from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_typing import ChecksumAddress
from fastapi import FastAPI

from backend.accounts.service import Holdings
from backend.app import ChainSide, create_app
from backend.batches.closing import batch_id
from backend.context import Services
from backend.indexer.source import Head
from backend.jobs.service import JobState
from backend.settings import Settings
from backend.signatures import SignatureChecker
from chain.client import MeritClient
from chain.contribution import Batch, Leaf
from chain.deployment import Deployment
from chain.errors import TransactionRevertedError
from chain.events import Event
from chain.signed_call import sign_call
from chain.typed_data import Call, Domain, signer_of
from tests.app_transport import AppTransport

COURT = Account.from_key(b"\x07" * 32).address
RECORDER: LocalAccount = Account.from_key(b"\x01" * 32)
OWNER: LocalAccount = Account.from_key(b"\x02" * 32)
CONTRIBUTOR: LocalAccount = Account.from_key(b"\x03" * 32)
OTHER: LocalAccount = Account.from_key(b"\x04" * 32)
DOMAIN = Domain(31337, COURT)
ORIGIN = "http://test"
START = 1_800_000_000
TERMS = {"price": 10, "auditFee": 100, "slashPerUnit": 1_000, "expiry": START * 2, "samples": 2, "kind": 0}


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_socket: socket.socket, address: object) -> None:
        raise AssertionError(f"a unit test tried to connect to {address}")

    monkeypatch.setattr(socket.socket, "connect", refuse)


def leaf(sequence: int, job: int = 1, account: LocalAccount = CONTRIBUTOR, units: int = 3, salt: int = 0) -> Leaf:
    """A leaf whose content follows from its number and `salt`."""
    content = sha256(f"{sequence}/{salt}".encode()).digest()
    return Leaf(job, account.address, sequence, units, content, content[::-1])


@dataclass
class ModelBlock:
    hash: bytes
    parent: bytes
    time: int
    events: list[Event] = field(default_factory=list)


class ModelChain:
    """The court, the escrow and the log, reduced to what the service relies on: order, signatures, and forgetting."""

    def __init__(self) -> None:
        self.time = START
        self.blocks = [ModelBlock(sha256(b"genesis").digest(), bytes(32), START)]
        self.jobs = {number: JobState(OWNER.address, dict(TERMS), 10**12, 0, False) for number in (1, 2)}
        self.stakes: dict[str, int] = {CONTRIBUTOR.address: 10**9, OTHER.address: 10**9}
        self.paused = False
        self.forks = 0
        self.sent = 0
        self.asked = 0

    # ---------------------------------------------------------------- EventSource

    def head(self) -> Head:
        return Head(len(self.blocks) - 1, self.blocks[-1].time)

    def block(self, number: int) -> tuple[bytes, bytes] | None:
        if number >= len(self.blocks):
            return None
        return self.blocks[number].hash, self.blocks[number].parent

    def events(self, first: int, last: int) -> list[Event]:
        return [event for block in self.blocks[first : last + 1] for event in block.events]

    def mine(self, *events: tuple[str, str, dict[str, Any]]) -> None:
        """A block with one transaction that emits (contract, event, arguments)."""
        number = len(self.blocks)
        self.time += 1
        parent = self.blocks[-1].hash
        hash_ = sha256(parent + f"{number}/{self.forks}/{events}".encode()).digest()
        block = ModelBlock(hash_, parent, self.time)
        for index, (contract, name, args) in enumerate(events):
            block.events.append(Event(contract, name, args, number, hash_, sha256(hash_).digest(), index))
        self.blocks.append(block)

    def reorganise(self, depth: int) -> None:
        """Forget the newest `depth` blocks; the next ones will have other hashes."""
        self.forks += 1
        del self.blocks[max(1, len(self.blocks) - depth) :]

    # ---------------------------------------------------------------- Court

    def recorded(self) -> list[dict[str, Any]]:
        """Arguments of `Recorded`, in order."""
        return [event.args for event in self.events(0, len(self.blocks)) if event.name == "Recorded"]

    def phase(self, batch: bytes) -> str:
        self.asked += 1
        return "recorded" if any(args["batchId"] == batch for args in self.recorded()) else "none"

    def next_leaf(self, job_id: int, contributor: str) -> int:
        batches = [args["batch"] for args in self.recorded()]
        ends = [
            batch["first"] + batch["count"]
            for batch in batches
            if (batch["jobId"], batch["contributor"]) == (job_id, contributor)
        ]
        return max(ends, default=0)

    def record(self, batches: list[Batch], signatures: list[bytes]) -> int:
        self.sent += 1
        if self.paused:
            raise refusal("EnforcedPause")
        events = []
        ends: dict[tuple[int, str], int] = {}
        for batch, signature in zip(batches, signatures, strict=True):
            key = (batch.job_id, batch.contributor)
            expected = ends.get(key, self.next_leaf(*key))
            if self.time > batch.deadline:
                raise refusal("AuditCourtSignatureExpired", deadline=batch.deadline)
            if signer_of(DOMAIN.batch(batch), signature) != batch.contributor:
                raise refusal("AuditCourtInvalidSignature")
            if batch.first != expected:
                raise refusal("AuditCourtUnexpectedFirst", expected=expected, given=batch.first)
            if self.stakes.get(batch.contributor, 0) < batch.units * TERMS["slashPerUnit"]:
                raise refusal("StakeVaultInsufficientStake")
            if self.jobs[batch.job_id].closed:
                raise refusal("JobEscrowClosed", jobId=batch.job_id)
            ends[key] = batch.first + batch.count
            events.append(("AuditCourt", "Recorded", recorded_args(batch)))
        self.mine(*events)
        return self.head().number

    def draw(self, batch: Batch) -> None:
        raise refusal("AuditCourtSeedNotReady")

    def finalize(self, *_: object) -> None:
        raise refusal("AuditCourtWrongPhase")

    def settle(self, batch: Batch) -> None:
        raise refusal("AuditCourtTooEarly")

    # ---------------------------------------------------------------- JobSource, AccountReader

    def job(self, job_id: int) -> JobState | None:
        return self.jobs.get(job_id)

    def free_stake(self, account: ChecksumAddress) -> int:
        return self.stakes.get(account, 0)

    def holdings(self, account: ChecksumAddress) -> Holdings:
        return Holdings(5, self.stakes.get(account, 0), 0, 0, 0, 0, 7, 0, 5 * 10**17, False)

    def close_job(self, job_id: int) -> None:
        self.jobs[job_id] = replace(self.jobs[job_id], closed=True)


def refusal(name: str, **arguments: Any) -> TransactionRevertedError:
    return TransactionRevertedError(name, arguments, f"The contract refused the call: {name}.")


def recorded_args(batch: Batch, seed_block: int = 5) -> dict[str, Any]:
    names = ("jobId", "contributor", "first", "count", "units", "leavesRoot", "dataHash", "deadline")
    return {
        "batchId": batch_id(DOMAIN, batch),
        "requester": OWNER.address,
        "batch": dict(zip(names, batch.as_tuple(), strict=True)),
        "seedBlock": seed_block,
    }


@dataclass
class Service:
    """The application over the model, its workers stepped by hand, its clock set by hand."""

    app: FastAPI
    model: ModelChain
    http: httpx.Client
    pauses: list[float] = field(default_factory=list)

    @property
    def services(self) -> Services:
        services: Services = self.app.state.services
        return services

    def step(self, *names: str) -> None:
        for worker in self.services.workers.all:
            if not names or worker.name in names:
                worker.step()

    def signed(
        self, method: str, path: str, content: bytes = b"", account: LocalAccount = CONTRIBUTOR, **headers: str
    ) -> httpx.Response:
        """The answer to a request that an account has signed."""
        authorization = authorize(method, path, content, account, expiry=int(self.model.time) + 60)
        return self.http.request(method, path, content=content, headers={"Authorization": authorization, **headers})

    def client(self, account: LocalAccount | None = CONTRIBUTOR) -> MeritClient:
        return MeritClient(
            ORIGIN,
            DOMAIN,
            account,
            transport=AppTransport(self.app),
            sleep=self.pauses.append,
            clock=lambda: self.model.time,
        )


def authorize(
    method: str,
    path: str,
    content: bytes = b"",
    account: LocalAccount = CONTRIBUTOR,
    *,
    expiry: int,
    origin: str = ORIGIN,
    nonce: bytes | None = None,
    domain: Domain = DOMAIN,
) -> str:
    """The header of a signed request."""
    target, _, query = path.partition("?")
    body = sha256(content).digest()
    return sign_call(account, domain, Call(origin, method, target, query, body, nonce or os.urandom(32), expiry))


def settings_in(folder: Path, **overrides: Any) -> Settings:
    defaults: dict[str, Any] = {
        "private_key": "0x" + "01" * 32,
        "database_url": f"sqlite:///{folder}/backend.db",
        "evidence_directory": folder / "evidence",
        "batch_leaves": 8,
        "batch_age": 10.0,
        "evidence_limit": 1 << 20,
        "body_limit": 1 << 18,
        "public_url": ORIGIN,
    }
    return Settings.load(**defaults | overrides)


def service_over(model: ModelChain, folder: Path, **overrides: Any) -> Service:
    side = ChainSide(
        deployment=Deployment(31337, 1, {"AuditCourt": COURT}),
        source=model,
        court=model,
        jobs=model,
        accounts=model,
        signatures=SignatureChecker(None),
    )
    app = create_app(settings_in(folder, **overrides), side, clock=lambda: float(model.time))
    return Service(app, model, httpx.Client(base_url=ORIGIN, transport=AppTransport(app)))


@pytest.fixture
def model() -> ModelChain:
    return ModelChain()


@pytest.fixture
def service(model: ModelChain, tmp_path: Path) -> Iterator[Service]:
    service = service_over(model, tmp_path)
    yield service
    service.services.database.close()
