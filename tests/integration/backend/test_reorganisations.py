"""The chain is reorganised under load: nothing is lost or repeated, and the tables are those of a fresh rebuild."""

import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from threading import Event

import pytest
from eth_account import Account

from chain.client import MeritClient, Receipt, Work
from tests.mirrored import tables

from .conftest import Chain, Start

pytestmark = pytest.mark.chain
CONTRIBUTORS = 3
PATIENCE = 60.0


@pytest.mark.parametrize("depths", [[3, 10], pytest.param(range(1, 11), marks=pytest.mark.long)])
def test_service__chain_reorganised_under_load__keeps_promises_and_equals_a_rebuild(
    chain: Chain, start: Start, tmp_path: Path, depths: Sequence[int]
) -> None:
    job = chain.open_job(tokens=10_000)
    accounts = [Account.from_key(number.to_bytes(32, "big")) for number in range(21, 21 + CONTRIBUTORS)]
    for account in accounts:
        chain.fund(account, 10_000)
        chain.stake(account, 10_000)
    chain.mine(10)  # or what was set up would be undone
    ended = Event()

    def submit(client: MeritClient) -> list[Receipt]:
        receipts = []
        while not ended.is_set():
            receipts += client.submit(job, [Work(1, bytes(32), os.urandom(8))])
        return receipts

    with start(with_workers=True, batch_leaves=8, batch_age=0.5) as service, ThreadPoolExecutor() as threads:
        loads = [threads.submit(submit, service.client(chain, account)) for account in accounts]
        try:
            for depth in depths:
                await_that(partial(has_recorded, chain, len(chain.recorded()) + 2))
                chain.rpc("anvil_reorg", depth, [])
        finally:
            ended.set()
        receipts = [receipt for load in loads for receipt in load.result()]
        await_that(lambda: set(service.leaves_on(chain)) >= {receipt.leaf.hash for receipt in receipts})
        on_chain = service.leaves_on(chain)
        assert len(on_chain) == len(set(on_chain))
        service.services.workers.stop()
        service.step("indexer")
        live = tables(service.services.database)
    with start(database_url=f"sqlite:///{tmp_path}/fresh.db") as fresh:
        fresh.step("indexer")
        assert tables(fresh.services.database) == live
    assert live["RecordedBatch"]


def has_recorded(chain: Chain, batches: int) -> bool:
    return len(chain.recorded()) >= batches


def await_that(holds: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < until, "it did not come to that"
        time.sleep(0.05)
