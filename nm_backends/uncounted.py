"""Arrays that kernels hand on without counting who holds them.

Numba counts references to an array whenever a function gets it, with two locked instructions; that
is more than a row of neurons takes. A kernel that is called with arrays may borrow them once: they
live as long as its caller waits for it.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.extending import intrinsic

__all__ = ["borrowed"]


@intrinsic  # type: ignore[untyped-decorator]
def borrowed(typing: Any, array: Any) -> Any:
    """Return an array as it is, uncounted; what it is borrowed from must outlive it."""

    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        found = context.make_array(signature.args[0])(context, builder, given[0])
        found.meminfo = ir.Constant(found.meminfo.type, None)
        found.parent = ir.Constant(found.parent.type, None)
        return found._getvalue()

    return array(array), code
