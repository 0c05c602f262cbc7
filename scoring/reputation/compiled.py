"""Machine code for the few loops that numpy cannot express."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function) -> Function:
    """Compile `function` at its first call and keep the result on disk.

    Strict IEEE arithmetic (no reordering of sums), so results do not depend on the machine. The interpreter lock is
    released while it runs. An index that may be negative counts from the end, as in Python; to find out takes half of
    the time of the innermost loops, so these index by `np.uint64`.
    """
    return cast(Function, numba.njit(cache=True, nogil=True, error_model="numpy")(function))


def _prefetch(_context: Any, array: Any, index: Any) -> Any:
    """Ask for `array[index]`, of an array without gaps, before it is needed: it may lie outside. In compiled code only.

    Where what is read next is known long before, as it is in a queue, memory is read while something else is done.
    """

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        view = context.make_array(signature.args[0])(context, builder, arguments[0])
        byte, number = ir.IntType(8).as_pointer(), ir.IntType(32)
        place = builder.bitcast(builder.gep(view.data, [arguments[1]]), byte)
        hint = ir.FunctionType(ir.VoidType(), [byte, number, number, number])
        to_read, keep, data = number(0), number(3), number(1)
        builder.call(builder.module.declare_intrinsic("llvm.prefetch", [byte], hint), [place, to_read, keep, data])
        return context.get_dummy_value()

    return types.void(array, index), emit


prefetch = cast(Callable[..., None], intrinsic(_prefetch))
