"""How long a query takes: a service on a local chain asks 20 sources of 10,000 passages each.

Sources answer over HTTP from processes of their own, one for each core. Those in a process are separate sources with
separate keys and share one index: to build twenty takes minutes, and a search costs the same in either case.
"""

import argparse
import multiprocessing
import time
from collections.abc import Iterator
from contextlib import ExitStack
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import structlog
from eth_account import Account
from eth_account.signers.local import LocalAccount
from numpy.typing import NDArray
from report import Row, figure, parser, report

from backend.app import ChainSide, create_app
from backend.evidence.store import EvidenceStore
from backend.settings import Settings
from backend.sources.service import SourceService
from chain.deploy import deploy
from chain.localnet import DEVELOPMENT_KEY, local_chain
from chain.network import Network, connect
from chain.parameters import LOCAL, TOKEN
from chain.sender import TransactionSender
from verifier.retrieval.corpus import Commitment, Corpus
from verifier.retrieval.opening import open_job
from verifier.retrieval.records import RetrievalJob
from verifier.retrieval.source import SourceNode, serve_source

SOURCES, PASSAGES, QUERIES, WARM_UP = 20, 10_000, 200, 20
QUICK_PASSAGES = 500
_PROCESSES, _VOCABULARY, _WORDS = 2, 20_000, 60


def key(number: int) -> LocalAccount:
    made: LocalAccount = Account.from_key((0xBE << 16 | number).to_bytes(32, "big"))
    return made


def passages(seed: int, count: int) -> list[str]:
    """Words by Zipf's law, as in any language."""
    random = np.random.default_rng(seed)
    chances = 1 / np.arange(1, _VOCABULARY + 1)
    drawn = random.choice(_VOCABULARY, (count, _WORDS), p=chances / chances.sum())
    return [" ".join(f"w{word}" for word in row) for row in drawn]


class Shared(SourceNode):
    """A source over a corpus that is there already."""

    def load(self, corpus: Corpus) -> None:
        """Answer from it."""
        self._corpus, self._version = corpus, 1


def serve(pipe: Connection, seed: int, count: int) -> None:
    """A process of sources: tells its commitment, is told the network and the sources, tells the ports.

    Then it tells its processor time whenever it is asked, until it is told to end.
    """
    corpus = Corpus(passages(seed, count))
    pipe.send((corpus.commitment, corpus.passages[:QUERIES]))
    rpc, deployment, numbers = pipe.recv()
    network = Network.connect(rpc, deployment)
    with ExitStack() as opened:
        ports = {}
        for number in numbers:
            node = Shared(network, key(number), number, Path())
            node.load(corpus)
            ports[number] = opened.enter_context(serve_source(node, "127.0.0.1", 0))
        pipe.send(ports)
        while pipe.recv():
            pipe.send(time.process_time())


def measured(options: argparse.Namespace) -> Iterator[Row]:
    count = QUICK_PASSAGES if options.quick else PASSAGES
    spawn = multiprocessing.get_context("spawn")
    with local_chain() as url, TemporaryDirectory() as folder, ExitStack() as opened:
        pipes = []
        for seed in range(_PROCESSES):
            ours, theirs = spawn.Pipe()
            process = spawn.Process(target=serve, args=(theirs, seed, count), daemon=True)
            process.start()
            opened.callback(process.join, 10)
            opened.callback(ours.send, False)
            pipes.append(ours)
        network = Network(connect(url), deploy(connect(url), Account.from_key(DEVELOPMENT_KEY), LOCAL))
        told = [pipe.recv() for pipe in pipes]
        service, texts = started(network, url, Path(folder), pipes, [one[0] for one in told]), told[0][1]
        opened.callback(service.close)
        asker, taken = key(0).address, []
        for number in range(WARM_UP + QUERIES):
            if number == WARM_UP:
                busy = processor_times(pipes)
            words = texts[number % QUERIES].split()[:8]
            begun = time.perf_counter()
            found = service.query(asker, " ".join(words), 3)
            taken.append(time.perf_counter() - begun)
            assert found.passages, found.outcomes
        milliseconds = 1000 * np.array(taken[WARM_UP:])
        spent, searched = 1000 * (processor_times(pipes) - busy) / QUERIES
    what = f"query over {SOURCES} sources of {count:,} passages"
    yield figure(f"{what}, median", float(np.percentile(milliseconds, 50)), "ms", 30)
    yield figure(f"{what}, 99th percentile", float(np.percentile(milliseconds, 99)), "ms", 150)
    yield figure("processor time of the service for each", spent, "ms")
    yield figure("processor time of all asked sources for each", searched, "ms")


def processor_times(pipes: list[Connection]) -> NDArray[np.float64]:
    """Of this process, and of all sources together, in seconds."""
    for pipe in pipes:
        pipe.send(True)
    return np.array([time.process_time(), sum(pipe.recv() for pipe in pipes)])


def started(
    network: Network, url: str, folder: Path, pipes: list[Connection], commitments: list[Commitment]
) -> SourceService:
    """The query service, with all sources registered and answering."""
    organiser, bank = key(0), TransactionSender(network.web3, Account.from_key(DEVELOPMENT_KEY))
    numbers: dict[int, list[int]] = {process: [] for process in range(_PROCESSES)}
    stake = network.sources.functions.stake().call()
    for number in range(1, SOURCES + 1):
        process, owner = number % _PROCESSES, key(number)
        network.web3.provider.make_request("anvil_setBalance", [owner.address, hex(10**20)])  # type: ignore[arg-type]
        bank.send(network.token.functions.transfer(owner.address, stake))
        sender = TransactionSender(network.web3, owner)
        sender.send(network.token.functions.approve(network.source_vault.address, stake))
        sender.send(network.source_vault.functions.deposit(stake))
        sender.send(network.sources.functions.register(commitments[process].as_tuple(), ""))
        numbers[process].append(number)
    for process, pipe in enumerate(pipes):
        pipe.send((url, network.deployment, numbers[process]))
    for pipe in pipes:
        for number, port in pipe.recv().items():
            sender = TransactionSender(network.web3, key(number))
            sender.send(network.sources.functions.setEndpoint(number, f"http://127.0.0.1:{port}"))
    network.deployment.save(folder / "deployment.json")
    settings = Settings.load(
        private_key=organiser.key.hex(),
        rpc_url=url,
        deployment=folder / "deployment.json",
        database_url=f"sqlite:///{folder}/backend.db",
        evidence_directory=folder / "evidence",
        local_sources=True,
        window_queries=10**6,
    )
    store = EvidenceStore(settings.evidence_directory, settings.evidence_limit)
    job = open_job(
        network,
        bank,
        lambda block: store.put(block).digest,
        RetrievalJob(organiser.address, (), 1),
        pot=10 * TOKEN,
        funds=100 * TOKEN,
        audit_fee=3 * TOKEN,
        committee=3,
        samples=2,
        expiry=2**40,
    )
    side = ChainSide.connect(settings, organiser)
    app = create_app(settings.model_copy(update={"retrieval_job": job}), side)
    (keeper,) = (one for one in app.state.services.workers.all if one.name == "windows")
    keeper.step()
    service: SourceService = app.state.sources
    return service


def main() -> None:
    """Exits with 1 when a target is missed."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    options = parser(__doc__, f"sources of {QUICK_PASSAGES} passages").parse_args()
    report(options, lambda: measured(options))


if __name__ == "__main__":
    main()
