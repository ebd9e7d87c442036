"""Does a program from a file agree with itself, before kernels see its layout."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nm_reckon.drive import layout_problems
from nm_reckon.spec import OUTPUTS

if TYPE_CHECKING:
    from nm_backends.program import Program

__all__ = ["check_program"]


def check_program(program: Program) -> list[str]:
    """Name what is wrong with the layout, or with a network that it cannot belong to."""
    network = program.network
    neurons = sum(p.size for p in network.neurons if p.spiking)
    outputs = sum(p.size for p in network.neurons if not p.spiking)
    if outputs > OUTPUTS:
        return [f"{outputs} membranes are read, the chip has {OUTPUTS} outputs"]
    return layout_problems(
        program.layout, network.input_size, neurons, outputs, len(network.neurons)
    )
