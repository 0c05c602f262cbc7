"""Failures as RFC 9457 problem documents: what happened, in one sentence that says what to do."""

from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException

from chain.errors import ChainUnavailableError, MeritError, TransactionRevertedError

MEDIA_TYPE = "application/problem+json"
_log = structlog.get_logger()


class Problem(BaseModel):
    """RFC 9457 problem document; some kinds have further members."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    detail: str


_SCHEMA = Problem.model_json_schema()


class ProblemError(MeritError):
    """A refusal that the API answers with `status`; `kind` is stable for programs, extra members help them on."""

    def __init__(
        self, status: int, kind: str, detail: str, headers: dict[str, str] | None = None, **members: Any
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.kind = kind
        self.headers = headers or {}
        self.members = members

    def response(self) -> JSONResponse:
        """The answer."""
        response = problem_response(self.status, self.kind, str(self), **self.members)
        response.headers.update(self.headers)
        return response


def not_found(what: str) -> ProblemError:
    """404 for a resource that is not known here."""
    return ProblemError(404, "not-found", f"{what} is not known here; check the identifier.")


def install_handlers(app: FastAPI) -> None:
    """Answer every failure of `app` with a problem document."""

    @app.exception_handler(ProblemError)
    def refused(_: Request, error: ProblemError) -> JSONResponse:
        return error.response()

    @app.exception_handler(ChainUnavailableError)
    def chain_down(_: Request, error: ChainUnavailableError) -> JSONResponse:
        return problem_response(503, "chain-unavailable", "The chain does not answer; try again in a moment.")

    @app.exception_handler(TransactionRevertedError)
    def reverted(_: Request, error: TransactionRevertedError) -> JSONResponse:
        return problem_response(409, "refused-by-contract", str(error), error=error.name)

    @app.exception_handler(RequestValidationError)
    def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        faults = [
            {"where": "/".join(str(part) for part in fault["loc"]), "what": fault["msg"]} for fault in error.errors()
        ]
        return problem_response(422, "invalid-request", "The request is not valid; see the faults.", faults=faults)

    @app.exception_handler(HTTPException)
    def http(_: Request, error: HTTPException) -> JSONResponse:
        kind = HTTPStatus(error.status_code).phrase.lower().replace(" ", "-")
        response = problem_response(error.status_code, kind, f"{error.detail}.")
        response.headers.update(error.headers or {})
        return response

    @app.exception_handler(Exception)
    def unexpected(request: Request, error: Exception) -> JSONResponse:
        _log.error("request failed", path=request.url.path, exc_info=error)
        return problem_response(500, "internal", "The service failed; it is logged, try again later.")


def problem_response(status: int, kind: str, detail: str, **members: Any) -> JSONResponse:
    """The document itself, for places where no exception can be raised."""
    document = {
        "type": f"urn:merit:problem:{kind}",
        "title": kind.replace("-", " "),
        "status": status,
        "detail": detail,
    }
    return JSONResponse({**members, **document}, status_code=status, media_type=MEDIA_TYPE)


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """How an endpoint's refusals look in the OpenAPI document."""
    content = {MEDIA_TYPE: {"schema": _SCHEMA}}
    return {status: {"description": HTTPStatus(status).phrase, "content": content} for status in statuses}
