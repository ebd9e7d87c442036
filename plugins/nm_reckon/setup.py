"""Set-ups of ReckOn: an image is checked for what the chip would do with it; see `setup_rules`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nm_backends.eventcore.words import extract
from nm_backends.image import Image
from nm_backends.rules import Report
from nm_backends.setups import check_setups
from nm_reckon.image import input_weights, recurrent_weights
from nm_reckon.rules import BY_NAME
from nm_reckon.setup_rules import SETUP
from nm_reckon.spec import NEURON_FIELDS, NEURONS, SPEC

__all__ = ["Setup", "check_setup"]

_ALPHA_LOW, _ALPHA_HIGH = 0x7000, 0x8000
_OF_WEIGHTS = ("SPI_SEED_INP", "SPI_SEED_REC", "SPI_SEED_OUT")
_LARGEST_WEIGHT, _LARGEST_ERROR, _SIGNAL = 128, {0: 2048, 1: 32768}, 32767


@dataclass(frozen=True, eq=False)
class Setup:
    """An image, decoded as far as the rules look at it.

    Parameters
    ----------
    registers
        All registers that are numbers.
    threshold, alpha
        Of every neuron, int64 ``[256]``.
    diagonal
        Neurons with a weight to themselves, bool ``[256]``.
    stray
        Weights to the neuron after the last.
    """

    registers: dict[str, int]
    threshold: np.ndarray
    alpha: np.ndarray
    diagonal: np.ndarray
    stray: int

    @classmethod
    def of(cls, image: Image) -> Setup:
        """Decode an image."""
        registers = {
            name: int(value) for name, value in image.registers.items() if np.ndim(value) == 0
        }
        fields = {field.name: field for field in NEURON_FIELDS}
        words = image.memories["neuron"]
        base = np.where(image.registers["SPI_ALPHA_CONF"], _ALPHA_HIGH, _ALPHA_LOW)
        neurons = registers["SPI_NUM_REC_NEUR"] + 1
        sources = max(neurons, registers["SPI_NUM_INP_NEUR"] + 1)
        w_in, w_rec = input_weights(image), recurrent_weights(image)
        stray = 0
        if neurons < NEURONS:
            stray = int(np.count_nonzero(w_in[:sources, neurons]))
            stray += int(np.count_nonzero(w_rec[:sources, neurons]))
        within = np.arange(NEURONS) < neurons
        return cls(
            registers,
            np.repeat(extract(words, fields["thr"]), 2),
            np.repeat(base + extract(words, fields["alpha"]), 2),
            (np.diag(w_rec) != 0) & within,
            stray,
        )

    @property
    def inputs(self) -> int:
        """Number of inputs."""
        return self.registers["SPI_NUM_INP_NEUR"] + 1

    @property
    def neurons(self) -> int:
        """Number of recurrent neurons."""
        return self.registers["SPI_NUM_REC_NEUR"] + 1

    @property
    def outputs(self) -> int:
        """Number of outputs."""
        return self.registers["SPI_NUM_OUT_NEUR"] + 1

    @property
    def last(self) -> int:
        """The last neuron up to which steps go."""
        return max(self.inputs, self.neurons, self.outputs) - 1

    @property
    def stepped(self) -> np.ndarray:
        """Neurons that are stepped, bool ``[256]``: whole pairs."""
        return np.arange(NEURONS) < (self.last + 1) // 2 * 2

    @property
    def learns(self) -> int:
        """``SPI_DO_EPROP``."""
        return self.registers["SPI_DO_EPROP"]

    @property
    def signal(self) -> int:
        """The largest learning signal."""
        error = _LARGEST_ERROR[
            int(self.registers["SPI_REGRESSION"] or self.registers["SPI_NO_OUT_ACT"])
        ]
        summed = self.outputs * error * _LARGEST_WEIGHT << self.registers["SPI_LEARN_SIG_SCALE"]
        return min(_SIGNAL, summed >> 12)

    @property
    def slope(self) -> int:
        """The largest slope in size."""
        raw = [self.registers[f"SPI_H_{i}"] for i in range(5)]
        return max(abs(h - 32 if h > 15 else h) for h in raw)

    @property
    def locked(self) -> list[str]:
        """Seed registers that load 0 into a generator in use."""
        used = {name for bit, name in enumerate(_OF_WEIGHTS) if self.learns >> bit & 1}
        if self.registers["SPI_EN_STOCH_ROUND"]:
            used |= {"SPI_SEED_STRND_NEUR", "SPI_SEED_STRND_ONEUR"}
        if self.registers["SPI_NOISE_EN"]:
            used.add("SPI_SEED_NOISE_NEUR")
        return [r.name for r in SPEC.registers if r.name in used and self._zero(r.name, r.width)]

    def _zero(self, name: str, width: int) -> bool:
        value = self.registers[name]
        return not value if width != 30 else not (value & 0x7FFF and value >> 15)


def check_setup(image: Image) -> Report:
    """Say what an image would do to the chip that its author may not expect.

    Parameters
    ----------
    image
        Memories and registers, written by hand or compiled.

    Raises
    ------
    UserError
        When it is no image of this chip.

    Examples
    --------
    >>> print(check_setup(image))  # doctest: +SKIP
    """
    return check_setups(image, SPEC, Setup.of, SETUP, BY_NAME)
