"""Input channels with the same weights as one source, which takes one row of the crossbar.

The host sends an event of that row for each spike of each of them, in the order in which it would
have sent events of different rows; so a run gives the same bits. Neurons cannot share rows: a spike
of neuron ``n`` is executed as an event of row ``n``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, cast

import numpy as np

from nm_backends.crossbar.wiring import Wiring, wire
from nm_backends.fit_rules import saved_rows as rule

if TYPE_CHECKING:
    from nm_backends.crossbar.chip import CrossbarChip
    from nm_backends.crossbar.integers import Integers
    from nm_backends.network import Network
    from nm_backends.program import Program
    from nm_backends.rules import Diagnostic

__all__ = ["SHARED", "saved_rows", "share", "shared_rows", "wiring_of", "with_shared_rows"]

SHARED = "inputs_that_share_a_row"  # in a program's metadata


def share(wiring: Wiring) -> Wiring:
    """Return the wiring with one source for all input channels of the same weights.

    Sources that learn stay by themselves.
    """
    seen: dict[bytes, int] = {}
    learns = np.asarray(wiring.plastic.any(axis=1))
    leader = [
        n if learns[n] else seen.setdefault(row.tobytes(), n)
        for n, row in enumerate(wiring.weights[: wiring.inputs] + 0.0)
    ]
    kept, source = np.unique(np.array(leader, np.int64), return_inverse=True)
    rows = np.concatenate([kept, np.arange(wiring.inputs, len(wiring.weights))])
    return replace(
        wiring,
        weights=wiring.weights[rows],
        plastic=wiring.plastic[rows],
        hosted=wiring.hosted[kept],
        source=source.reshape(-1)[wiring.source],
    )


def with_shared_rows(chip: CrossbarChip, wiring: Wiring, how: str = "auto") -> Wiring:
    """Return the wiring as `nm_backends.program.CompileOptions.share_rows` wants it."""
    if how == "never" or (how == "auto" and _room(chip, wiring)):
        return wiring
    return share(wiring)


def _room(chip: CrossbarChip, wiring: Wiring) -> bool:
    if chip.floor is not None:
        return chip.floor.room(wiring)
    return _rows(chip, wiring) <= chip.spec.rows


def _rows(chip: CrossbarChip, wiring: Wiring) -> int:
    """Return how many rows are needed where no channels share one."""
    signs = np.stack([(wiring.weights < 0).any(axis=1), (wiring.weights > 0).any(axis=1)], axis=1)
    signs[:, 1] |= wiring.plastic.any(axis=1) & ~signs.any(axis=1)
    bias = np.array([[(wiring.bias < 0).any(), (wiring.bias > 0).any()]])
    per_source = np.asarray(signs.sum(axis=1) if chip.row_pairs else signs.any(axis=1), np.int64)
    rows = int(per_source[: wiring.inputs].sum())
    rows += int(bias.sum() if chip.row_pairs else bias.any())
    if wiring.closed:
        rows += int(np.maximum(per_source[wiring.inputs :], 1).sum())
    return rows


def shared_rows(program: Program) -> int:
    """Return how many input channels of a program use the row of another one."""
    return cast(int, program.metadata.get(SHARED, 0))


def wiring_of(program: Program) -> Wiring:
    """Return the wiring that a program was made of."""
    wiring = wire(program.network, program.options.learn)
    return share(wiring) if shared_rows(program) else wiring


def saved_rows(
    chip: CrossbarChip, network: Network, apart: Wiring, wiring: Wiring, integers: Integers
) -> Iterator[Diagnostic]:
    """Say which input channels take no row of their own.

    Parameters
    ----------
    apart, wiring
        With every channel by itself, and as it was placed.
    """
    inputs = wiring.inputs
    idle = network.input_size - int(np.unique(apart.channel).size)
    learns = wiring.plastic[:inputs].any(axis=1)
    gone = np.asarray(~(integers.weights[:inputs].any(axis=1) | learns))
    zeroed = int(gone[wiring.source].sum())
    together = wiring.channel.size - inputs
    parts = [
        text
        for number, text in (
            (idle, f"{idle} have no synapse"),
            (zeroed, f"the weights of {zeroed} all become 0"),
            (together, f"{together} share the row of another one with the same weights"),
        )
        if number
    ]
    if parts and network.inputs:
        yield rule.at(
            f"of {network.input_size} input channels {', '.join(parts)}",
            node=max(network.inputs, key=lambda p: p.size).name,
            found=f"{idle + zeroed + together} channels without a row of their own",
            source=chip.spec.sources[0],
        )
