"""Reading what ODIN sends in the monitoring mode (SPI_OUT_AER_MONITOR_EN = 1).

No spikes go out then, but the state of one neuron (SPI_MONITOR_NEUR_ADDR) each time it is written,
in two words, and the synapse to it from one row (SPI_MONITOR_SYN_ADDR) each time its memory word is
written, in one word. Where both happen at once the neuron comes first. The chip's documentation
says "changes" where the RTL looks at writes only (``aer_out.v``): a row, a time reference, a
virtual or a single-synapse event sends words also when it changes nothing.

====== ===== ===== ===== ========= ============= ==========================
word   bit 7 bit 6 bit 5 bits 4..2 bits 1..0     neuron
====== ===== ===== ===== ========= ============= ==========================
first  spike up    down  calcium   0             LIF
first  spike up    down  calcium   reson_sign    Izhikevich
second core                                      LIF: 8 bits, unsigned
second 0                           core          Izhikevich: 4 bits, signed
single 1     1     1     1         mapping bit 3, weight bits 2..0
====== ===== ===== ===== ========= ============= ==========================
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import types

from nm_backends.errors import UserError
from nm_backends.fixed import kernel
from nm_odin.output_link import SYNAPSE_WORD

__all__ = ["MonitorLog", "decode_monitor"]

NEURON_RECORD = np.dtype(
    [
        ("word", np.int64),
        ("spike", np.bool_),
        ("up", np.bool_),
        ("down", np.bool_),
        ("calcium", np.int64),
        ("reson_sign", np.int64),
        ("core", np.int64),
    ]
)
SYNAPSE_RECORD = np.dtype([("word", np.int64), ("mapped", np.bool_), ("weight", np.int64)])

_BOTH_FLAGS = 0x60
_SECOND, _NEURON, _SYNAPSE = range(3)


@dataclass(frozen=True)
class MonitorLog:
    """The states that the monitoring mode has sent, in order.

    Parameters
    ----------
    neuron
        One record per write of the neuron: ``word``, the index of its first output word;
        ``spike``; the SDSP flags ``up`` and ``down``, ``calcium``, ``core`` and, of an Izhikevich
        neuron, ``reson_sign``, all as they are after the write. With SPI_AER_SRC_CTRL_nNEUR = 1
        ``spike`` says instead that the write belongs to the neuron event of the neuron's own row.
    synapse
        One record per write of the memory word with the synapse: ``word``, ``mapped`` and
        ``weight``, as written; whether they have changed is not said.
    """

    neuron: np.ndarray
    synapse: np.ndarray


def decode_monitor(words: np.ndarray, *, izhikevich: bool = False) -> MonitorLog:
    """Read the output words of the monitoring mode.

    A word that can be a first one and is 0xF0 or more is a synapse: a neuron never has both flags
    at once, and its two words always follow each other. So every word is decided, from a beginning
    on: a recording must not start between the two words of a neuron. It starts right when the chip
    was idle before. What no word tells is which event, row and cycle it came from (`EventLog` has
    them at the same indices) and of which model the neuron is.

    Parameters
    ----------
    words
        Output addresses, ``[n]``, such as `EventLog.out_addr`.
    izhikevich
        The monitored neuron is no LIF neuron.

    Raises
    ------
    UserError
        The words are none of this mode, or out of step, or end within a neuron's state.
    """
    array = np.asarray(words)
    if array.ndim != 1 or (array.size and array.dtype.kind not in "ui"):
        raise UserError(f"words: {array.dtype}{list(array.shape)}, expected integers [n]")
    if array.size and not 0 <= int(array.min()) <= int(array.max()) <= 255:
        raise UserError("words: expected 0..255, the addresses of the output link")
    kinds = _kinds(np.ascontiguousarray(array, np.uint8))
    first = np.flatnonzero(kinds == _NEURON)
    if first.size and first[-1] == array.size - 1:
        raise UserError(
            f"word {first[-1]}, the last: the first half of a neuron's state, without the second",
            "record until the chip is idle, or leave this word out",
        )
    upper, lower = array[first].astype(np.int64), array[first + 1].astype(np.int64)
    _check_step(first, upper, lower, izhikevich)
    return MonitorLog(_neurons(first, upper, lower, izhikevich), _synapses(array, kinds))


@kernel(types.uint8[::1](types.uint8[::1]))
def _kinds(words: np.ndarray) -> np.ndarray:
    """Return what every word is: the first or second one of a neuron, or a synapse."""
    kinds = np.empty(words.size, np.uint8)
    inside = False
    for i in range(words.size):
        kinds[i] = _SECOND if inside else _SYNAPSE if words[i] >= SYNAPSE_WORD else _NEURON
        inside = kinds[i] == _NEURON
    return kinds


def _check_step(first: np.ndarray, upper: np.ndarray, lower: np.ndarray, izhikevich: bool) -> None:
    """Refuse pairs that no neuron of this model can have sent."""
    impossible = upper & _BOTH_FLAGS == _BOTH_FLAGS
    impossible |= lower >> 4 != 0 if izhikevich else upper & 3 != 0
    if impossible.any():
        at = int(impossible.argmax())
        model = "an Izhikevich" if izhikevich else "a LIF"
        raise UserError(
            f"words {first[at]} and {first[at] + 1}: 0x{upper[at]:02X}, 0x{lower[at]:02X} are not "
            f"the state of {model} neuron",
            "set izhikevich as the model of the monitored neuron; a recording must start when the "
            "chip is idle, with SPI_OUT_AER_MONITOR_EN = 1",
        )


def _neurons(
    first: np.ndarray, upper: np.ndarray, lower: np.ndarray, izhikevich: bool
) -> np.ndarray:
    records = np.zeros(first.size, NEURON_RECORD)
    records["word"], records["core"] = first, lower
    if izhikevich:
        records["core"] -= (lower & 8) << 1
    for name, bit in (("spike", 7), ("up", 6), ("down", 5)):
        records[name] = upper >> bit & 1
    records["calcium"], records["reson_sign"] = upper >> 2 & 7, upper & 3
    return records


def _synapses(words: np.ndarray, kinds: np.ndarray) -> np.ndarray:
    at = np.flatnonzero(kinds == _SYNAPSE)
    records = np.zeros(at.size, SYNAPSE_RECORD)
    records["word"], records["mapped"], records["weight"] = at, words[at] >> 3 & 1, words[at] & 7
    return records
