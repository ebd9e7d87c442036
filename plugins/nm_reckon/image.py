"""Integers as the chip's bytes: neuron words, weight memories and registers, and weights back."""

from __future__ import annotations

import numpy as np

from nm_backends.eventcore.words import insert
from nm_backends.image import Image
from nm_reckon.scaling import Integers
from nm_reckon.spec import (
    ALPHA_ONE,
    INPUTS,
    NEURON_FIELDS,
    NEURONS,
    RESET_SEEDS,
    SPEC,
)
from nm_reckon.watching import WATCHING, outputs_for, watch_weights

__all__ = [
    "NOBODY", "input_weights", "neuron_words", "output_weights", "pack_integers",
    "recurrent_weights", "sizes", "store_weights",
]  # fmt: skip

NOBODY = np.zeros(0, np.int64)
_NEVER = SPEC.threshold.maximum


def pack_integers(
    integers: Integers, probes: np.ndarray, label_only: bool, watched: np.ndarray = NOBODY
) -> Image:
    """Return the image of a network for inference.

    Parameters
    ----------
    probes, watched
        Neurons whose spikes the outputs count, one each, or watch (`watching`), where no membrane
        is read.
    label_only
        Whether the chip sends its label at the end of a sample, rather than its output membranes
        in every tick.
    """
    registers = {register.name: 0 for register in SPEC.registers}
    registers |= RESET_SEEDS
    registers |= {
        "SPI_RST_MODE": int(not integers.subtracts),
        "SPI_FP_LOC_WINP": integers.shifts.winp,
        "SPI_FP_LOC_WREC": integers.shifts.wrec,
        "SPI_FP_LOC_WOUT": integers.shifts.wout,
        "SPI_EN_STOCH_ROUND": integers.rounding,
        "SPI_KAPPA": integers.kappa,
        "SPI_SEND_PER_TIMESTEP": int(not label_only),
        "SPI_SEND_LABEL_ONLY": int(label_only),
    }
    registers |= WATCHING if watched.size else {}
    words, most_significant = neuron_words(integers)
    image = Image(
        {m.name: np.zeros((m.words, m.width // 8), np.uint8) for m in SPEC.memories},
        {**registers, "SPI_ALPHA_CONF": most_significant},
    )
    image.memories["neuron"] = words
    store_weights(image, integers, probes, watched)
    return image


def store_weights(
    image: Image, integers: Integers, probes: np.ndarray, watched: np.ndarray = NOBODY
) -> None:
    """Put weights, and the sizes of the network, into an image; what it does not use stays.

    Parameters
    ----------
    probes, watched
        As for `pack_integers`.
    """
    place, memories = integers.place, image.memories
    w_in = memories["input_weight"].reshape(INPUTS, NEURONS).view(np.int8)
    w_rec = memories["recurrent_weight"].reshape(NEURONS, NEURONS).view(np.int8)
    w_out = memories["output_weight"].view(np.int8)
    w_in[np.ix_(np.arange(len(integers.w_in)), place)] = integers.w_in
    w_rec[np.ix_(place, place)] = integers.w_rec
    w_out[np.ix_(place, np.arange(integers.w_out.shape[1]))] = integers.w_out
    w_out[place[probes], np.arange(probes.size)] = 1
    shown = outputs_for(watched.size)
    w_out[np.ix_(place[watched], np.arange(shown))] = watch_weights(watched.size)
    inputs, neurons, outputs = sizes(integers, max(probes.size, shown))
    image.registers.update(
        SPI_NUM_INP_NEUR=inputs - 1, SPI_NUM_REC_NEUR=neurons - 1, SPI_NUM_OUT_NEUR=outputs - 1
    )


def sizes(integers: Integers, shown: int = 0) -> tuple[int, int, int]:
    """Return inputs, neurons and outputs to be programmed: whole words, so that all are stepped.

    ``shown`` outputs show spikes.
    """
    outputs = max(1, integers.w_out.shape[1], shown)
    used = max(int(integers.place.max(initial=-1)) + 1, outputs, 2)
    inputs = max(len(integers.w_in), 2)
    return inputs + inputs % 2, used + used % 2, outputs


def input_weights(image: Image) -> np.ndarray:
    """Return input weights, int8 ``[input, neuron]``, not to be written to."""
    return image.memories["input_weight"].reshape(INPUTS, NEURONS).view(np.int8)


def recurrent_weights(image: Image) -> np.ndarray:
    """Return recurrent weights, int8 ``[pre, post]``, not to be written to."""
    return image.memories["recurrent_weight"].reshape(NEURONS, NEURONS).view(np.int8)


def output_weights(image: Image) -> np.ndarray:
    """Return output weights, int8 ``[neuron, output]``, not to be written to."""
    return image.memories["output_weight"][:NEURONS].view(np.int8)


def neuron_words(integers: Integers) -> tuple[np.ndarray, np.ndarray]:
    """Return the neuron memory and ``SPI_ALPHA_CONF``; words not in use can never fire."""
    count = NEURONS // 2
    words = np.zeros((count, 16), np.uint8)
    threshold = np.full(count, _NEVER, np.int64)
    alpha = np.full(count, ALPHA_ONE, np.int64)
    threshold[integers.place // 2] = integers.threshold
    alpha[integers.place // 2] = integers.alpha
    fields = {field.name: field for field in NEURON_FIELDS}
    insert(words, fields["thr"], threshold)
    insert(words, fields["alpha"], alpha & 0xFFF)
    return words, (alpha >= ALPHA_ONE).astype(np.uint8)
