"""How many signed contributions the service takes, how fast it answers, and whether it keeps what it promised.

    python benchmarks/backend.py [--quick] [--json] [--database-url URL]

Client, service and chain are processes of their own. Submissions are signed before the clock starts, each contributor's
one after the other; contributors send at the same time. At the end every receipt is looked up on the chain. Without
`--quick` each load lasts for a minute.
"""

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from eth_account import Account
from eth_account.signers.local import LocalAccount
from report import Row, parser, report

from chain.client import MeritClient
from chain.contribution import Leaf, build_batch, parse_manifest
from chain.deploy import deploy
from chain.localnet import DEVELOPMENT_KEY, free_port, local_chain
from chain.network import Network, connect
from chain.parameters import LOCAL, TOKEN
from chain.sender import TransactionSender
from chain.typed_data import sign

CONTRIBUTORS = 16
BATCH_LEAVES = 256
LISTENERS = 200
PROGRAM = "from backend.server import serve; from backend.settings import Settings; serve(Settings.load())"


@dataclass(frozen=True)
class Stage:
    """A chain with a funded job and staked contributors, and the service on it."""

    network: Network
    url: str
    job: int
    contributors: list[LocalAccount]


@contextmanager
def stage(database_url: str | None) -> Iterator[Stage]:
    """Everything that the load needs, in a folder of its own."""
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
        environment = os.environ | {
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
        process = subprocess.Popen([sys.executable, "-c", PROGRAM], env=environment)
        url = f"http://127.0.0.1:{port}"
        try:
            await_ready(url)
            yield Stage(network, url, job, contributors)
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


def submissions(stage: Stage, account: LocalAccount, first: int, count: int, each: int) -> list[dict[str, Any]]:
    """`count` leaves from number `first` on, `each` to a submission, signed as the open batch will stand by then."""
    made = []
    deadline = int(time.time()) + 86_400
    opened: list[Leaf] = []
    for start in range(first, first + count, each):
        leaves = [
            Leaf(stage.job, account.address, number, 1, number.to_bytes(32, "big"), bytes(32))
            for number in range(start, start + each)
        ]
        opened += leaves
        batch, _ = build_batch(opened, deadline)
        made.append(
            {
                "job_id": stage.job,
                "contributor": account.address,
                "first": batch.first,
                "deadline": deadline,
                "signature": "0x" + sign(account, stage.network.domain.batch(batch)).hex(),
                "leaves": [
                    {
                        "sequence": leaf.sequence,
                        "units": 1,
                        "trace_root": "0x" + leaf.trace_root.hex(),
                        "evidence": "0x" + leaf.evidence.hex(),
                    }
                    for leaf in leaves
                ],
            }
        )
        if len(opened) >= BATCH_LEAVES:
            opened = []
    return made


async def send(stage: Stage, queues: list[list[dict[str, Any]]]) -> tuple[float, list[float], list[str]]:
    """All contributors at once, each its submissions in order. Returns seconds in all, of each, and receipts."""
    latencies: list[float] = []
    receipts: list[str] = []
    async with httpx.AsyncClient(base_url=stage.url, timeout=60) as http:

        async def one(queue: list[dict[str, Any]]) -> None:
            for body in queue:
                started = time.perf_counter()
                response = await http.post("/v1/contributions", json=body)
                latencies.append(time.perf_counter() - started)
                response.raise_for_status()
                receipts.extend(receipt["id"] for receipt in response.json()["receipts"])

        started = time.perf_counter()
        await asyncio.gather(*(one(queue) for queue in queues))
        return time.perf_counter() - started, latencies, receipts


async def follow(stage: Stage, events: int, clients: int, patience: float) -> int:
    """How many of so many event-stream clients at once do not see `events` batches recorded within `patience`."""
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=stage.url, timeout=60, limits=limits) as http:

        async def one() -> None:
            seen = 0
            async with http.stream("GET", "/v1/events", headers={"Last-Event-ID": "0-0"}) as response:
                async for line in response.aiter_lines():
                    seen += line == "event: Recorded"
                    if seen == events:
                        return

        tasks = [asyncio.create_task(one()) for _ in range(clients)]
        _, late = await asyncio.wait(tasks, timeout=patience)
        for task in late:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return sum(task.cancelled() or task.exception() is not None for task in tasks)


