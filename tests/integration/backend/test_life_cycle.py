"""The service against real contracts: from a submission to credit and reputation."""

import time

import pytest
from eth_account import Account

from chain.client import MeritClient, Receipt, RequestRefusedError, Work
from chain.contribution import parse_manifest

from .conftest import PRICE, Chain, Service, Start

pytestmark = pytest.mark.chain


def work(count: int, label: str = "") -> list[Work]:
    return [Work(2, bytes([number]) * 32, f"evidence {label} {number}".encode()) for number in range(count)]


def submit_until_settled(chain: Chain, service: Service, client: MeritClient, job: int, label: str) -> list[Receipt]:
    receipts = client.submit(job, work(3, label))
    for _ in range(10):
        chain.mine(3, 4)
        service.step()
        if client.contribution(receipts[0].id)["status"] == "settled":
            return receipts
    pytest.fail("the batch was not settled")


def submit_until_paid(chain: Chain, service: Service, client: MeritClient, job: int) -> list[Receipt]:
    """Without verifiers a batch that the seed chooses for an audit is refunded: four of five are not chosen."""
    for number in range(30):
        receipts = submit_until_settled(chain, service, client, job, str(number))
        if client.contribution(receipts[0].id)["outcome"] == "unsampled":
            return receipts
    pytest.fail("every batch was chosen for an audit")


def test_submission__unaudited__is_paid_and_becomes_reputation(chain: Chain, service: Service) -> None:
    job = chain.open_job()
    client = service.client(chain)
    receipts = submit_until_paid(chain, service, client, job)

    found = client.contribution(receipts[2].id)
    assert [step["what"] for step in found["timeline"]] == [
        "accepted",
        "batch closed",
        "recorded",
        "not audited",
        "settled",
    ]
    account = client.account(chain.contributor.address)
    assert (
        int(account["credit"]) == 6 * PRICE == chain.network.escrow.functions.creditOf(chain.contributor.address).call()
    )
    assert client.why(receipts[2].id)["stages"][-1] == {
        "stage": "paid",
        "done": True,
        "sentence": f"Its batch was paid {6 * PRICE}.",
    }

    for _ in range(6):  # close the epoch, propose it, make it final, check the scores in
        chain.mine(1, 10)
        service.step()
    reputation = client.reputation(chain.contributor.address)
    on_chain = chain.network.oracle.functions.reputationOf(chain.contributor.address).call() / 1e18
    assert reputation["checked_in"] == on_chain == pytest.approx(0.6)  # one edge from the seed: 1 - stop
    assert reputation["network"] == reputation["final"]["score"] == on_chain
    row = reputation["final"]["row"]
    arguments = tuple(int(row[name]) if name not in ("account", "bridge") else row[name] for name in row)
    proof = [bytes.fromhex(node[2:]) for node in reputation["final"]["proof"]]
    assert chain.network.oracle.functions.verifyScore(reputation["final"]["epoch"], arguments, proof).call()
    assert client.epochs()[0]["status"] == "final"


def test_manifest__of_a_recorded_batch__is_in_the_evidence_store(chain: Chain, service: Service) -> None:
    job = chain.open_job()
    client = service.client(chain)
    receipts = client.submit(job, work(5))
    service.step()
    service.step()
    (batch,) = client.batches(job_id=job)
    manifest = client.evidence(bytes.fromhex(batch["data_hash"][2:]))
    assert manifest is not None
    assert parse_manifest(manifest) == [receipt.leaf for receipt in receipts]


def test_recorder__killed_after_sending__neither_loses_nor_repeats(chain: Chain, start: Start) -> None:
    job = chain.open_job()
    with start() as service:
        receipts = service.client(chain).submit(job, work(2))
        service.step("recorder")  # sent and mined; the indexer, which would note it, never runs
    nonce = chain.network.web3.eth.get_transaction_count(chain.recorder.address)
    with start() as again:
        again.step("recorder", "indexer")
        assert again.client(chain).contribution(receipts[0].id)["status"] == "recorded"
    assert chain.network.web3.eth.get_transaction_count(chain.recorder.address) == nonce
    assert chain.network.court.functions.nextLeaf(job, chain.contributor.address).call() == 2


def test_submission__without_stake__is_refused_in_one_sentence(chain: Chain, service: Service) -> None:
    job = chain.open_job()
    stranger = Account.create()
    with pytest.raises(RequestRefusedError, match=r"has 0 of free stake .* deposit more\.$") as refusal:
        service.client(chain, stranger).submit(job, work(1))
    assert refusal.value.status == 403
    assert refusal.value.kind == "insufficient-stake"


def test_submission__to_an_unknown_or_closed_or_own_job__is_refused(chain: Chain, service: Service) -> None:
    job, closed = chain.open_job(), chain.open_job()
    chain.sender(chain.owner).send(chain.network.escrow.functions.close(closed))
    with pytest.raises(RequestRefusedError, match="Job 77 is not known"):
        service.client(chain).submit(77, work(1))
    with pytest.raises(RequestRefusedError, match="job of its own"):
        service.client(chain, chain.owner).submit(job, work(1))
    with pytest.raises(RequestRefusedError, match="takes no more work"):
        service.client(chain).submit(closed, work(1))


def test_service__with_its_threads__records_by_itself_and_stops(chain: Chain, start: Start) -> None:
    job = chain.open_job()
    with start(with_workers=True) as service:
        client = service.client(chain)
        receipts = client.submit(job, work(1))
        for _ in range(200):
            if client.contribution(receipts[0].id)["status"] not in ("accepted", "closed"):
                break
            time.sleep(0.05)
        assert client.contribution(receipts[0].id)["status"] == "recorded"
        assert all(worker["failures"] == 0 for worker in client.status()["workers"])
        threads = [worker.thread for worker in service.services.workers.all]
    assert not any(thread.is_alive() for thread in threads)
