"""The two clients: the same operations, one blocking, one to be awaited."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from functools import wraps
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

import httpx
from eth_account.signers.base import BaseAccount

from chain.client.exchange import Operation, Pause
from chain.client.operations import Operations
from chain.typed_data import Domain

P = ParamSpec("P")
T = TypeVar("T")


def _blocking(
    operation: Callable[Concatenate[Operations, P], Operation[T]],
) -> Callable[Concatenate["MeritClient", P], T]:
    @wraps(operation)
    def run(client: "MeritClient", /, *args: P.args, **kwargs: P.kwargs) -> T:
        return client.run(operation(client.operations, *args, **kwargs))

    return run


def _awaited(
    operation: Callable[Concatenate[Operations, P], Operation[T]],
) -> Callable[Concatenate["AsyncMeritClient", P], Coroutine[Any, Any, T]]:
    @wraps(operation)
    async def run(client: "AsyncMeritClient", /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await client.run(operation(client.operations, *args, **kwargs))

    return run


class MeritClient:
    """Blocking client. `account` is needed for what has to be signed only; `transport` is httpx's, for tests."""

    def __init__(
        self,
        url: str,
        domain: Domain,
        account: BaseAccount | None = None,
        *,
        timeout: float = 30.0,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.operations = Operations(url, domain, account, clock)
        self._http = httpx.Client(timeout=timeout, transport=transport)
        self._sleep = sleep

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()

    submit = _blocking(Operations.submit)
    renew = _blocking(Operations.renew)
    contribution = _blocking(Operations.contribution)
    why = _blocking(Operations.why)
    contributor = _blocking(Operations.contributor)
    put_evidence = _blocking(Operations.put_evidence)
    evidence = _blocking(Operations.evidence)
    evidence_by_name = _blocking(Operations.evidence_by_name)
    pin_evidence = _blocking(Operations.pin_evidence)
    unpin_evidence = _blocking(Operations.unpin_evidence)
    query = _blocking(Operations.query)
    job = _blocking(Operations.job)
    batch = _blocking(Operations.batch)
    account = _blocking(Operations.account)
    reputation = _blocking(Operations.reputation)
    reputation_from = _blocking(Operations.reputation_from)
    epochs = _blocking(Operations.epochs)
    status = _blocking(Operations.status)

    def batches(self, **filters: Any) -> Iterator[dict[str, Any]]:
        """Recorded batches, newest first; filters: `job_id`, `contributor`, `phase`."""
        cursor: str | None = None
        while True:
            page = self.run(self.operations.batch_page(cursor, filters))
            yield from page["batches"]
            cursor = page["next"]
            if cursor is None:
                return

    def run(self, operation: Operation[T]) -> T:
        """Send what the operation yields, and wait where it says so."""
        answer: httpx.Response | httpx.TransportError | None = None
        while True:
            try:
                step = operation.send(answer)
            except StopIteration as end:
                result: T = end.value
                return result
            if isinstance(step, Pause):
                self._sleep(step.seconds)
                answer = None
            else:
                try:
                    answer = self._http.send(step)
                except httpx.TransportError as error:
                    answer = error


class AsyncMeritClient:
    """`MeritClient` for asyncio: the same operations, each to be awaited."""

    def __init__(
        self,
        url: str,
        domain: Domain,
        account: BaseAccount | None = None,
        *,
        timeout: float = 30.0,
        transport: httpx.AsyncBaseTransport | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.operations = Operations(url, domain, account, clock)
        self._http = httpx.AsyncClient(timeout=timeout, transport=transport)
        self._sleep = sleep

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Give the connections back."""
        await self._http.aclose()

    submit = _awaited(Operations.submit)
    renew = _awaited(Operations.renew)
    contribution = _awaited(Operations.contribution)
    why = _awaited(Operations.why)
    contributor = _awaited(Operations.contributor)
    put_evidence = _awaited(Operations.put_evidence)
    evidence = _awaited(Operations.evidence)
    evidence_by_name = _awaited(Operations.evidence_by_name)
    pin_evidence = _awaited(Operations.pin_evidence)
    unpin_evidence = _awaited(Operations.unpin_evidence)
    query = _awaited(Operations.query)
    job = _awaited(Operations.job)
    batch = _awaited(Operations.batch)
    account = _awaited(Operations.account)
    reputation = _awaited(Operations.reputation)
    reputation_from = _awaited(Operations.reputation_from)
    epochs = _awaited(Operations.epochs)
    status = _awaited(Operations.status)

    async def batches(self, **filters: Any) -> AsyncIterator[dict[str, Any]]:
        """Recorded batches, newest first; filters: `job_id`, `contributor`, `phase`."""
        cursor: str | None = None
        while True:
            page = await self.run(self.operations.batch_page(cursor, filters))
            for batch in page["batches"]:
                yield batch
            cursor = page["next"]
            if cursor is None:
                return

    async def run(self, operation: Operation[T]) -> T:
        """Send what the operation yields, and wait where it says so."""
        answer: httpx.Response | httpx.TransportError | None = None
        while True:
            try:
                step = operation.send(answer)
            except StopIteration as end:
                result: T = end.value
                return result
            if isinstance(step, Pause):
                await self._sleep(step.seconds)
                answer = None
            else:
                try:
                    answer = await self._http.send(step)
                except httpx.TransportError as error:
                    answer = error
