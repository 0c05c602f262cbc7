"""What blocks or takes long, in a few threads."""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial, wraps
from typing import ParamSpec, TypeVar

Parameters = ParamSpec("Parameters")
Answer = TypeVar("Answer")

# Few: those that want the interpreter at the same time take it from each other, which costs more than a query does.
REQUEST_THREADS = 8
_THREADS = ThreadPoolExecutor(REQUEST_THREADS, "merit-request")


def in_thread(function: Callable[Parameters, Answer]) -> Callable[Parameters, Awaitable[Answer]]:
    """For what is asked often.

    FastAPI would run a blocking endpoint in one of forty threads and look its answer over in another; under load, the
    changes of threads cost more than either.
    """

    @wraps(function)
    async def run(*values: Parameters.args, **named: Parameters.kwargs) -> Answer:
        call = partial(copy_context().run, function, *values, **named)
        return await asyncio.get_running_loop().run_in_executor(_THREADS, call)

    return run


async def here_if(
    is_quick: bool, function: Callable[Parameters, Answer], *values: Parameters.args, **named: Parameters.kwargs
) -> Answer:
    """What is quick here and now; the rest in a thread, so that others are answered meanwhile."""
    if is_quick:
        return function(*values, **named)
    return await in_thread(function)(*values, **named)
