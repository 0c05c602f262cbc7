"""A local chain with the contracts, a job on it, accounts that may work, and the service, stepped by hand."""

import itertools
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Thread

import pytest
import uvicorn
from eth_account import Account
from eth_account.signers.local import LocalAccount
from structlog.testing import capture_logs
from web3.types import EventData

from backend.app import ChainSide, create_app
from backend.context import Services
from backend.local_postgres import create_database, local_postgres, postgres_programs
from backend.server import configure
from backend.settings import Settings
from chain.client import MeritClient
from chain.contribution import canonical_json, content_digest, parse_manifest
from chain.deploy import deploy
from chain.localnet import DEVELOPMENT_KEY, local_chain
from chain.network import Network, connect
from chain.parameters import LOCAL, TOKEN
from chain.sender import TransactionSender
from tests.integration.command import run_merit

SPECIFICATION = canonical_json({"kind": "inference", "model": "00" * 32, "workload": "text-generation"})
PRICE = TOKEN // 100
_NUMBERS = itertools.count()
LEFT_OUT = pytest.StashKey[int]()


@dataclass(frozen=True)
class Chain:
    """A deployment on anvil, which mines a block for each transaction, and the keys of those who act on it."""

    url: str
    network: Network
    owner: LocalAccount
    contributor: LocalAccount
    recorder: LocalAccount

    def sender(self, account: LocalAccount) -> TransactionSender:
        return TransactionSender(self.network.web3, account)

    def fund(self, account: LocalAccount, tokens: int) -> None:
        """Currency for transactions, and tokens."""
        self.rpc("anvil_setBalance", account.address, hex(10**20))
        self.sender(self.owner).send(self.network.token.functions.transfer(account.address, tokens * TOKEN))

    def stake(self, account: LocalAccount, tokens: int) -> None:
        sender, vault = self.sender(account), self.network.vault
        sender.send(self.network.token.functions.approve(vault.address, tokens * TOKEN))
        sender.send(vault.functions.deposit(tokens * TOKEN))

    def open_job(self, tokens: int = 1_000, audit_rate: int = 2_000) -> int:
        """A job of the owner's; so low an audit rate is admitted because the slash is a hundred times the price."""
        terms = (0, PRICE, TOKEN, 100 * PRICE, audit_rate, audit_rate, 3, 2, 1, 40, 40, 80, 2**40)
        sender, escrow = self.sender(self.owner), self.network.escrow
        sender.send(self.network.token.functions.approve(escrow.address, tokens * TOKEN))
        sender.send(escrow.functions.open((*terms, content_digest(SPECIFICATION)), tokens * TOKEN))
        count: int = escrow.functions.jobCount().call()
        return count

    def recorded(self) -> list[EventData]:
        """All `Recorded` events, in order."""
        return list(self.network.court.events.Recorded().get_logs(from_block=self.network.deployment.block))

    def mine(self, blocks: int = 1, seconds: int = 1) -> None:
        self.rpc("anvil_mine", hex(blocks), hex(seconds))

    def rpc(self, method: str, *params: object) -> object:
        answer = self.network.web3.provider.make_request(method, list(params))  # type: ignore[arg-type]
        assert "error" not in answer, answer
        return answer["result"]


@dataclass(frozen=True)
class Service:
    """The running service. `step` makes steps of its workers by hand, and lets nothing fail in silence."""

    url: str
    services: Services
    opened: list[MeritClient] = field(default_factory=list)

    def step(self, *names: str) -> None:
        for worker in self.services.workers.all:
            if not names or worker.name in names:
                worker.step()

    def leaves_on(self, chain: Chain) -> list[bytes]:
        """Hashes of all recorded leaves, by the manifests that the service keeps."""
        manifests = [
            self.services.evidence.get(bytes(event["args"]["batch"]["dataHash"])) for event in chain.recorded()
        ]
        return [leaf.hash for manifest in manifests for leaf in parse_manifest(manifest or b"")]

    def client(self, chain: Chain, account: LocalAccount | None = None) -> MeritClient:
        client = MeritClient(self.url, chain.network.domain, account or chain.contributor)
        self.opened.append(client)
        return client


