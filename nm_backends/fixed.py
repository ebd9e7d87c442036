"""Integer primitives that simulator kernels share: compiled once, cached, free of the GIL.

Importing this module imports numba; only simulators do so, when something is simulated.

Kernels keep state and limits in int16: one untyped constant in an expression widens the whole loop
to 64 bits and costs a factor of six.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
import numpy as np

__all__ = ["RING", "grow", "kernel", "ring_pop", "ring_push", "saturate"]

_HERE = Path(__file__).parent
_F = TypeVar("_F", bound=Callable[..., Any])

RING = 256
"""Room in the storage of a FIFO, a power of two, whatever the depth of the chip's."""


def kernel(signature: Any = None, *, inline: bool = False) -> Callable[[_F], _F]:
    """Compile a function to machine code, cached on disk.

    Parameters
    ----------
    signature
        Numba signature. Entry points give theirs, so that they are compiled exactly once, and so
        that functions can be handed to them as pointers; helpers leave it out.
    inline
        Always merge the function into its callers: a call costs as much as some ten operations.
    """

    def decorate(function: _F) -> _F:
        decorated = numba.njit(cache=True, nogil=True, forceinline=inline)
        compiled: Any = decorated(function)
        _depend_on_sources(compiled, Path(function.__code__.co_filename).parent)
        if signature is not None:
            compiled.compile(signature)
            compiled.disable_compile()
        return cast(_F, compiled)

    return decorate


def _depend_on_sources(compiled: Any, package: Path) -> None:
    """Let a cached function be recompiled when any kernel that it may contain has changed.

    Numba looks at the function's own file only, but the machine code also holds what was inlined
    from other files: an edited helper would silently go on in its old form.
    """
    cache_file = getattr(getattr(compiled, "_cache", None), "_cache_file", None)
    if cache_file is not None:
        stamps = (cache_file._source_stamp, _sources(_HERE / "eventcore"), _sources(package))
        cache_file._source_stamp = (*stamps, _stamp(_HERE / "fixed.py"))


@cache
def _sources(folder: Path) -> tuple[tuple[str, int, int], ...]:
    return tuple(_stamp(path) for path in sorted(folder.glob("*.py")))


def _stamp(path: Path) -> tuple[str, int, int]:
    status = path.stat()
    return path.name, status.st_mtime_ns, status.st_size


@kernel()
def saturate(value: Any, low: np.int16, high: np.int16) -> np.int16:
    """Return ``value`` limited to ``low .. high``, as int16."""
    return min(max(np.int16(value), low), high)


@kernel()
def ring_push(queue: Any, item: int, depth: int) -> bool:
    """Append to a FIFO; False, and nothing stored, when ``depth`` items are held.

    Parameters
    ----------
    queue
        Record with ``items`` (an array of `RING` integers), ``head`` (place of the oldest item) and
        ``held`` (how many there are). A record, because arrays would be counted references.
    """
    if queue.held >= depth:
        return False
    queue.items[queue.head + queue.held & RING - 1] = item
    queue.held += 1
    return True


@kernel()
def ring_pop(queue: Any) -> None:
    """Free the place of the oldest item of a FIFO."""
    queue.head = queue.head + 1 & RING - 1
    queue.held -= 1


@kernel()
def grow(array: np.ndarray, used: int, room: int) -> np.ndarray:
    """Return ``array``, or a copy of twice the size when less than ``room`` items are free."""
    if used + room <= array.size:
        return array
    larger = np.empty(2 * array.size + room, array.dtype)
    larger[:used] = array[:used]
    return larger
