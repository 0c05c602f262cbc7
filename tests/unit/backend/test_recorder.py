"""Bringing batches to the chain: in order, once, and with a reason where it cannot be done."""

from pathlib import Path

import pytest

from chain.client import MeritClient, RequestRefusedError, UntrustworthyServiceError, Work
from chain.contribution import build_batch
from chain.typed_data import sign

from .conftest import CONTRIBUTOR, DOMAIN, OTHER, START, ModelChain, Service, leaf, service_over


def work(*numbers: int) -> list[Work]:
    return [Work(3, bytes([number]) * 32, f"evidence {number}".encode()) for number in numbers]


def age(service: Service) -> None:
    service.model.time += 60


def recorded_ranges(model: ModelChain) -> list[tuple[str, int, int]]:
    batches = [args["batch"] for args in model.recorded()]
    return [(batch["contributor"], batch["first"], batch["first"] + batch["count"]) for batch in batches]


def status(client: MeritClient, contribution: str) -> str:
    found: str = client.contribution(contribution)["status"]
    return found


def test_batch__neither_full_nor_old__stays_open(service: Service) -> None:
    service.client().submit(1, work(1))
    service.step()
    assert service.model.recorded() == []


def test_batches__full_and_old__are_recorded_in_order_and_indexed(service: Service) -> None:
    client = service.client()
    receipts = client.submit(1, work(*range(8)))
    receipts += client.submit(1, work(8, 9))
    age(service)
    service.step()
    assert recorded_ranges(service.model) == [(CONTRIBUTOR.address, 0, 8), (CONTRIBUTOR.address, 8, 10)]
    service.step("indexer")
    assert {status(client, receipt.id) for receipt in receipts} == {"recorded"}


def test_recorder__when_nothing_is_new__sends_nothing(service: Service) -> None:
    service.client().submit(1, work(1))
    age(service)
    for _ in range(4):
        service.step("recorder")
    assert (service.model.sent, service.model.asked) == (1, 0)


def test_recorder__started_again_before_the_index_has_a_batch__learns_from_the_chain_that_it_is_there(
    tmp_path: Path,
) -> None:
    model = ModelChain()
    service = service_over(model, tmp_path)
    service.client().submit(1, work(1))
    age(service)
    service.step("recorder")
    again = service_over(model, tmp_path)
    for _ in range(4):
        again.step("recorder")
    assert (model.sent, model.asked) == (2, 1)  # the second was refused
    assert recorded_ranges(model) == [(CONTRIBUTOR.address, 0, 1)]


def test_recorder__beside_one_bad_batch__records_the_good_ones(service: Service) -> None:
    good, bad = service.client(), service.client(OTHER)
    good_receipts, bad_receipts = good.submit(1, work(1)), bad.submit(1, work(2))
    service.model.stakes[OTHER.address] = 0
    age(service)
    service.step("recorder", "indexer")
    service.step("indexer")
    assert status(good, good_receipts[0].id) == "recorded"
    assert status(bad, bad_receipts[0].id) == "closed"
    service.model.stakes[OTHER.address] = 10**9
    service.step("recorder")
    service.step("indexer")
    assert status(bad, bad_receipts[0].id) == "recorded"


def test_refused_batch__says_why_and_can_be_signed_again(service: Service) -> None:
    client = service.client()
    receipts = client.submit(1, work(1, 2), deadline=START + 2_000)
    service.model.stakes[CONTRIBUTOR.address] = 0
    age(service)
    service.step("recorder")
    service.model.time += 3_000  # the signature expires while the stake is missing
    service.step("recorder")
    stage = client.why(receipts[0].id)["stages"][0]
    assert (stage["stage"], stage["done"]) == ("batched", False)
    assert "Sign the open leaves again." in stage["sentence"]

    service.model.stakes[CONTRIBUTOR.address] = 10**9
    with pytest.raises(UntrustworthyServiceError, match="with `renew`"):
        service.client().submit(1, work(3))  # a client that knows nothing of the open leaves does not sign them
    with pytest.raises(UntrustworthyServiceError, match="No receipt"):
        service.client().renew(1, receipts[:1])
    service.client().renew(1, receipts, deadline=service.model.time + 10_000)
    age(service)
    service.step()
    service.step("indexer")
    assert {status(client, receipt.id) for receipt in receipts} == {"recorded"}
    assert recorded_ranges(service.model) == [(CONTRIBUTOR.address, 0, 2)]


def test_refused_batch__takes_those_behind_it_along(service: Service) -> None:
    client = service.client()
    receipts = client.submit(1, work(*range(8)), deadline=START + 2_000)  # closed, being full
    receipts += client.submit(1, work(8))
    service.model.paused = True
    service.model.time += 3_000
    service.step("recorder")
    service.model.paused = False
    service.step("recorder")
    assert {status(client, receipt.id) for receipt in receipts} == {"accepted"}
    client.renew(1, receipts, deadline=service.model.time + 10_000)
    service.step()
    service.step("indexer")
    assert {status(client, receipt.id) for receipt in receipts} == {"recorded"}


