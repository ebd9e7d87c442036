"""One neuron of ODIN on its own: a stimulus in, its membrane and its spikes out.

The chip sees the very event list that `stimulate` returns, in the monitoring mode, so that the same
can be recorded on silicon and read with `decode_monitor`. Time is counted in *intervals*, from one
time reference of the neuron to the next; an interval is also one slot of the burst queues, which
makes the spikes of a burst with ``isi_ref`` 0 come one interval after the other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nm_backends.errors import UserError
from nm_backends.image import Image
from nm_odin.image import pack_neurons
from nm_odin.monitor import decode_monitor
from nm_odin.simulator import OdinSimulator
from nm_odin.spec import SPEC

__all__ = ["INTERVAL", "Recording", "neuron_image", "record", "stimulate"]

INTERVAL = 4000
"""Clock cycles of an interval, and of a slot of the burst queues."""

_FIRST_INPUT, _SPACING, _REFERENCE = 1200, 40, 2400  # cycles after the beginning of the interval
_LARGEST = 7  # weight of a virtual event
_MOST = (_REFERENCE - _FIRST_INPUT - 600) // _SPACING * _LARGEST  # 600: a row with its outputs


@dataclass(frozen=True)
class Recording:
    """What a neuron did; times are in intervals since the beginning.

    Parameters
    ----------
    current
        The stimulus, int64 ``[intervals]``.
    time, core, reson_sign
        ``[writes]``: when the neuron was written, its membrane and its phase since then.
    spikes
        ``[spikes]``: when the row of the neuron was served, all spikes of a burst included.
    """

    current: np.ndarray
    time: np.ndarray
    core: np.ndarray
    reson_sign: np.ndarray
    spikes: np.ndarray


def neuron_image(word: np.ndarray, neuron: int = 0) -> Image:
    """Return the image of a chip with this one neuron in use and no synapses.

    The loop is closed, as bursts need it; SPI_BURST_TIMEREF is `INTERVAL` - 1. The monitoring mode
    is on and marks the neuron's own row (SPI_AER_SRC_CTRL_nNEUR = 1), the only way to see all
    spikes of a burst.
    """
    array = np.asarray(word)
    if array.shape != (16,) or array.dtype != np.uint8:
        raise UserError(f"word: {array.dtype}{list(array.shape)}, expected uint8 [16]")
    if not 0 <= neuron < SPEC.neurons:
        raise UserError(f"neuron {neuron}: expected 0..{SPEC.neurons - 1}")
    ones = np.ones(SPEC.neurons, np.int64)
    words = pack_neurons({"lif_izh_sel": ones, "thr": 255 * ones, "neur_disable": ones})
    words[neuron] = array
    registers: dict[str, int | np.ndarray] = {
        register.name: 0 for register in SPEC.registers if register.name != "SPI_SYN_SIGN"
    }
    registers.update(
        SPI_SYN_SIGN=np.zeros(SPEC.neurons, np.uint8),
        SPI_BURST_TIMEREF=INTERVAL - 1,
        SPI_AER_SRC_CTRL_nNEUR=1,
        SPI_OUT_AER_MONITOR_EN=1,
        SPI_MONITOR_NEUR_ADDR=neuron,
        SPI_MONITOR_SYN_ADDR=neuron ^ 1,  # a row that is never served
    )
    synapses = np.zeros((SPEC.rows, SPEC.neurons), np.uint8)
    return Image({"neuron": words, "synapse": synapses}, registers)


def stimulate(current: np.ndarray, neuron: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return the events of a stimulus, and the cycle in which the host requests each.

    Parameters
    ----------
    current
        Summed weight of the inputs of every interval, ``[intervals]``: virtual events of up to 7
        each, inhibitory where it is negative. A time reference of the neuron ends the interval.

    Returns
    -------
    uint32 ``[events]`` AER addresses, int64 ``[events]`` clock cycles
    """
    array = np.asarray(current)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise UserError(f"current: {array.dtype}{list(array.shape)}, expected integers [intervals]")
    if array.size and np.abs(array).max() > _MOST:
        raise UserError(f"current: up to {np.abs(array).max()} per interval, expected <= {_MOST}")
    size = np.abs(array.astype(np.int64))
    inputs = -(-size // _LARGEST)
    interval = np.repeat(np.arange(array.size), inputs)
    place = np.arange(interval.size) - np.repeat(np.cumsum(inputs) - inputs, inputs)
    weight = np.minimum(size[interval] - _LARGEST * place, _LARGEST)
    inhibitory = array[interval] < 0
    virtual = neuron << 8 | (weight << 2 | inhibitory << 1) << 3 | 7
    references = np.full(array.size, neuron << 8 | 0xFF)
    events = np.concatenate([virtual, references])
    cycles = np.concatenate(
        [
            interval * INTERVAL + _FIRST_INPUT + place * _SPACING,
            np.arange(array.size) * INTERVAL + _REFERENCE,
        ]
    )
    order = np.argsort(cycles, kind="stable")
    return events[order].astype(np.uint32), cycles[order].astype(np.int64)


def record(word: np.ndarray, current: np.ndarray, *, neuron: int = 0) -> Recording:
    """Give a neuron a stimulus on the cycle-accurate engine; return what the chip sends.

    Parameters
    ----------
    word
        The neuron's word, uint8 ``[16]``, as `izhikevich.behaviour_word` or `words.write_word`
        return it.
    current
        See `stimulate`.

    Raises
    ------
    UserError
        A word or a stimulus that cannot be.
    LivelockError, UndefinedError
        The neuron fires for ever, or runs into the burst queues' undefined range.
    """
    simulator = OdinSimulator(neuron_image(word, neuron))
    events, cycles = stimulate(current, neuron)
    log = simulator.send_timed(events, driving="scheduled", req_cycle=cycles)
    states = decode_monitor(log.out_addr, izhikevich=not int(word[0]) & 1).neuron
    assert log.out_cycle is not None
    time = log.out_cycle[states["word"]] / INTERVAL
    return Recording(
        np.asarray(current, np.int64),
        time,
        states["core"],
        states["reson_sign"],
        time[states["spike"]],
    )
