"""How many signed contributions the service takes, how fast it answers, and whether it keeps what it promised.

    python benchmarks/service.py [--quick] [--json] [--database-url URL]

Client, service and chain are processes of their own. Submissions are signed before the clock starts, each contributor's
one after the other; contributors send at the same time. At the end every receipt is looked up on the chain. The peer is
a bare FastAPI application that only reads the same requests. Without `--quick` each load lasts for a minute.
"""

import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import psutil
from eth_account import Account
from eth_account.signers.local import LocalAccount
from load.clients import Sent, follow, read, send
from report import Row, beside, figure, parser, report

from backend.contributions.open_leaves import OpenLeaves
from backend.contributions.schemas import NewLeaf, Submission
from backend.local_postgres import create_database, local_postgres, postgres_programs
from chain.client import MeritClient
from chain.contribution import Leaf, parse_manifest
from chain.deploy import deploy
from chain.localnet import DEVELOPMENT_KEY, free_port, local_chain
from chain.network import Network, connect
from chain.parameters import LOCAL, TOKEN
from chain.sender import TransactionSender
from chain.typed_data import sign

CONTRIBUTORS = 16
BATCH_LEAVES = 256
LISTENERS = 200
PATIENCE = 120.0
SINGLES, BULK, READS = 500, 5_000, 1_000  # what is to be reached, a second
PROGRAM = "from backend.server import serve; from backend.settings import Settings; serve(Settings.load())"
PEER = str(Path(__file__).parent / "peers" / "bare_service.py")
# As docs/backend/README.md recommends it to operators.
ON_ONE_CORE = ["taskset", "-c", str(max(os.sched_getaffinity(0)))] if shutil.which("taskset") else []
PROCESSES = multiprocessing.get_context("spawn")


@dataclass(frozen=True)
class Stage:
    """A chain with a funded job and staked contributors, and the service on it."""

    network: Network
    url: str
    service: psutil.Process
    job: int
    contributors: list[LocalAccount]


@contextmanager
def stage(database_url: str | None) -> Iterator[Stage]:
    """Everything that the load needs, in a folder of its own; a SQLite file unless a database is named."""
    with tempfile.TemporaryDirectory(prefix="merit-load-") as name, local_chain() as rpc_url:
        folder = Path(name)
        owner: LocalAccount = Account.from_key(DEVELOPMENT_KEY)
        web3 = connect(rpc_url)
        network = Network(web3, deploy(web3, owner, LOCAL))
        network.deployment.save(folder / "deployment.json")
        sender = TransactionSender(web3, owner)
        contributors = [Account.from_key((1000 + number).to_bytes(32, "big")) for number in range(CONTRIBUTORS)]
        for account in contributors:
            fund(network, sender, account)
        job = open_job(network, sender)
        recorder = Account.from_key((999).to_bytes(32, "big"))
        web3.provider.make_request("anvil_setBalance", [recorder.address, hex(10**22)])  # type: ignore[arg-type]
        port = free_port()
        environment = {
            "MERIT_RPC_URL": rpc_url,
            "MERIT_DEPLOYMENT": str(folder / "deployment.json"),
            "MERIT_PRIVATE_KEY": "0x" + recorder.key.hex().removeprefix("0x"),
            "MERIT_DATABASE_URL": database_url or f"sqlite:///{folder}/backend.db",
            "MERIT_EVIDENCE_DIRECTORY": str(folder / "evidence"),
            "MERIT_PORT": str(port),
            "MERIT_BATCH_LEAVES": str(BATCH_LEAVES),
            "MERIT_BATCH_AGE": "3600",
            "MERIT_KEEP_AUDITS": "false",
            "MERIT_LOG_LEVEL": "error",
            "MERIT_ADDRESS_RATE": "1e9",  # all load comes from one address, and as fast as it goes
            "MERIT_ACCOUNT_RATE": "1e9",
        }
        with running(["-c", PROGRAM], port, environment) as (url, process):
            yield Stage(network, url, process, job, contributors)


@contextmanager
def running(words: list[str], port: int, environment: dict[str, str]) -> Iterator[tuple[str, psutil.Process]]:
    """A service in a process of its own, once it answers."""
    process = subprocess.Popen([*ON_ONE_CORE, sys.executable, *words], env=os.environ | environment)
    url = f"http://127.0.0.1:{port}"
    try:
        await_ready(url)
        yield url, psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(timeout=60)