def test_contributor__who_records_the_same_leaves_itself__is_followed(service: Service) -> None:
    client = service.client()
    receipts = client.submit(1, work(1, 2))
    batch, _ = build_batch([receipt.leaf for receipt in receipts], START + 9_999)
    service.model.record([batch], [sign(CONTRIBUTOR, DOMAIN.batch(batch))])
    service.step("indexer")
    assert {status(client, receipt.id) for receipt in receipts} == {"recorded"}
    age(service)
    service.step()
    assert recorded_ranges(service.model) == [(CONTRIBUTOR.address, 0, 2)]


def test_contributor__who_records_other_leaves_itself__supersedes_its_submission(service: Service) -> None:
    client = service.client()
    receipts = client.submit(1, work(1, 2))
    batch, _ = build_batch([leaf(0, salt=5)], START + 9_999)
    service.model.record([batch], [sign(CONTRIBUTOR, DOMAIN.batch(batch))])
    service.step("indexer")
    assert status(client, receipts[0].id) == "superseded"
    assert "it will never be paid" in client.why(receipts[0].id)["stages"][0]["sentence"]
    assert status(client, receipts[1].id) == "accepted"  # its number is still free; it waits for a new signature
    with pytest.raises(RequestRefusedError, match="begins at leaf 1"):
        client.run(client.operations._submit_next(1, client.operations._open[1], [], START + 9_999))


def test_contributor__whose_own_record_is_not_indexed_yet__cannot_be_recorded_twice(service: Service) -> None:
    client = service.client()
    receipts = client.submit(1, work(1))
    batch, _ = build_batch([leaf(0, salt=5)], START + 9_999)
    service.model.record([batch], [sign(CONTRIBUTOR, DOMAIN.batch(batch))])
    age(service)
    service.step("recorder")  # refused: the number is taken
    service.step("indexer")
    assert recorded_ranges(service.model) == [(CONTRIBUTOR.address, 0, 1)]
    assert status(client, receipts[0].id) == "superseded"


@pytest.mark.parametrize("depth", range(1, 11))
def test_reorganisation__that_takes_a_batch_away__has_it_recorded_again(service: Service, depth: int) -> None:
    client = service.client()
    for _ in range(5):
        service.model.mine()
    receipts = client.submit(1, work(1))
    age(service)
    service.step()
    for _ in range(depth - 1):
        service.model.mine()
    service.step()
    service.step("indexer")
    assert status(client, receipts[0].id) == "recorded"
    service.model.reorganise(depth)
    for _ in range(depth + 1):
        service.model.mine()
    service.step("indexer")
    assert status(client, receipts[0].id) == "closed"
    service.step("recorder")
    service.step("indexer")
    assert status(client, receipts[0].id) == "recorded"
    assert recorded_ranges(service.model) == [(CONTRIBUTOR.address, 0, 1)]


def test_reorganisation__before_the_index_has_a_batch__has_it_recorded_again(service: Service) -> None:
    client = service.client()
    receipts = client.submit(1, work(1))
    age(service)
    service.step("recorder")
    service.model.reorganise(1)
    service.step("recorder")
    assert service.model.recorded() == []  # for all that is known here, the chain holds it
    service.model.mine()
    service.step("indexer", "recorder", "indexer")
    service.step("recorder", "indexer")
    assert status(client, receipts[0].id) == "recorded"
    assert recorded_ranges(service.model) == [(CONTRIBUTOR.address, 0, 1)]


def test_reorganisation__of_a_batch_that_its_contributor_recorded__opens_the_leaves_again(service: Service) -> None:
    client = service.client()
    receipts = client.submit(1, work(1))
    batch, _ = build_batch([receipts[0].leaf], START + 9_999)
    service.model.record([batch], [sign(CONTRIBUTOR, DOMAIN.batch(batch))])
    service.step("indexer")
    service.model.reorganise(1)
    service.model.mine()
    service.step("indexer")
    assert status(client, receipts[0].id) == "accepted"
    client.renew(1, receipts)
    age(service)
    service.step()
    service.step("indexer")
    assert status(client, receipts[0].id) == "recorded"


def test_service__started_again_on_the_same_database__goes_on(model: ModelChain, tmp_path: Path) -> None:
    service = service_over(model, tmp_path)
    receipts = service.client().submit(1, work(*range(9)))
    service.services.database.close()
    again = service_over(model, tmp_path)
    receipts += again.client().submit(1, work(9))
    age(again)
    again.step()
    again.step("indexer")
    client = again.client()
    assert {status(client, receipt.id) for receipt in receipts} == {"recorded"}
    assert [(first, end) for _, first, end in recorded_ranges(model)] == [(0, 9), (9, 10)]
    again.services.database.close()
