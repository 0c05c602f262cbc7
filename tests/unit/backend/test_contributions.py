"""Submitting contributions: what is accepted, what is refused, and that nothing is written when it is."""

import asyncio
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest
from eth_account.datastructures import SignedMessage
from eth_account.messages import SignableMessage
from eth_account.signers.local import LocalAccount

from backend.contributions.schemas import Accepted, Submission
from backend.evidence.store import EvidenceStore
from backend.fields import hex_of
from backend.problems import ProblemError
from backend.settings import Settings
from chain.contribution import Leaf, build_batch, parse_manifest
from chain.remote_signer import RemoteAccount
from chain.typed_data import Domain, sign, signer_of

from .conftest import CONTRIBUTOR, COURT, DOMAIN, OTHER, OWNER, RECORDER, START, ModelChain, Service, leaf, service_over

DEADLINE = START + 100_000


def body(
    leaves: list[Leaf],
    *,
    before: list[Leaf] | None = None,
    signer: LocalAccount = CONTRIBUTOR,
    deadline: int = DEADLINE,
    domain: Domain = DOMAIN,
) -> dict[str, Any]:
    """A submission of `leaves` on top of the open ones in `before`."""
    batch, _ = build_batch([*(before or []), *leaves], deadline)
    return {
        "job_id": batch.job_id,
        "contributor": batch.contributor,
        "first": batch.first,
        "deadline": deadline,
        "signature": hex_of(sign(signer, domain.batch(batch))),
        "leaves": [
            {
                "sequence": one.sequence,
                "units": one.units,
                "trace_root": hex_of(one.trace_root),
                "evidence": hex_of(one.evidence),
            }
            for one in leaves
        ],
    }


def post(service: Service, submission: dict[str, Any], status: int) -> dict[str, Any]:
    response = service.http.post("/v1/contributions", json=submission)
    assert response.status_code == status, response.text
    document: dict[str, Any] = response.json()
    return document


def open_count(service: Service) -> int:
    found = service.http.get(f"/v1/jobs/1/contributors/{CONTRIBUTOR.address}").json()
    return len(found["leaves"])


def test_submit__one_leaf__gives_the_recorders_receipt(service: Service) -> None:
    accepted = post(service, body([leaf(0)]), 201)
    (receipt,) = accepted["receipts"]
    assert receipt["id"] == hex_of(leaf(0).hash)
    message = DOMAIN.receipt(leaf(0), receipt["received_at"])
    assert signer_of(message, bytes.fromhex(receipt["signature"][2:])) == RECORDER.address == accepted["recorder"]
    assert (accepted["first"], accepted["next"]) == (0, 1)
    assert service.http.get(f"/v1/contributions/{receipt['id']}").json()["status"] == "accepted"


