"""Kernels that run on several threads of this machine and meet now and then.

Each thread runs the same kernel for its own part of the work; where one part needs what another has
done, all of them `meet`. Waiting is a few hundred nanoseconds of looking at one word, so parts may
meet after some ten microseconds of work already, which numba's own loops over threads do not allow.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numba import types
from numba.extending import intrinsic

from nm_backends.fixed import kernel

__all__ = ["meet", "together"]

_T = TypeVar("_T")

_ARRIVED, _TURN, _ENDED = 0, 8, 16  # words of a barrier, each in a cache line of its own
_PATIENCE = 2000
"""Looks at the word before the processor is left to others, who may be those waited for."""

_give_way = types.ExternalFunction(
    "SwitchToThread" if os.name == "nt" else "sched_yield", types.intc()
)


def _place(context: Any, builder: Any, kind: Any, words: Any, index: Any) -> Any:
    array = context.make_array(kind)(context, builder, words)
    return builder.gep(array.data, [index])


@intrinsic  # type: ignore[untyped-decorator]
def _add(typing: Any, words: Any, index: Any, value: Any) -> Any:
    """Add to a word that other threads see; return what it was."""

    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        place = _place(context, builder, signature.args[0], given[0], given[1])
        return builder.atomic_rmw("add", place, given[2], "seq_cst")

    return types.int64(words, types.int64, types.int64), code


@intrinsic  # type: ignore[untyped-decorator]
def _look(typing: Any, words: Any, index: Any) -> Any:
    """Return a word that other threads write."""

    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        place = _place(context, builder, signature.args[0], given[0], given[1])
        return builder.load_atomic(place, "seq_cst", 8)

    return types.int64(words, types.int64), code


@kernel()
def meet(barrier: np.ndarray, parts: int) -> bool:
    """Wait until all threads are here; False when one of them has failed."""
    if parts == 1:
        return True
    turn = _look(barrier, _TURN)
    if _add(barrier, _ARRIVED, 1) == parts - 1:
        _add(barrier, _ARRIVED, -parts)
        _add(barrier, _TURN, 1)
        return True
    looks = 0
    while _look(barrier, _TURN) == turn:
        if _look(barrier, _ENDED):
            return False
        looks += 1
        if looks > _PATIENCE:
            _give_way()
    return True


def together(parts: int, work: Callable[[int, np.ndarray], _T]) -> _T:
    """Run ``work(part, barrier)`` for each part, at the same time.

    Parameters
    ----------
    parts
        How many there are, 1 or more; the first runs on the calling thread.
    work
        Calls a kernel, which is free of the GIL and may `meet` the others.

    Returns
    -------
    object
        What the first part returns. An exception in any part ends the others where they meet, and
        is raised.
    """
    barrier, failures = np.zeros(24, np.int64), []

    def guarded(part: int) -> None:
        try:
            work(part, barrier)
        except BaseException as error:
            failures.append(error)
            barrier[_ENDED] = 1

    threads = [
        threading.Thread(target=guarded, args=(part,), daemon=True) for part in range(1, parts)
    ]
    try:
        for thread in threads:
            thread.start()
        found = work(0, barrier)
    except BaseException:
        barrier[_ENDED] = 1
        raise
    finally:
        for thread in threads:
            if thread.ident is not None:
                thread.join()
    if failures:
        raise failures[0]
    return found
