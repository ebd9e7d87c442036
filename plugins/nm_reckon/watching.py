"""Spikes of neurons, told from the output membranes that the chip sends.

Nothing but its 16 output membranes leaves the chip. With a leak factor of 1/2 each of them is a
shift register: what the spikes of a tick add comes back with the next word that is sent, above half
of the word before. Eight neurons add 1, 2, 4, ... 64 and -128, so that every set of them adds
another number: an output shows which of its eight neurons fired in each tick. The sums are shifted
left by two, since a word may be off by what the leak cuts (1) or rounds up (2).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from nm_reckon.spec import KAPPA_ONE, OUTPUTS

__all__ = [
    "EACH", "MOST", "WATCHING", "outputs_for", "spikes_in", "watch_weights",
    "watched_in",
]  # fmt: skip

EACH = 8
"""Neurons that one output watches."""

MOST = EACH * OUTPUTS
"""Neurons that a chip can watch."""

_SHIFT = 2
WATCHING = {
    "SPI_KAPPA": KAPPA_ONE // 2,
    "SPI_FP_LOC_WOUT": _SHIFT,
    "SPI_SEND_PER_TIMESTEP": 1,
    "SPI_SEND_LABEL_ONLY": 0,
}
"""Registers of a chip whose outputs watch."""


def outputs_for(watched: int) -> int:
    """Return how many outputs watch so many neurons."""
    return -(-watched // EACH)


def watch_weights(watched: int) -> np.ndarray:
    """Return the output weights of watched neurons, int8 ``[watched, outputs]``."""
    weights = np.zeros((watched, outputs_for(watched)), np.uint8)
    which = np.arange(watched)
    weights[which, which // EACH] = 1 << (which % EACH)
    return weights.view(np.int8)


def spikes_in(words: np.ndarray, watched: int) -> np.ndarray:
    """Return who fired in each tick, from nothing but the bytes that the chip sent.

    Parameters
    ----------
    words
        Bytes of ticks 1, 2... of a sample: for each output the low, then the high half of its
        membrane, uint8 ``[ticks - 1, 2 * outputs]``.
    watched
        How many neurons the outputs watch.

    Returns
    -------
    numpy.ndarray
        uint8 ``[ticks - 1, watched]``: row ``t`` is what fired in tick ``t``, which the word of
        tick ``t + 1`` tells. Nobody fires in tick 0.
    """
    sent = np.ascontiguousarray(words).view("<i2").astype(np.int64)
    before = np.concatenate([np.zeros_like(sent[:1]), sent[:-1]])
    added = (2 * sent - before + 1) >> _SHIFT
    bits = np.unpackbits(added.astype(np.int8).view(np.uint8)[..., None], axis=2, bitorder="little")
    return np.asarray(bits.reshape(len(sent), -1)[:, :watched])


def watched_in(layout: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return the neurons of the network that a program watches, in the order of their outputs."""
    return layout.get("watched", np.zeros(0, np.int64))
