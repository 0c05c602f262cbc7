"""What happens around every request: an id for the log, limits on the body and on how often, a count and a time."""

import asyncio
import secrets
import time
from itertools import count

import structlog
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from backend.operation.limits import RateLimit, caller_at, too_many
from backend.operation.metrics import Metrics

_log = structlog.get_logger()
_COUNTED = "/v1/"  # what is for operators is not counted
_UNLIMITED = "/v1/evidence"  # which has a limit of its own, kept while it streams
_BODY_GRACE = 15.0  # seconds that any body may take
_SLOWEST = 16 * 1024  # bytes for each further second


class RequestFrame:
    """Outermost layer of the application."""

    def __init__(
        self, app: ASGIApp, metrics: Metrics, body_limit: int, limit: RateLimit, body_grace: float = _BODY_GRACE
    ) -> None:
        self._app = app
        self._limit = limit
        self._metrics = metrics
        self._body_limit = body_limit
        self._body_grace = body_grace
        # Random once per process: random bytes for each request let another thread take the interpreter.
        self._prefix = secrets.token_hex(8)
        self._numbers = count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = f"{self._prefix}{next(self._numbers):016x}"
        status = 500
        started = time.perf_counter()

        async def send_framed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", request_id.encode())]
            await send(message)

        structlog.contextvars.bind_contextvars(request_id=request_id)  # a request's context ends with its task
        try:
            wait = self._wait(scope)
            app = too_many(wait).response() if wait > 0 else self._app
            await app(scope, self._limited(scope, receive), send_framed)
        finally:
            seconds = time.perf_counter() - started
            route = getattr(scope.get("route"), "path", "unknown")
            self._metrics.answered(scope["method"], route, status, seconds)
            _log.debug("request", method=scope["method"], path=scope["path"], status=status, seconds=round(seconds, 4))

    def _wait(self, scope: Scope) -> float:
        """Seconds until the caller's address may ask again; 0 where it may now."""
        if not scope["path"].startswith(_COUNTED) or scope["client"] is None:
            return 0.0
        return self._limit.wait_of(caller_at(scope["client"][0]))

    def _limited(self, scope: Scope, receive: Receive) -> Receive:
        """The body within its size, and not slower than anybody's line: a slow sender would hold a worker for ever."""
        limit = None if scope["path"] == _UNLIMITED else self._body_limit
        started, received, is_whole = time.monotonic(), 0, False

        async def receive_limited() -> Message:
            nonlocal received, is_whole
            if is_whole:  # from here on this waits for the client to leave
                return await receive()
            patience = self._body_grace + received / _SLOWEST - (time.monotonic() - started)
            try:
                async with asyncio.timeout(max(patience, 0)):
                    message = await receive()
            except TimeoutError:
                raise HTTPException(408, "The body came too slowly; send it again") from None
            received += len(message.get("body", b""))
            is_whole = not message.get("more_body", False)
            if limit is not None and received > limit:
                # FastAPI lets this one type through where it reads the body.
                raise HTTPException(413, f"A request body may have {limit} bytes at most; send less")
            return message

        return receive_limited
