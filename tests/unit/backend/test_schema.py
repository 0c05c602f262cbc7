"""The whole OpenAPI document against the service: whatever a caller sends, it answers as it says it does.

Requests are made up by Schemathesis from the document: valid ones and broken ones, one by one and in sequences that
follow the document's links. No answer may be a 5xx or differ from its schema.
"""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from eth_account.messages import encode_defunct
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import APIOperation, Case, GenerationMode, Response
from schemathesis.openapi import from_dict
from schemathesis.specs.openapi.checks import positive_data_acceptance

from backend.app import ROUTERS
from backend.fields import hex_of
from chain.client import Work

from .conftest import CONTRIBUTOR, ORIGIN, OWNER, TERMS, ModelChain, Service, service_over
from .test_identity import sign_in_text
from .test_reputation import feedback, parameters

FEW = settings(
    max_examples=8,
    phases=[Phase.generate],  # what fails is small enough without being made smaller
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow, HealthCheck.data_too_large],
)
MANY = settings(FEW, max_examples=400, derandomize=False)
UNBOUNDED = {"address_rate": 10.0**9, "account_rate": 10.0**9}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Service, str]]:
    """A service with something of everything, and the token of somebody who is signed in."""
    model = ModelChain()
    service = service_over(model, tmp_path_factory.mktemp("schema"), **UNBOUNDED)
    opened = {"jobId": 1, "owner": OWNER.address, "terms": TERMS, "amount": 10**20}
    model.mine(("JobEscrow", "JobOpened", opened))
    model.mine(parameters(0.4, 0.5), feedback(OWNER.address, CONTRIBUTOR.address, 3))
    service.client().submit(1, [Work(1, bytes(32), bytes([number])) for number in range(9)])
    service.step("recorder", "indexer")
    service.services.workers.ask_to_stop()  # event streams end where they would wait
    text = sign_in_text()
    signature = hex_of(bytes(CONTRIBUTOR.sign_message(encode_defunct(text=text)).signature))
    token = service.http.post("/v1/session", json={"message": text, "signature": signature}).json()["token"]
    yield service, token
    service.services.database.close()


def ask(world: tuple[Service, str], case: Case) -> httpx.Response:
    """In this process, by somebody who is signed in, and stays so."""
    service, token = world
    request = case.as_transport_kwargs(base_url=ORIGIN)
    request.pop("cookies", None)  # the service knows none
    if isinstance(request.get("data"), bytes):  # httpx names it otherwise than requests
        request["content"] = request.pop("data")
    if case.operation.path != "/v1/session":
        request["headers"]["Authorization"] = f"Bearer {token}"
    return service.http.request(**request)


def document_of(app: FastAPI) -> dict[str, Any]:
    """Without what says who may ask: every request here is somebody's, and `test_identity` has the others."""
    document = app.openapi()
    for item in document["paths"].values():
        for operation in item.values():
            operation.pop("security", None)
    return document


def questions() -> Iterator[tuple[str, str, GenerationMode]]:
    """Each operation, to be asked rightly, and wrongly if there is anything to say wrongly."""
    app = FastAPI()
    for router in ROUTERS:
        app.include_router(router)
    for path, item in app.openapi()["paths"].items():
        for method, operation in item.items():
            yield method, path, GenerationMode.POSITIVE
            body = operation.get("requestBody", {"content": {}})["content"]
            if operation.get("parameters") or "application/json" in body:
                yield method, path, GenerationMode.NEGATIVE


def try_operation(world: tuple[Service, str], question: tuple[str, str, GenerationMode], profile: settings) -> None:
    method, path, mode = question
    operation: APIOperation = from_dict(document_of(world[0].app))[path][method.upper()]
    # Whether a signed text is one of EIP-4361 is more than a schema says.
    unsaid = [positive_data_acceptance] if path == "/v1/session" else []

    @profile
    @given(case=operation.as_strategy(generation_mode=mode))
    def answers_as_documented(case: Case) -> None:
        case.validate_response(ask(world, case), excluded_checks=unsaid)

    answers_as_documented()


@pytest.mark.parametrize("question", list(questions()), ids=str)
def test_operation__asked_anything__answers_as_documented(
    world: tuple[Service, str], question: tuple[str, str, GenerationMode]
) -> None:
    try_operation(world, question, FEW)


@pytest.mark.long
@pytest.mark.parametrize("question", list(questions()), ids=str)
def test_operation__asked_many_things__answers_as_documented(
    world: tuple[Service, str], question: tuple[str, str, GenerationMode]
) -> None:
    try_operation(world, question, MANY)


def test_sequences__along_the_documents_links__are_answered_as_documented(world: tuple[Service, str]) -> None:
    machine = from_dict(document_of(world[0].app)).as_state_machine()

    class Sequences(machine):  # type: ignore[misc, valid-type]
        def call(self, case: Case, **_: object) -> Response:
            return Response.from_httpx(ask(world, case), verify=True)

    Sequences.run(settings=settings(FEW, max_examples=20, stateful_step_count=8))