def await_ready(url: str) -> None:
    """Until the service answers."""
    for _ in range(600):
        try:
            if httpx.get(f"{url}/ready").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise SystemExit("The service did not start; see what it printed.")


def fund(network: Network, sender: TransactionSender, account: LocalAccount) -> None:
    """A contributor with stake for all it will do."""
    amount = 1_000_000 * TOKEN
    network.web3.provider.make_request("anvil_setBalance", [account.address, hex(10**21)])  # type: ignore[arg-type]
    sender.send(network.token.functions.transfer(account.address, amount))
    own = TransactionSender(network.web3, account)
    own.send(network.token.functions.approve(network.vault.address, amount))
    own.send(network.vault.functions.deposit(amount))


def open_job(network: Network, sender: TransactionSender) -> int:
    """A job that can pay for everything."""
    amount = 1_000_000 * TOKEN
    terms = (0, TOKEN // 1000, TOKEN, TOKEN // 100, 9_000, 9_000, 3, 2, 1, 40, 40, 80, 2**40, b"\x01" * 32)
    sender.send(network.token.functions.approve(network.escrow.address, amount))
    sender.send(network.escrow.functions.open(terms, amount))
    count: int = network.escrow.functions.jobCount().call()
    return count


def submissions(stage: Stage, account: LocalAccount, first: int, count: int, each: int) -> list[bytes]:
    """`count` leaves from number `first` on, `each` to a submission, signed as the open batch will stand by then."""
    made = []
    deadline = int(time.time()) + 86_400
    opened = OpenLeaves(stage.job, account.address, first)
    for start in range(first, first + count, each):
        for number in range(start, start + each):
            leaf = Leaf(stage.job, account.address, number, 1, number.to_bytes(32, "big"), bytes(32))
            opened.append(leaf, leaf.hash)
        submission = Submission(
            job_id=stage.job,
            contributor=account.address,
            first=opened.first,
            deadline=deadline,
            signature=sign(account, stage.network.domain.batch(opened.batch(deadline))),
            leaves=[
                NewLeaf(sequence=number, units=1, trace_root=number.to_bytes(32, "big"), evidence=bytes(32))
                for number in range(start, start + each)
            ],
        )
        made.append(submission.model_dump_json().encode())
        if len(opened.ids) >= BATCH_LEAVES:
            opened = OpenLeaves(stage.job, account.address, opened.next)
    return made


def apart(load: Callable[..., Sent], *arguments: Any) -> Sent:
    """A load from a process of its own."""
    with ProcessPoolExecutor(1, mp_context=PROCESSES) as process:
        return process.submit(load, *arguments).result()


@contextmanager
def followed(stage: Stage, batches: int) -> Iterator[Callable[[], int]]:
    """With everybody listening; yields a function that waits until all have seen so many batches recorded.

    It returns how many event streams have not.
    """
    ours, theirs = PROCESSES.Pipe()
    listeners = PROCESSES.Process(target=follow, args=(stage.url, LISTENERS, batches, 600.0, theirs))
    listeners.start()
    if not ours.poll(PATIENCE):
        raise SystemExit("The event streams could not be opened.")
    ours.recv()
    yield lambda: int(ours.recv()) if ours.poll(PATIENCE) else LISTENERS
    listeners.terminate()
    listeners.join()


def missing_on_chain(stage: Stage, receipts: list[str]) -> tuple[int, int]:
    """Receipts whose leaf is not on the chain after some patience, and leaves that are there twice."""
    court = stage.network.court
    until = time.monotonic() + PATIENCE
    manifests: dict[bytes, list[str]] = {}
    with MeritClient(stage.url, stage.network.domain) as client:
        while True:
            events = court.events.Recorded().get_logs(from_block=stage.network.deployment.block)
            digests = [bytes(event["args"]["batch"]["dataHash"]) for event in events]
            for digest in set(digests) - set(manifests):
                leaves = parse_manifest(client.evidence(digest) or b"")
                manifests[digest] = ["0x" + leaf.hash.hex() for leaf in leaves]
            found = [leaf for digest in digests for leaf in manifests[digest]]
            missing = len(set(receipts) - set(found))
            if missing == 0 or time.monotonic() > until:
                return missing, len(found) - len(set(found))
            time.sleep(1)


@dataclass(frozen=True)
class Load:
    """A load as it was met: by the service, or by the peer."""

    sent: Sent
    processor: float  # seconds that the serving process worked

    @classmethod
    def of(cls, process: psutil.Process, load: Callable[..., Sent], *arguments: Any) -> "Load":
        """Put it on a process that serves."""
        before = sum(process.cpu_times()[:2])
        sent = apart(load, *arguments)
        return cls(sent, sum(process.cpu_times()[:2]) - before)

    @property
    def rate(self) -> float:
        """Requests a second."""
        return len(self.sent.latencies) / self.sent.seconds

    @property
    def cost(self) -> float:
        """Processor time of the service, in microseconds per request."""
        return self.processor / len(self.sent.latencies) * 1e6


def against(name: str, ours: Load, peer: Load, each: int = 1) -> Row:
    """What one of `each` contributions in a request costs, and what it costs the peer."""
    return beside(figure(f"  processor time for each {name}", ours.cost / each, "us"), "bare FastAPI", peer.cost / each)


def measure(stage: Stage, seconds: int) -> Iterator[Row]:
    """The loads, one after the other."""
    singles = max(1, seconds * SINGLES // CONTRIBUTORS // BATCH_LEAVES) * BATCH_LEAVES
    bulk = max(1, seconds * BULK // CONTRIBUTORS // BATCH_LEAVES) * BATCH_LEAVES
    alone = [submissions(stage, account, 0, singles, 1) for account in stage.contributors]
    together = [submissions(stage, account, singles, bulk, BATCH_LEAVES) for account in stage.contributors]
    job = f"/v1/jobs/{stage.job}"
    port = free_port()
    with running([PEER, str(port)], port, {}) as (url, process):
        peer_alone = Load.of(process, send, url, [queue[:128] for queue in alone])
        peer_together = Load.of(process, send, url, [queue[:2] for queue in together])
        peer_read = Load.of(process, read, url, [job], 2_000, CONTRIBUTORS)

    with followed(stage, CONTRIBUTORS * singles // BATCH_LEAVES) as missed:
        taken = Load.of(stage.service, send, stage.url, alone)
        yield figure("single signed contributions", taken.rate, "/s", SINGLES, higher_is_better=True)
        yield figure("  their latency, 99th percentile", taken.sent.p99, "ms", 250)
        yield against("contribution", taken, peer_alone)
        yield figure(f"of {LISTENERS} event streams at that time, incomplete", missed(), "", 0)
    bulks = Load.of(stage.service, send, stage.url, together)
    rate = bulks.rate * BATCH_LEAVES
    yield figure(f"contributions in submissions of {BATCH_LEAVES}", rate, "/s", BULK, higher_is_better=True)
    yield against("contribution", bulks, peer_together, BATCH_LEAVES)
    receipts = taken.sent.receipts + bulks.sent.receipts
    missing, twice = missing_on_chain(stage, receipts)
    paths = [f"/v1/contributions/{receipts[0]}", job, "/v1/batches?limit=10"]
    for name, asked in (("reads", paths), *((f"reads of {path[:17]}", [path]) for path in paths)):
        answered = Load.of(stage.service, read, stage.url, asked, (READS if len(asked) > 1 else 100) * seconds, 16)
        yield figure(name, answered.rate, "/s", READS, higher_is_better=True)
        yield figure("  their latency, 99th percentile", answered.sent.p99, "ms")
        yield against("read", answered, peer_read)
    yield figure(f"of {len(receipts)} receipts, not on the chain", missing, "", 0)
    yield figure("leaves that are on the chain twice", twice, "", 0)


def databases(named: str | None, resources: ExitStack) -> Iterator[tuple[str, str | None]]:
    """What to measure on: a database that is named, or SQLite, and PostgreSQL where its programs are."""
    if named:
        yield "", named
        return
    yield "SQLite", None
    programs = postgres_programs()
    if programs is not None:
        folder = resources.enter_context(local_postgres(programs, fsync=True))
        yield "PostgreSQL", create_database(folder, "merit")


def main() -> None:
    """Measure and print."""
    options = parser(__doc__, "a few seconds of each load")
    options.add_argument("--database-url", help="this database alone, not SQLite and PostgreSQL")
    arguments = options.parse_args()

    def measured() -> Iterator[Row]:
        with ExitStack() as resources:
            for name, url in databases(arguments.database_url, resources):
                print(f"{name}, load average {os.getloadavg()[0]:.1f}", file=sys.stderr, flush=True)
                with stage(url) as prepared:
                    for row in measure(prepared, 4 if arguments.quick else 60):
                        yield replace(row, name=f"{name}: {row.name}" if name else row.name)

    report(arguments, measured)


if __name__ == "__main__":
    main()