async def send_while_followed(
    stage: Stage, queues: list[list[dict[str, Any]]], batches: int
) -> tuple[tuple[float, list[float], list[str]], int]:
    """The load with everybody listening. Returns what `send` does, and how many listeners missed something."""
    following = asyncio.create_task(follow(stage, batches, LISTENERS, 120))
    sent = await send(stage, queues)
    return sent, await following


async def read(stage: Stage, paths: list[str], requests: int) -> float:
    """Reads per second over 16 connections."""
    async with httpx.AsyncClient(base_url=stage.url, timeout=60) as http:

        async def reader(number: int) -> None:
            for at in range(requests // CONTRIBUTORS):
                (await http.get(paths[(at + number) % len(paths)])).raise_for_status()

        started = time.perf_counter()
        await asyncio.gather(*(reader(number) for number in range(CONTRIBUTORS)))
        return requests / (time.perf_counter() - started)


def missing_on_chain(stage: Stage, receipts: list[str], patience: float) -> tuple[int, int]:
    """Receipts whose leaf is not on the chain after `patience` seconds, and leaves that are there twice."""
    court = stage.network.court
    until = time.monotonic() + patience
    with MeritClient(stage.url, stage.network.domain) as client:
        while True:
            events = court.events.Recorded().get_logs(from_block=stage.network.deployment.block)
            found: list[str] = []
            for event in events:
                manifest = client.evidence(bytes(event["args"]["batch"]["dataHash"]))
                found += ["0x" + leaf.hash.hex() for leaf in parse_manifest(manifest or b"")]
            missing = len(set(receipts) - set(found))
            if missing == 0 or time.monotonic() > until:
                return missing, len(found) - len(set(found))
            time.sleep(1)


def percentile(values: list[float], part: float) -> float:
    """The value that `part` of all do not exceed."""
    return sorted(values)[min(len(values) - 1, int(len(values) * part))]


def measure(stage: Stage, seconds: int) -> list[Row]:
    """The loads, one after the other."""
    singles = max(1, seconds * 500 // CONTRIBUTORS // BATCH_LEAVES) * BATCH_LEAVES
    queues = [submissions(stage, account, 0, singles, 1) for account in stage.contributors]
    recorded = len(queues) * singles // BATCH_LEAVES
    (took, latencies, receipts), missed = asyncio.run(send_while_followed(stage, queues, recorded))
    rate, p99 = len(receipts) / took, percentile(latencies, 0.99) * 1000
    bulk = max(1, seconds * 5000 // CONTRIBUTORS // BATCH_LEAVES) * BATCH_LEAVES
    queues = [submissions(stage, account, singles, bulk, BATCH_LEAVES) for account in stage.contributors]
    bulk_took, _, bulk_receipts = asyncio.run(send(stage, queues))
    bulk_rate = len(bulk_receipts) / bulk_took
    receipts += bulk_receipts
    paths = [f"/v1/contributions/{receipts[0]}", f"/v1/jobs/{stage.job}", "/v1/batches?limit=10"]
    reads = asyncio.run(read(stage, paths, 160 * seconds))
    missing, twice = missing_on_chain(stage, receipts, 120)
    return [
        Row("single signed contributions", rate, "1/s", 500, rate >= 500),
        Row("their latency, 99th percentile", p99, "ms", 250, p99 < 250),
        Row(f"of {LISTENERS} event streams at that time, incomplete", missed, "", 0, missed == 0),
        Row("contributions in submissions of 256", bulk_rate, "1/s", 5000, bulk_rate >= 5000),
        Row("reads", reads, "1/s", 1000, reads >= 1000),
        Row("receipts that are not on the chain", missing, f"of {len(receipts)}", 0, missing == 0),
        Row("leaves that are on the chain twice", twice, "", 0, twice == 0),
    ]


def main() -> None:
    """Measure and print."""
    options = parser(__doc__, "a few seconds of each load")
    options.add_argument("--database-url", help="a PostgreSQL database instead of a SQLite file")
    arguments = options.parse_args()
    with stage(arguments.database_url) as prepared:
        report(arguments, lambda: measure(prepared, 4 if arguments.quick else 60))


if __name__ == "__main__":
    main()
