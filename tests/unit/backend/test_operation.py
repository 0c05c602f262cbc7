"""What operators see, what every answer carries, and pages of what the chain said."""

import asyncio
import re
from typing import Any

from fastapi import FastAPI

from backend.operation.limits import RateLimit
from backend.operation.middleware import RequestFrame
from backend.workers import Workers
from chain.client import Work
from chain.errors import ChainUnavailableError

from .conftest import CONTRIBUTOR, OWNER, RECORDER, TERMS, ModelChain, Service


def open_jobs(model: ModelChain, count: int) -> None:
    for number in range(1, count + 1):
        args = {"jobId": number, "owner": OWNER.address, "terms": TERMS, "amount": 10**20}
        model.mine(("JobEscrow", "JobOpened", args))


def test_health__answers(service: Service) -> None:
    assert service.http.get("/health").json() == {"status": "ok"}


def test_ready__while_the_chain_is_down__says_so(service: Service) -> None:
    assert service.http.get("/ready").status_code == 200

    def down() -> None:
        raise ChainUnavailableError("The chain stopped answering; check the RPC endpoint.")

    object.__setattr__(service.services, "head", down)
    response = service.http.get("/ready")
    assert response.status_code == 503
    assert response.json()["detail"] == "The chain stopped answering; check the RPC endpoint."
    assert service.http.get("/status").json()["head_block"] is None


def test_status__names_the_network_and_how_far_the_index_is(service: Service) -> None:
    open_jobs(service.model, 3)
    assert service.http.get("/status").json()["indexed_block"] is None
    service.step("indexer")
    found = service.http.get("/status").json()
    assert (found["chain_id"], found["recorder"], found["indexed_block"]) == (31337, RECORDER.address, 3)
    assert {worker["name"] for worker in found["workers"]} == {"indexer", "recorder", "retention", "keeper"}


def test_metrics__count_requests_by_route(service: Service) -> None:
    service.http.get("/v1/jobs/1")
    service.http.get("/v1/jobs/1")
    text = service.http.get("/metrics").text
    assert 'merit_requests_total{method="GET",route="/v1/jobs/{job_id}",status="200"} 2.0' in text
    assert "merit_unrecorded_batches 0.0" in text


def test_metrics__count_receipts(service: Service) -> None:
    service.client().submit(1, [Work(1, bytes(32), bytes([number])) for number in range(3)])
    assert "merit_contributions_total 3.0" in service.http.get("/metrics").text


def test_answers__carry_a_request_id_of_their_own(service: Service) -> None:
    ids = {service.http.get("/health").headers["x-request-id"] for _ in range(3)}
    assert len(ids) == 3
    assert all(re.fullmatch("[0-9a-f]{32}", one) for one in ids)


def test_failure__that_nobody_foresaw__is_a_problem_without_its_cause(service: Service) -> None:
    app: FastAPI = service.app

    @app.get("/broken")
    def broken() -> None:
        raise RuntimeError("password=hunter2")

    response = service.http.get("/broken")
    assert response.status_code == 500
    assert response.json()["type"] == "urn:merit:problem:internal"
    assert "hunter2" not in response.text


def test_unknown_path_and_method__are_problem_documents(service: Service) -> None:
    for response in (service.http.get("/v1/nothing"), service.http.delete("/v1/contributions")):
        assert response.headers["content-type"] == "application/problem+json"
        assert response.json()["status"] == response.status_code


def test_pages__follow_each_other_without_gap_or_repeat(service: Service) -> None:
    open_jobs(service.model, 7)
    service.step("indexer")
    seen: list[int] = []
    cursor = None
    while True:
        page = service.http.get("/v1/jobs", params={"limit": 3, **({"cursor": cursor} if cursor else {})}).json()
        seen += [job["id"] for job in page["jobs"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert seen == [7, 6, 5, 4, 3, 2, 1]
    history: list[int] = []
    cursor = None
    while True:
        query = {"limit": 2, **({"cursor": cursor} if cursor else {})}
        page = service.http.get(f"/v1/accounts/{OWNER.address}/history", params=query).json()
        history += [event["args"]["jobId"] for event in page["events"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert history == seen


def test_cursor__that_no_page_gave__is_refused(service: Service) -> None:
    for path in ("/v1/batches", f"/v1/accounts/{OWNER.address}/history"):
        assert service.http.get(path, params={"cursor": "1; DROP TABLE jobs"}).status_code == 422


def test_account__adds_up(service: Service) -> None:
    found = service.http.get(f"/v1/accounts/{CONTRIBUTOR.address}").json()
    assert (found["stake"], found["free_stake"], found["credit"], found["reputation"]) == (
        str(10**9),
        str(10**9),
        "7",
        0.5,
    )


def test_worker__that_fails__is_tried_again_and_shows_why() -> None:
    workers = Workers(interval=0.001, leads=lambda: True)
    outcomes = iter([ChainUnavailableError("Down."), RuntimeError("secret"), None])

    def step() -> None:
        outcome = next(outcomes)
        if outcome is not None:
            raise outcome

    workers.add("one", step)
    (worker,) = workers.all
    workers.attempt(worker)
    assert (worker.failures, worker.error) == (1, "Down.")
    workers.attempt(worker)
    assert (worker.failures, worker.error) == (2, "It failed unexpectedly; see the log.")
    workers.attempt(worker)
    assert (worker.failures, worker.error) == (0, None)


async def test_body__that_comes_too_slowly__is_given_up(service: Service) -> None:
    frame = RequestFrame(
        service.app, service.services.metrics, body_limit=1000, limit=RateLimit(1, lambda: 0.0), body_grace=0.05
    )
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(0.02)
        return {"type": "http.request", "body": b" ", "more_body": True}

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"content-type", b"application/json")]
    scope = {"type": "http", "method": "POST", "path": "/v1/contributions", "query_string": b"", "headers": headers}
    scope["client"] = None
    await frame(scope, receive, send)
    assert sent[0]["status"] == 408
