"""How many rows and neurons a network needs, counted without building its matrix."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nm_backends.effective import constant, listed
from nm_backends.network import Network

__all__ = ["Demand", "demand"]


@dataclass(frozen=True)
class Demand:
    """What a network takes on a crossbar.

    Parameters
    ----------
    neurons
        Population name to neurons.
    copies
        Population name to neurons that must be stored twice, because the sign of a weight belongs
        to the row and they excite some listeners and inhibit others.
    channels, input_rows
        Input channels (with a delay each) that drive anything, and the rows they need.
    bias_rows
        Rows for what is added in every step.
    closed
        Whether neurons drive neurons; then all neurons have a row.
    """

    neurons: dict[str, int]
    copies: dict[str, int]
    channels: int
    input_rows: int
    bias_rows: int
    closed: bool

    @property
    def places(self) -> int:
        """Neurons of the chip that are taken, copies included."""
        return sum(self.neurons.values()) + sum(self.copies.values())

    @property
    def rows(self) -> int:
        """Rows of the crossbar that are taken."""
        return self.input_rows + self.bias_rows + (self.places if self.closed else 0)


def demand(network: Network, row_pairs: bool, share: bool = False) -> Demand:
    """Count the rows that ``network`` needs at least.

    Parameters
    ----------
    row_pairs
        Whether the sign of a weight belongs to its row.
    share
        Whether input channels with the same weights are one.
    """
    input_names = {p.name for p in network.inputs}
    offset = dict(zip(input_names, [0] * len(input_names), strict=True))
    total = 0
    for population in network.inputs:
        offset[population.name] = total
        total += population.size
    signs: list[np.ndarray] = []  # (delay, channel, sign) of inputs
    same = _same(network, offset, total) if share else None
    senders: dict[str, list[np.ndarray]] = {p.name: [] for p in network.neurons}
    for projection in network.projections:
        pre, _, weight = listed(network, projection)
        positive = (weight > 0).astype(np.int64)
        if projection.pre in input_names:
            channel = pre + offset[projection.pre] + projection.delay * max(total, 1)
            if same is not None:
                channel = same[1][np.searchsorted(same[0], channel)]
            signs.append(np.unique(2 * channel + positive))
        else:
            senders[projection.pre].append(np.unique(2 * pre + positive))
    keys = np.unique(np.concatenate([np.zeros(0, np.int64), *signs]))
    channels = int(np.unique(keys // 2).size)
    copies = {name: _both(parts) if row_pairs else 0 for name, parts in senders.items()}
    drift = np.concatenate([np.zeros(0), *[constant(p) for p in network.neurons]])
    bias_signs = int((drift > 0).any()) + int((drift < 0).any())
    return Demand(
        {p.name: p.size for p in network.neurons},
        copies,
        channels,
        int(keys.size) if row_pairs else channels,
        bias_signs if row_pairs else min(bias_signs, 1),
        any(len(part) for parts in senders.values() for part in parts),
    )


def _same(network: Network, offset: dict[str, int], total: int) -> tuple[np.ndarray, np.ndarray]:
    """Return (delay, channel) of inputs, ascending, and the first one with the same weights."""
    parts = []
    first = dict(
        zip(
            (p.name for p in network.neurons),
            np.cumsum([0, *(p.size for p in network.neurons)]).tolist(),
            strict=False,
        )
    )
    for projection in network.projections:
        if projection.pre in offset:
            pre, post, weight = listed(network, projection)
            channel = pre + offset[projection.pre] + projection.delay * max(total, 1)
            parts.append((channel, post + first[projection.post], weight))
    none = (np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))
    channel, post, weight = (np.concatenate(x) for x in zip(none, *parts, strict=True))
    order = np.lexsort((post, channel))
    channel, post, weight = channel[order], post[order], weight[order]
    keys, begin = np.unique(channel, return_index=True)
    seen: dict[tuple[bytes, bytes], int] = {}
    cuts = zip(keys.tolist(), np.split(post, begin[1:]), np.split(weight, begin[1:]), strict=False)
    leader = [seen.setdefault((p.tobytes(), w.tobytes()), key) for key, p, w in cuts]
    return keys, np.array(leader, np.int64)


def _both(parts: list[np.ndarray]) -> int:
    """Count the neurons that stand with both signs."""
    if not parts:
        return 0
    keys = np.unique(np.concatenate(parts))
    return int(keys.size - np.unique(keys // 2).size)
