"""Are the layout arrays of a program consistent: asked of everything that comes from a file.

What they mean is said in `nm_backends.crossbar.layout`. Kernels and the host's event lists index
with them, and a word that is no row's event could leave a chip busy for ever.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from nm_backends.crossbar.chip import CrossbarChip
from nm_backends.program import Program

__all__ = ["check_layout"]

_MAX_COUNT = 1 << 16  # events per spike
_MAX_DELAY = 1 << 20  # steps


def check_layout(program: Program, chip: CrossbarChip) -> list[str]:
    """Name every contradiction in ``program.layout``; empty when there is none."""
    layout, spec = program.layout, chip.spec
    slots = layout["slot_word"].size if "slot_word" in layout else 0
    neurons = sum(p.size for p in program.network.neurons)
    channels = program.network.input_size
    expected = {
        "slot_word": (slots, 0, 1 << 32),
        "slot_channel": (slots, -1, channels),
        "slot_count": (slots, 1, _MAX_COUNT),
        "slot_delay": (slots, 0, _MAX_DELAY),
        "address": (neurons, 0, spec.neurons),
        "copy": (neurons, -1, spec.neurons),
        "row_source": (spec.rows, -3, channels * _MAX_DELAY + neurons),
        "row_sign": (spec.rows, -1, 2),
    }
    found = [line for name, limits in expected.items() for line in _array(layout, name, *limits)]
    if found:
        return found
    words = np.append(chip.row_words(np.arange(spec.rows)), np.uint32(chip.leak_event))
    odd = layout["slot_word"][~np.isin(layout["slot_word"], words)]
    if odd.size:
        found.append(f"slot_word {int(odd[0]):#x} is no event that a host sends")
    places = np.concatenate([layout["address"], layout["copy"][layout["copy"] >= 0]])
    if np.unique(places).size != places.size:
        found.append("two neurons have the same address")
    return found


def _array(
    layout: Mapping[str, np.ndarray], name: str, size: int, low: int, high: int
) -> list[str]:
    if name not in layout:
        return [f"{name} is missing"]
    array = layout[name]
    if array.dtype.kind not in "ui" or array.shape != (size,):
        return [f"{name} is {array.dtype}{list(array.shape)}, expected integers[{size}]"]
    if size and not (int(array.min()) >= low and int(array.max()) < high):
        return [f"{name} holds {array.min()}..{array.max()}, expected {low}..{high - 1}"]
    return []