def test_receipt__by_a_key_that_is_elsewhere__is_waited_for_in_a_thread_of_its_own(
    model: ModelChain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked_in: list[str] = []

    class Elsewhere(RemoteAccount):
        def sign_message(self, signable_message: SignableMessage) -> SignedMessage:
            asked_in.append(threading.current_thread().name)
            return RECORDER.sign_message(signable_message)

    recorder = Elsewhere(httpx.Client(), RECORDER._key_obj.public_key)
    monkeypatch.setattr(Settings, "account", lambda _: recorder)
    accepted = post(service_over(model, tmp_path), body([leaf(0)]), 201)
    message = DOMAIN.receipt(leaf(0), accepted["receipts"][0]["received_at"])
    assert signer_of(message, bytes.fromhex(accepted["receipts"][0]["signature"][2:])) == RECORDER.address
    (name,) = asked_in
    assert name.startswith("merit-request")


def test_submit__the_same_again__gives_the_same_receipts_and_stores_nothing(service: Service) -> None:
    first = post(service, body([leaf(0), leaf(1)]), 201)
    again = post(service, body([leaf(0), leaf(1)]), 201)
    assert again == first
    assert open_count(service) == 2


def test_submit__the_same_twice_at_a_time__gives_both_the_same_receipts(service: Service) -> None:
    submission = Submission.model_validate(body([leaf(0), leaf(1)]))
    contributions = service.services.contributions

    async def both() -> list[Accepted]:
        return await asyncio.gather(contributions.submit(submission), contributions.submit(submission))

    first, second = asyncio.run(both())
    assert first == second
    assert open_count(service) == 2


def test_submit__two_under_one_number_at_a_time__takes_one(service: Service) -> None:
    rivals = [Submission.model_validate(body([leaf(0, salt=salt)])) for salt in range(4)]

    async def all_of_them() -> list[Accepted | BaseException]:
        submit = service.services.contributions.submit
        return await asyncio.gather(*map(submit, rivals), return_exceptions=True)

    answers = asyncio.run(all_of_them())
    (taken,) = [answer for answer in answers if isinstance(answer, Accepted)]
    assert all(answer is taken or isinstance(answer, ProblemError) for answer in answers)
    assert service.http.get(f"/v1/contributions/{hex_of(taken.receipts[0].id)}").json()["status"] == "accepted"
    assert open_count(service) == 1


def test_submit__the_same_again_after_its_batch_was_closed__gives_the_same_receipts(service: Service) -> None:
    leaves = [leaf(number) for number in range(8)]
    first = post(service, body(leaves), 201)
    assert (first["first"], first["next"]) == (8, 8)
    assert post(service, body(leaves), 201)["receipts"] == first["receipts"]


def test_submit__more_leaves__must_be_signed_together_with_the_open_ones(service: Service) -> None:
    post(service, body([leaf(0)]), 201)
    alone = body([leaf(1)])
    refused = post(service, {**alone, "first": 0}, 403)
    assert refused["type"] == "urn:merit:problem:wrong-signature"
    assert post(service, body([leaf(1)], before=[leaf(0)]), 201)["next"] == 2


def test_submit__after_the_batch_was_closed__says_where_to_go_on(service: Service) -> None:
    post(service, body([leaf(0)]), 201)
    service.model.time += 60
    service.step("recorder")
    refused = post(service, body([leaf(1)], before=[leaf(0)]), 409)
    assert (refused["type"], refused["first"], refused["next"]) == ("urn:merit:problem:batch-moved-on", 1, 1)
    assert post(service, body([leaf(1)]), 201)["next"] == 2


@pytest.mark.parametrize(
    ("change", "status", "kind"),
    [
        ({"deadline": START + 10}, 409, "deadline-too-near"),
        ({"contributor": OTHER.address}, 403, "wrong-signature"),
        ({"signature": "0x" + "00" * 65}, 403, "wrong-signature"),
        ({"signature": "0x"}, 403, "wrong-signature"),
        ({"job_id": 2}, 403, "wrong-signature"),
        ({"job_id": 3}, 404, "not-found"),
        ({"first": 1}, 409, "batch-moved-on"),
        ({"leaves": []}, 409, "nothing-to-sign"),
        ({"first": -1}, 422, "invalid-request"),
        ({"job_id": 2**53}, 422, "invalid-request"),
        ({"deadline": 2**48}, 422, "invalid-request"),
        ({"job_id": "1"}, 422, "invalid-request"),
        ({"contributor": "0x1234"}, 422, "invalid-request"),
        ({"extra": 1}, 422, "invalid-request"),
        ({"signature": "0xzz"}, 422, "invalid-request"),
    ],
)
def test_submit__with_one_thing_wrong__is_refused_and_writes_nothing(
    service: Service, change: dict[str, Any], status: int, kind: str
) -> None:
    refused = post(service, body([leaf(0)]) | change, status)
    assert refused["type"] == f"urn:merit:problem:{kind}"
    assert refused["status"] == status
    assert refused["detail"].endswith(".")
    assert open_count(service) == 0


def test_submit__signed_for_another_chain_or_contract__is_refused(service: Service) -> None:
    for domain in (Domain(1, COURT), Domain(31337, OTHER.address)):
        refused = post(service, body([leaf(0)], domain=domain), 403)
        assert refused["type"] == "urn:merit:problem:wrong-signature"


def test_submit__with_the_other_s_of_a_valid_signature__is_refused(service: Service) -> None:
    """Contracts take only the smaller s, so a batch with this signature could never be recorded."""
    submission = body([leaf(0)])
    signature = bytes.fromhex(submission["signature"][2:])
    order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
    other_s = order - int.from_bytes(signature[32:64], "big")
    mirrored = signature[:32] + other_s.to_bytes(32, "big") + bytes([55 - signature[64]])
    batch, _ = build_batch([leaf(0)], DEADLINE)
    assert signer_of(DOMAIN.batch(batch), mirrored) == CONTRIBUTOR.address
    refused = post(service, submission | {"signature": hex_of(mirrored)}, 403)
    assert refused["type"] == "urn:merit:problem:wrong-signature"


def test_submit__another_leaf_under_a_taken_number__is_refused(service: Service) -> None:
    post(service, body([leaf(0)]), 201)
    refused = post(service, body([leaf(0, salt=1)]), 409)
    assert (refused["type"], refused["next"]) == ("urn:merit:problem:wrong-sequence", 1)
    assert open_count(service) == 1


def test_submit__for_ones_own_job_or_without_stake_or_funds__is_refused(service: Service) -> None:
    own = leaf(0, account=OWNER)
    assert post(service, body([own], signer=OWNER), 403)["type"] == "urn:merit:problem:own-job"
    service.model.stakes[CONTRIBUTOR.address] = 2_999
    poor = post(service, body([leaf(0)]), 403)
    assert (poor["type"], poor["needed"]) == ("urn:merit:problem:insufficient-stake", "3000")
    service.model.stakes[CONTRIBUTOR.address] = 3_000
    post(service, body([leaf(0)]), 201)
    costly = leaf(0, job=2, units=10**12)
    service.model.stakes[CONTRIBUTOR.address] = 10**18
    assert post(service, body([costly]), 409)["type"] == "urn:merit:problem:job-out-of-funds"


def test_submit__to_a_job_that_closed__is_refused(service: Service) -> None:
    service.model.close_job(1)
    assert post(service, body([leaf(0)]), 409)["type"] == "urn:merit:problem:job-closed"


def test_submit__more_than_a_batch_holds__is_refused(service: Service) -> None:
    leaves = [leaf(number) for number in range(1025)]
    submission = body(leaves[:1024])
    submission["leaves"] += body(leaves[1024:])["leaves"]
    assert post(service, submission, 422)["type"] == "urn:merit:problem:invalid-request"


def test_full_batch__is_closed_at_once_and_its_manifest_is_evidence(service: Service) -> None:
    leaves = [leaf(number) for number in range(8)]
    accepted = post(service, body(leaves), 201)
    assert (accepted["first"], accepted["next"]) == (8, 8)
    batch, manifest = build_batch(leaves, DEADLINE)
    store: EvidenceStore = service.services.evidence
    assert store.get(batch.data_hash) == manifest
    assert parse_manifest(manifest) == leaves
    found = service.http.get(f"/v1/contributions/{accepted['receipts'][0]['id']}").json()
    assert found["status"] == "closed"


def test_contributor__after_submissions__shows_what_the_next_signature_has_to_cover(service: Service) -> None:
    submission = body([leaf(0), leaf(1)])
    post(service, submission, 201)
    found = service.http.get(f"/v1/jobs/1/contributors/{CONTRIBUTOR.address}").json()
    assert (found["first"], found["next"]) == (0, 2)
    assert [entry["id"] for entry in found["leaves"]] == [hex_of(leaf(0).hash), hex_of(leaf(1).hash)]
    assert (found["signature"], found["deadline"]) == (submission["signature"], DEADLINE)


def test_renewal__without_new_leaves__replaces_the_signature(service: Service) -> None:
    post(service, body([leaf(0)]), 201)
    renewed = body([leaf(0)], deadline=DEADLINE + 5) | {"leaves": []}
    assert post(service, renewed, 201)["receipts"] == []
    found = service.http.get(f"/v1/jobs/1/contributors/{CONTRIBUTOR.address}").json()
    assert (found["deadline"], found["signature"]) == (DEADLINE + 5, renewed["signature"])


def test_unknown_contribution__is_a_problem_document(service: Service) -> None:
    for path in ("", "/why"):
        response = service.http.get("/v1/contributions/0x" + "00" * 32 + path)
        assert response.status_code == 404
        assert response.headers["content-type"] == "application/problem+json"
    assert service.http.get("/v1/contributions/12").status_code == 422


def test_body__larger_than_the_limit__is_refused_while_it_arrives(service: Service) -> None:
    response = service.http.post("/v1/contributions", content=b" " * (1 << 19))
    assert response.status_code == 413
    assert response.json()["type"] == "urn:merit:problem:request-entity-too-large"
