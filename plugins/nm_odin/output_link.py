"""What goes out on ODIN's AER link when a neuron is written (``aer_out.v``).

Spikes, rows served or, in the monitoring mode, the state of one neuron and of one synapse: a write
of the neuron sends two words, a write of the memory word that holds the synapse sends one. The
controller stands still until all of them are out, so no write is missed.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from nm_backends.eventcore.machine import STALL
from nm_backends.fixed import kernel

__all__ = ["NO_ROW", "SYNAPSE_WORD", "put_out_bistable", "put_out_write"]

NO_ROW = -1
SYNAPSE_WORD = 0xF0
"""Upper half of the word that holds a synapse."""


@kernel()
def _put_out(config: Any, clock: Any, work: Any, address: int, cycle: int) -> None:
    """Raise the output request in ``cycle``; the link is busy for a while."""
    work.out[work.used] = work.event << 8 | address
    work.cycle[work.used] = cycle
    work.used += 1
    clock.link_free = cycle + config.output_cycles


@kernel(inline=True)
def put_out_write(
    config: Any, clock: Any, neurons: Any, synapses: Any, work: Any, k: int,
    fired: bool, row: int, written: int,
) -> None:  # fmt: skip
    """Put out what the write of neuron ``k`` in the cycle ``clock.now`` calls for.

    Parameters
    ----------
    fired
        The neuron emits a spike.
    row
        The row being served, or `NO_ROW`.
    written
        The row to whose memory word of neuron ``k`` synapses are written in the same cycle, or
        `NO_ROW`.
    """
    if config.monitoring:
        _put_out_state(config, clock, neurons, synapses, work, k, fired, row, written)
    elif config.from_rows:
        if row != NO_ROW and k == config.row_position:
            _put_out(config, clock, work, row, clock.now + 1)
    elif fired:
        _put_out(config, clock, work, k, clock.now + 1)


@kernel()
def _put_out_state(
    config: Any, clock: Any, neurons: Any, synapses: Any, work: Any, k: int,
    fired: bool, row: int, written: int,
) -> None:  # fmt: skip
    """Put out the words of the monitoring mode: the neuron's first, then the synapse's.

    Each further word is requested one cycle after the link would have been free.
    """
    monitored, cycle = config.row_position, clock.now + 1
    if k == monitored:
        mark = row == monitored if config.from_rows else fired
        state = _neuron_state(neurons, k)
        _put_out(config, clock, work, np.int64(mark) << 7 | state >> 8, cycle)
        _put_out(config, clock, work, state & 0xFF, clock.link_free + 1)
        cycle = clock.link_free + 1
    if written == config.monitored_row and k >> 3 == monitored >> 3:
        _put_out(config, clock, work, _synapse_word(config, synapses), cycle)


@kernel()
def _neuron_state(neurons: Any, k: int) -> int:
    """Return the 15 bits of a neuron that go out (``neuron_core.v``, NEUR_STATE_MONITOR)."""
    shared = neurons.up[k] << 6 | neurons.down[k] << 5 | np.int64(neurons.calcium[k]) << 2
    if neurons.izhikevich[k]:
        own = neurons.izh
        return int((shared | np.int64(own.reson_sign[k])) << 8 | np.int64(own.core[k]) & 15)
    return int(shared << 8 | np.int64(neurons.membrane[k]))


@kernel()
def _synapse_word(config: Any, synapses: Any) -> int:
    return int(SYNAPSE_WORD | synapses.nibbles[config.monitored_row, config.row_position])


@kernel()
def put_out_bistable(
    config: Any, clock: Any, synapses: Any, work: Any, first: int, last: int
) -> None:
    """Put out the monitored synapse in a bistability operation from ``clock.now`` on.

    The operation writes 32 memory words of each row from ``first`` to ``last``, one every second
    cycle; only in the very last of its cycles does the word that goes out delay nothing.
    """
    if not (config.monitoring and first <= config.monitored_row <= last):
        return
    words_before = 32 * (config.monitored_row - first) + (config.row_position >> 3)
    cycle = clock.now + 2 * words_before + 2
    _put_out(config, clock, work, _synapse_word(config, synapses), cycle)
    if words_before != 32 * (last - first + 1) - 1:
        work.tally[STALL] += config.output_cycles
        clock.now += config.output_cycles