Merit = Callable[..., tuple[int, str, str]]
Start = Callable[..., AbstractContextManager[Service]]
ENGINES = ("sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Without PostgreSQL its tests are deselected, and the summary says so."""
    if postgres_programs() is not None:
        return
    left_out = [item for item in items if item.get_closest_marker("postgresql")]
    config.stash[LEFT_OUT] = len(left_out)
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """At the end, where it is read."""
    if config.stash.get(LEFT_OUT, 0):
        terminalreporter.write_line(
            f"PostgreSQL is not installed: the service was tested on SQLite alone, and {config.stash[LEFT_OUT]} tests "
            "were deselected. Install PostgreSQL to run them.",
            yellow=True,
        )


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The folder of a PostgreSQL cluster."""
    programs = postgres_programs()
    assert programs is not None
    with local_postgres(programs, fsync=False) as folder:
        yield folder


@pytest.fixture(params=ENGINES)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database on each engine."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/backend.db"
    return create_database(request.getfixturevalue("postgres"), f"test_{next(_NUMBERS)}")


@pytest.fixture(scope="module")
def anvil() -> Iterator[str]:
    with local_chain() as url:
        yield url


@pytest.fixture
def chain(anvil: str) -> Iterator[Chain]:
    """A fresh deployment on the module's anvil."""
    web3 = connect(anvil)
    owner: LocalAccount = Account.from_key(DEVELOPMENT_KEY)
    network = Network(web3, deploy(web3, owner, replace(LOCAL, reputation=replace(LOCAL.reputation, epoch_length=1))))
    contributor, recorder = (Account.from_key(number.to_bytes(32, "big")) for number in (11, 12))
    chain = Chain(anvil, network, owner, contributor, recorder)
    chain.fund(contributor, 10_000)
    chain.fund(recorder, 1_000)
    chain.stake(contributor, 10_000)
    yield chain
    close_connections(network)


def close_connections(network: Network) -> None:
    """web3 keeps a connection for each thread, and has no way of closing them."""
    for session in network.web3.provider._request_session_manager.session_cache._data.values():
        session.close()


@pytest.fixture
def start(chain: Chain, tmp_path: Path, database_url: str) -> Start:
    """Run the service against the chain, again and again on the same database, with settings that differ."""

    def start_service(*, with_workers: bool = False, **overrides: object) -> AbstractContextManager[Service]:
        settings = settings_for(chain, tmp_path, **{"database_url": database_url, **overrides})
        return running(settings, with_workers=with_workers)

    return start_service


def settings_for(chain: Chain, folder: Path, **overrides: object) -> Settings:
    path = folder / "deployment.json"
    chain.network.deployment.save(path)
    defaults: dict[str, object] = {
        "rpc_url": chain.url,
        "deployment": path,
        "private_key": Account.from_key(chain.recorder.key).key.hex(),
        "database_url": f"sqlite:///{folder}/backend.db",
        "evidence_directory": folder / "evidence",
        "batch_age": 0.0,
        "signature_margin": 60,
        "poll_interval": 0.05,
    }
    return Settings.load(**defaults | overrides)


@contextmanager
def running(settings: Settings, *, with_workers: bool = False) -> Iterator[Service]:
    """The service on a free port, without its threads unless they are asked for."""
    side = ChainSide.connect(settings, settings.account())
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        app = create_app(settings.model_copy(update={"public_url": url}), side)
        config = configure(app, settings.trusted_proxies)
        config.lifespan = "on" if with_workers else "off"
        server = uvicorn.Server(config)
        thread = Thread(target=server.run, args=([listener],))
        thread.start()
        service = Service(url, app.state.services)
        try:
            yield service
        finally:
            for client in service.opened:
                client.close()
            server.should_exit = True
            thread.join()
            app.state.services.database.close()
            side.close()
            close_connections(side.network)


@pytest.fixture
def service(start: Start) -> Iterator[Service]:
    with start(propose_epochs=True) as service:
        yield service


@pytest.fixture
def merit(
    chain: Chain,
    service: Service,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Merit]:
    """Runs `merit` against the service with the given words; gives exit status, values and diagnostics."""
    monkeypatch.setenv("MERIT_API_URL", service.url)
    monkeypatch.setenv("MERIT_RPC_URL", chain.url)
    monkeypatch.setenv("MERIT_DEPLOYMENT", str(tmp_path / "deployment.json"))
    monkeypatch.setenv("MERIT_PRIVATE_KEY", chain.contributor.key.hex())

    def run(*words: object) -> tuple[int, str, str]:
        status, values, diagnostics = run_merit(words, monkeypatch, capsys)
        return status, values.strip(), diagnostics.strip()

    with capture_logs():  # the service runs in this process, and its log is not the command's answer
        yield run
