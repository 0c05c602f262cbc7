"""One request and its answer, with everything that can go wrong between them; without any input or output of its own.

An operation is a generator: it yields the requests to send and the pauses to make, is given the answers, and returns
its result. `MeritClient` and `AsyncMeritClient` differ only in how they send and wait.
"""

import os
from collections.abc import Callable, Generator
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, TypeVar

import httpx
from eth_account.signers.base import BaseAccount

from chain.client.records import RequestRefusedError, ServiceUnavailableError
from chain.errors import MeritError
from chain.signed_call import sign_call
from chain.typed_data import Call, Domain

_ATTEMPTS = 6
_FIRST_PAUSE = 0.2
_SIGNED_FOR = 240  # seconds; the service takes up to 300
_RETRIED = frozenset({429, 502, 503, 504})


@dataclass(frozen=True)
class Pause:
    """Wait for so many seconds."""

    seconds: float


T = TypeVar("T")
Operation = Generator[httpx.Request | Pause, httpx.Response | httpx.TransportError | None, T]


class Exchange:
    """Requests to one service, signed where it has to know who asks."""

    def __init__(self, url: str, domain: Domain, account: BaseAccount | None, clock: Callable[[], float]) -> None:
        self._url = url.rstrip("/")
        self._domain = domain
        self._account = account
        self._clock = clock

    @property
    def signer(self) -> BaseAccount:
        """The client's key. Raises `MeritError` where it has none."""
        if self._account is None:
            raise MeritError("This client has no key to sign with; give it an account.")
        return self._account

    def document(self, method: str, path: str, **options: Any) -> Operation[dict[str, Any]]:
        """A JSON answer; `options` as `response` takes them."""
        response = yield from self.response(method, path, **options)
        try:
            document: dict[str, Any] = response.json()
        except ValueError:
            raise ServiceUnavailableError(
                f"{self._url} does not answer as Merit's API does; check its address."
            ) from None
        return document

    def response(self, method: str, path: str, *, signed: bool = False, **options: Any) -> Operation[httpx.Response]:
        """An answer below 300; `options` are httpx's. Whatever got lost is sent again.

        Everything that the API takes may be sent twice: leaves and evidence are known by their hashes. A signed
        request is signed anew each time, since its nonce may have been used.
        """
        pause = _FIRST_PAUSE
        for attempt in range(_ATTEMPTS):
            request = httpx.Request(method, self._url + path, **options)
            if signed:
                request.headers["Authorization"] = self._authorization(request)
            answer = yield request
            if isinstance(answer, httpx.Response):
                if answer.status_code not in _RETRIED:
                    return _accepted(answer)
                reason = f"{self._url} cannot answer now (status {answer.status_code}); try again later."
                pause = max(pause, _retry_after(answer))
            else:
                reason = f"{self._url} does not answer ({type(answer).__name__}); is the service running?"
            if attempt + 1 < _ATTEMPTS:
                yield Pause(pause)
                pause *= 2
        raise ServiceUnavailableError(reason)

    def _authorization(self, request: httpx.Request) -> str:
        url = request.url
        call = Call(
            origin=f"{url.scheme}://{url.netloc.decode('ascii')}",
            method=request.method,
            path=url.raw_path.partition(b"?")[0].decode("ascii"),
            query=url.query.decode("ascii"),
            body=sha256(request.read()).digest(),
            nonce=os.urandom(32),
            expiry=int(self._clock()) + _SIGNED_FOR,
        )
        return sign_call(self.signer, self._domain, call)


def _accepted(response: httpx.Response) -> httpx.Response:
    if response.status_code < 300:
        return response
    try:
        problem: dict[str, Any] = response.json()
        kind = str(problem["type"]).rsplit(":", 1)[-1]
        sentence = str(problem["detail"])
    except (ValueError, KeyError, TypeError):
        raise ServiceUnavailableError(
            f"The service answered with status {response.status_code} and no reason; check its address."
        ) from None
    raise RequestRefusedError(response.status_code, kind, sentence, problem)


def _retry_after(response: httpx.Response) -> float:
    try:
        return float(response.headers.get("Retry-After", "0"))
    except ValueError:
        return 0.0
