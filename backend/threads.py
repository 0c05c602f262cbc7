"""Endpoints that block, each in one thread."""

from collections.abc import Awaitable, Callable
from functools import partial, wraps
from typing import ParamSpec, TypeVar

from fastapi.concurrency import run_in_threadpool

Parameters = ParamSpec("Parameters")
Answer = TypeVar("Answer")


def in_thread(endpoint: Callable[Parameters, Answer]) -> Callable[Parameters, Awaitable[Answer]]:
    """For endpoints that are asked often.

    FastAPI would run a blocking endpoint in one thread and look its answer over in a second; under load, each change of
    threads costs more than either.
    """

    @wraps(endpoint)
    async def run(*values: Parameters.args, **named: Parameters.kwargs) -> Answer:
        return await run_in_threadpool(partial(endpoint, *values, **named))

    return run
