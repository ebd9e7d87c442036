"""Does a program from a file agree with itself, before kernels see its registers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from nm_spoon.setup import setup_problems, unpack

if TYPE_CHECKING:
    from nm_backends.chip import ChipSpec
    from nm_backends.program import Program

__all__ = ["check_program"]

_LAYOUT = {"unit": 2, "per_weight": 2, "conv": None}


def check_program(program: Program, spec: ChipSpec) -> list[str]:
    """Name what is wrong with registers, layout, or a network that they cannot belong to."""
    found = setup_problems(program.image, spec)
    return found or list(_layout(program)) or list(_network(program))


def _layout(program: Program) -> Iterator[str]:
    for name, size in _LAYOUT.items():
        array = program.layout.get(name)
        right = isinstance(array, np.ndarray) and array.dtype == np.float64 and array.ndim == 1
        if array is None or not right or array.size not in ((0, 2) if size is None else (size,)):
            yield f"{name} is missing, or no vector of its size"
        elif not (np.isfinite(array) & (array > 0)).all():
            yield f"{name} holds what is no scale"


def _network(program: Program) -> Iterator[str]:
    setup, layers = unpack(program.image), program.network.neurons
    sizes = [setup.hidden_bias.size, setup.output_bias.size]
    kernels, rows, columns = setup.maps
    if setup.registers["CONV_KERNELS"]:
        pooled = [setup.features] if len(layers) == 4 else []
        sizes = [kernels * rows * columns, *pooled, *sizes]
    if [p.size for p in layers] != sizes:
        yield f"neurons {[p.size for p in layers]}, the registers say {sizes}"
    if program.network.input_size != int(np.prod(setup.shape)):
        yield f"{program.network.input_size} inputs, the registers say {setup.shape}"
