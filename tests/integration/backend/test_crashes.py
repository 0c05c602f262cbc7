"""The service killed without warning, again and again: every receipt that was given is on the chain exactly once."""

import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread, Timer

import pytest
from pydantic import SecretStr

from backend.settings import Settings
from chain.client import MeritClient, Receipt, ServiceUnavailableError, Work
from chain.localnet import free_port

from .conftest import Chain, Start, settings_for

pytestmark = pytest.mark.chain
_PROGRAM = "from backend.server import serve; from backend.settings import Settings; serve(Settings.load())"


@contextmanager
def server(environment: dict[str, str]) -> Iterator["subprocess.Popen[bytes]"]:
    process = subprocess.Popen([sys.executable, "-c", _PROGRAM], env=environment, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("kills", [3, pytest.param(50, marks=pytest.mark.long)])
def test_service__killed_at_random__keeps_every_promise(
    chain: Chain, start: Start, database_url: str, tmp_path: Path, kills: int
) -> None:
    job = chain.open_job()
    settings = settings_for(chain, tmp_path, port=free_port(), batch_leaves=4, batch_age=0.3, database_url=database_url)
    chance = random.Random(kills)
    receipts: list[Receipt] = []
    with MeritClient(
        f"http://127.0.0.1:{settings.port}", chain.network.domain, chain.contributor, sleep=lambda _: time.sleep(0.05)
    ) as client:
        for _ in range(kills):
            with server(environment_of(settings)) as process:
                submit_until_killed(client, job, receipts, process, chance)

    with start() as service:
        for _ in range(3):
            service.step("recorder", "indexer")
        on_chain = service.leaves_on(chain)
    assert len(receipts) >= kills
    assert len(on_chain) == len(set(on_chain))
    assert {receipt.leaf.hash for receipt in receipts} <= set(on_chain)


def test_recorder__killed_while_its_transaction_waits__sends_no_second(
    chain: Chain, start: Start, database_url: str, tmp_path: Path
) -> None:
    job = chain.open_job()
    kept = {"database_url": database_url, "outbox": tmp_path / "kept.sqlite"}
    settings = settings_for(chain, tmp_path, port=free_port(), batch_leaves=1, **kept)
    count = chain.network.web3.eth.get_transaction_count
    before = count(chain.recorder.address)
    chain.rpc("evm_setAutomine", False)
    try:
        url = f"http://127.0.0.1:{settings.port}"
        with (
            server(environment_of(settings)),
            MeritClient(url, chain.network.domain, chain.contributor, sleep=lambda _: time.sleep(0.05)) as client,
        ):
            submit_once_it_is_up(client, job)
            while count(chain.recorder.address, "pending") == before:
                time.sleep(0.05)
        with start(**kept) as service:
            again = Thread(target=service.step, args=("recorder",))
            again.start()
            while again.is_alive():
                again.join(3)  # time enough to send another
                chain.mine()
            service.step("indexer")
            service.step("recorder")
            (batch,) = service.client(chain).batches(job_id=job)
    finally:
        chain.rpc("evm_setAutomine", True)
    assert batch["count"] == 1
    assert count(chain.recorder.address) == before + 1


def environment_of(settings: Settings) -> dict[str, str]:
    """The settings as a program takes them."""
    values = settings.model_dump(exclude_none=True)
    plain = {
        name: value.get_secret_value() if isinstance(value, SecretStr) else value for name, value in values.items()
    }
    return os.environ | {f"MERIT_{name.upper()}": str(value) for name, value in plain.items()}


def submit_once_it_is_up(client: MeritClient, job: int) -> None:
    while True:
        with suppress(ServiceUnavailableError):
            client.submit(job, [Work(1, bytes(32), b"evidence")])
            return


def submit_until_killed(
    client: MeritClient, job: int, receipts: list[Receipt], process: "subprocess.Popen[bytes]", chance: random.Random
) -> None:
    """Submissions as fast as they go, and SIGKILL at some moment after the first was acknowledged."""
    before = len(receipts)
    killer: Timer | None = None
    while process.poll() is None:
        try:
            receipts += client.submit(job, [Work(1, bytes(32), os.urandom(8))])
        except ServiceUnavailableError:
            continue  # not up yet, or just killed
        if killer is None and len(receipts) > before:
            killer = Timer(chance.uniform(0, 1.5), process.kill)
            killer.start()
    assert killer is not None, "the service ended by itself"
    killer.join()
