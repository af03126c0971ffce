"""The processor's prefetch instruction, for Numba: starts to load what will be needed soon."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

# Arguments of LLVM's `llvm.prefetch`: for reading, keep in all caches, data and not code.
READ, KEEP, DATA = 0, 3, 1


@intrinsic
def prefetch(typingctx: Any, array: Any, index: Any) -> Any:
    """Start to load ``array[index]`` into the caches; any index is harmless."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        view = cgutils.create_struct_proxy(signature.args[0])(context, builder, args[0])
        place = builder.gep(view.data, [builder.sext(args[1], ir.IntType(64))])
        pointer, whole = ir.IntType(8).as_pointer(), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [pointer, whole, whole, whole])
        call = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        flags = [ir.Constant(whole, flag) for flag in (READ, KEEP, DATA)]
        builder.call(call, [builder.bitcast(place, pointer), *flags])
        return context.get_dummy_value()

    return types.void(array, index), generate
