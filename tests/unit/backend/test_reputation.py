"""Reputation from any seed, and which models there is work for."""

from typing import Any

import pytest

from chain.contribution import canonical_json
from chain.parameters import FIXED_ONE

from .conftest import CONTRIBUTOR, COURT, OTHER, OWNER, RECORDER, TERMS, ModelChain, Service

A, B, C = OWNER.address, CONTRIBUTOR.address, OTHER.address
STRANGER = RECORDER.address


def parameters(stop: float, bridge_decay: float) -> tuple[str, str, dict[str, Any]]:
    values = {
        "stop": str(int(stop * FIXED_ONE)),
        "bridgeDecay": str(int(bridge_decay * FIXED_ONE)),
        "seeds": [COURT],
        "seedWeights": [str(FIXED_ONE)],
    }
    return "ReputationOracle", "ParametersSet", {"parameters": values, "paramsHash": bytes(32)}


def feedback(source: str, target: str, amount: int, kind: int = 0) -> tuple[str, str, dict[str, Any]]:
    args = {"from": source, "to": target, "feedback": kind, "amount": amount, "epoch": 1}
    return "FeedbackGraph", "FeedbackRecorded", args


def view(service: Service, address: str, seed: str) -> dict[str, Any]:
    response = service.signed("GET", f"/v1/reputation/{address}/from/{seed}")
    assert response.status_code == 200, response.text
    document: dict[str, Any] = response.json()
    return document


def test_view__from_a_seed__is_its_walks_and_says_what_carries_it(service: Service) -> None:
    """A walk from A goes on with probability 0.6, to B or C by 3 to 1; from B all walks go to C."""
    service.model.mine(parameters(0.4, 0.5), feedback(A, B, 3), feedback(A, C, 1), feedback(B, C, 5))
    service.step("indexer")
    to_b = view(service, B, A)
    assert to_b["score"] == to_b["reach"] == pytest.approx(0.6 * 0.75)
    to_c = view(service, C, A)
    direct, through_b = 0.6 * 0.25, 0.6 * 0.75 * 0.6
    assert to_c["score"] == pytest.approx(direct + through_b)
    assert to_c["bridge"] == C
    assert to_c["score"] == pytest.approx(to_c["reach"] * to_c["kept_at_bridge"] - to_c["taken_by_distrust"])
    assert {tuple(path["accounts"]): path["part"] for path in to_c["paths"]} == {
        (A, B, C): pytest.approx(through_b / (direct + through_b)),
        (A, C): pytest.approx(direct / (direct + through_b)),
    }
    assert {(edge["source"], edge["target"]) for edge in to_c["edges"]} == {(A, B), (A, C), (B, C)}
    assert view(service, C, B)["score"] == pytest.approx(0.6)


def test_view__of_an_account_behind_a_bridge__names_it(service: Service) -> None:
    service.model.mine(parameters(0.4, 0.5), feedback(A, B, 1), feedback(B, C, 1))
    service.step("indexer")
    found = view(service, C, A)
    assert (found["bridge"], found["kept_at_bridge"]) == (B, 0.5)
    assert found["score"] == pytest.approx(0.6 * 0.6 * 0.5)


def test_view__follows_the_newest_edges(service: Service) -> None:
    service.model.mine(parameters(0.4, 0.0), feedback(A, B, 1))
    service.step("indexer")
    assert view(service, B, A)["score"] == pytest.approx(0.6)
    service.model.mine(feedback(A, C, 2))
    service.step("indexer")
    assert view(service, B, A)["score"] == pytest.approx(0.2)
    service.model.reorganise(1)
    service.model.mine()
    service.step("indexer")
    assert view(service, B, A)["score"] == pytest.approx(0.6)


def test_view__of_a_distrusted_account__is_less(service: Service) -> None:
    service.model.mine(parameters(0.4, 0.0), feedback(A, B, 1), feedback(A, C, 1))
    service.step("indexer")
    before = view(service, C, A)["score"]
    service.model.mine(feedback(B, C, 1, kind=1))
    service.step("indexer")
    found = view(service, C, A)
    assert found["taken_by_distrust"] > 0
    assert found["score"] == pytest.approx(before - found["taken_by_distrust"])


def test_view__of_or_from_a_stranger__is_zero(service: Service) -> None:
    service.model.mine(parameters(0.4, 0.5), feedback(A, B, 1))
    service.step("indexer")
    for address, seed in ((STRANGER, A), (B, STRANGER), (A, B)):
        found = view(service, address, seed)
        assert (found["score"], found["paths"], found["edges"]) == (0, [], [])


def test_view__needs_an_identity(service: Service) -> None:
    assert service.http.get(f"/v1/reputation/{A}/from/{B}").status_code == 401


def test_view__before_anything_is_indexed__is_404(service: Service) -> None:
    response = service.signed("GET", f"/v1/reputation/{A}/from/{B}")
    assert (response.status_code, response.json()["type"]) == (404, "urn:merit:problem:not-found")


def open_job(model: ModelChain, number: int, specification: bytes) -> None:
    terms = {**TERMS, "specification": specification}
    model.mine(("JobEscrow", "JobOpened", {"jobId": number, "owner": A, "terms": terms, "amount": 10**20}))


def test_models__are_those_that_open_jobs_ask_for(service: Service) -> None:
    block = canonical_json({"kind": "inference", "model": "ab" * 32, "workload": "text-generation"})
    digest = service.services.evidence.put(block).digest
    nonsense = service.services.evidence.put(b"no specification").digest
    for number, specification in ((1, digest), (2, nonsense), (3, bytes(32)), (4, digest), (5, digest)):
        open_job(service.model, number, specification)
    service.model.mine(("JobEscrow", "JobClosed", {"jobId": 4, "refund": 0}))
    service.step("indexer")
    page = service.http.get("/v1/models").json()
    expected = {"model": "0x" + "ab" * 32, "kind": "inference", "workload": "text-generation"}
    assert page == {"models": [expected | {"jobs": [5, 1]}], "next": None}
    first = service.http.get("/v1/models", params={"limit": 2}).json()
    assert first == {"models": [expected | {"jobs": [5]}], "next": 4}
    second = service.http.get("/v1/models", params={"cursor": first["next"]}).json()
    assert second == {"models": [expected | {"jobs": [1]}], "next": None}
