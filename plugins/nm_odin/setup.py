"""Set-ups of ODIN written by hand: an image is checked for what would hang the chip.

The rules are in `setup_rules`: what only memories and registers show. A network that was compiled
has no Izhikevich neurons and no bursts; what can be said about it before is in `nm_backends.check`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nm_backends.eventcore.words import extract
from nm_backends.image import Image
from nm_backends.rules import Report
from nm_backends.setups import check_setups
from nm_odin.rules import BY_NAME
from nm_odin.setup_rules import ENDLESS, SETUP
from nm_odin.spec import IZH_FIELDS, NEURON_FIELDS, SPEC

__all__ = ["Setup", "check_setup", "why_endless"]


@dataclass(frozen=True, eq=False)
class Setup:
    """An image, decoded as far as the rules look at it.

    Parameters
    ----------
    closed
        Spikes go back into the scheduler.
    time_reference
        SPI_BURST_TIMEREF.
    izhikevich, fires
        Of every neuron, bool ``[256]``: its model; whether its spikes are let out.
    lif, izh
        Fields of every word by name, read as a LIF and as an Izhikevich word, int64 ``[256]``.
    weights
        Signed weights as neurons see them, int64 ``[pre, post]``.
    learns
        Synapses that SDSP can change, bool ``[pre, post]``.
    """

    closed: bool
    time_reference: int
    izhikevich: np.ndarray
    fires: np.ndarray
    lif: dict[str, np.ndarray]
    izh: dict[str, np.ndarray]
    weights: np.ndarray
    learns: np.ndarray

    @classmethod
    def of(cls, image: Image) -> Setup:
        """Decode an image."""
        registers, nibbles = image.registers, image.memories["synapse"]
        lif, izh = (
            {field.name: extract(image.memories["neuron"], field) for field in fields}
            for fields in (NEURON_FIELDS, IZH_FIELDS)
        )
        izhikevich, mapped = lif["lif_izh_sel"] == 0, nibbles >= 8
        sizes = np.where(mapped | bool(registers["SPI_PROPAGATE_UNMAPPED_SYN"]), nibbles & 7, 0)
        signs = np.where(np.asarray(registers["SPI_SYN_SIGN"]), -1, 1)
        learning = np.where(izhikevich, izh["ca_en"], lif["ca_en"]) != 0
        return cls(
            closed=not registers["SPI_OPEN_LOOP"],
            time_reference=int(np.asarray(registers["SPI_BURST_TIMEREF"])),
            izhikevich=izhikevich,
            fires=lif["neur_disable"] == 0,
            lif=lif,
            izh=izh,
            weights=sizes.astype(np.int64) * signs[:, None],
            learns=(mapped | bool(registers["SPI_UPDATE_UNMAPPED_SYN"])) & learning,
        )

    @property
    def bursting(self) -> np.ndarray:
        """Neurons whose spikes start bursts, bool ``[256]``."""
        return np.asarray(self.fires & self.izhikevich & (self.izh["spk_ref"] != 0))

    @property
    def bursts_on(self) -> bool:
        """Whether the burst engine is on."""
        return self.closed and self.time_reference != 0


def check_setup(image: Image) -> Report:
    """Say what an image would do to the chip: hang it, lock neurons up, or leave it undefined.

    Parameters
    ----------
    image
        Memories and registers, written by hand or compiled.

    Returns
    -------
    Report
        Errors are certain as soon as a neuron concerned fires; warnings depend on when it does.

    Raises
    ------
    UserError
        When it is no image of this chip.

    Examples
    --------
    >>> print(check_setup(image))  # doctest: +SKIP
    """
    return check_setups(image, SPEC, Setup.of, SETUP, BY_NAME)


def why_endless(image: Image) -> str:
    """Return which rules say that a chip with this image may never become idle, or ``""``."""
    codes = {BY_NAME[name].code for name in ENDLESS}
    found = [d for d in check_setup(image) if d.code in codes]
    return "; ".join(f"{d.code}: {d.message} ({d.hint})" for d in found)
