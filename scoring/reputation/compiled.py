"""Machine code for the few loops that numpy cannot express."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function) -> Function:
    """Compile `function` at its first call and keep the result on disk.

    Strict IEEE arithmetic (no reordering of sums), so results do not depend on the machine. The interpreter lock is
    released while it runs. An index that may be negative counts from the end, as in Python; to find out takes half of
    the time of the innermost loops, so these index by `np.uint64`.
    """
    return cast(Function, numba.njit(cache=True, nogil=True, error_model="numpy")(function))
