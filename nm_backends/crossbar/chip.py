"""How a crossbar chip describes itself to the shared mapper and runner."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from nm_backends.chip import ChipSpec
from nm_backends.image import Image
from nm_backends.rules import Rule

if TYPE_CHECKING:
    from nm_backends.crossbar.integers import Integers
    from nm_backends.crossbar.layout import Choices, Plan
    from nm_backends.crossbar.wiring import Wiring
    from nm_backends.eventcore.logs import BatchLog
    from nm_backends.eventcore.simulator import EventSimulator
    from nm_backends.program import Resource
    from nm_backends.quantize import Quantized

__all__ = ["CoreContents", "CrossbarChip", "Floor", "VirtualEvents"]


@dataclass
class CoreContents:
    """What a core is to hold, by address, before it is packed into the chip's own bits.

    Parameters
    ----------
    weights
        Signed weights, int16 ``[row, neuron]``; a row of a chip with a sign per row has one sign.
    inhibitory
        Whether a row is inhibitory, bool ``[row]``; meaningless where each synapse has a sign.
    threshold, leak, start
        Per neuron, int64: it fires at a membrane >= threshold; subtracted at each time reference;
        membrane before the first step.
    enabled
        Neurons in use, bool.
    open_loop
        Whether no neuron drives a row.
    plastic
        Synapses that may learn, bool ``[row, neuron]``.
    """

    weights: np.ndarray
    inhibitory: np.ndarray
    threshold: np.ndarray
    leak: np.ndarray
    start: np.ndarray
    enabled: np.ndarray
    open_loop: bool
    plastic: np.ndarray


@dataclass(frozen=True)
class VirtualEvents:
    """Events that bring a weight of their own to one neuron, no synapse of the crossbar in use.

    Parameters
    ----------
    neurons
        Neurons ``0 .. neurons - 1`` can be reached.
    words
        Returns AER words, int64, from neuron addresses and weights, which are not 0.
    read
        Returns addresses and weights from AER words; the weight is 0 where a word is no such event.
    """

    neurons: int
    words: Callable[[np.ndarray, np.ndarray], np.ndarray]
    read: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


class Floor(Protocol):
    """Several crossbars, and how a network is spread over them.

    Rows and neurons are counted over all crossbars, one after the other; a row reaches the neurons
    of its own crossbar only. A layout then also has ``row_source`` and ``row_sign`` over all rows.
    """

    rows: int

    def by_range(self, wiring: Wiring, split: bool) -> Quantized:
        """Return integers and scales that follow from the weights alone."""
        ...

    def room(self, wiring: Wiring) -> bool:
        """Say whether all sources and neurons find a place, before anything is quantised."""
        ...

    def fits(self, wiring: Wiring, integers: Integers, choices: Choices) -> bool:
        """Say whether there is a place for everything."""
        ...

    def plan(self, wiring: Wiring, integers: Integers, choices: Choices) -> Plan:
        """Place ``integers`` and list what the host sends; see `nm_backends.crossbar.layout`."""
        ...

    def resources(self, wiring: Wiring, made: Plan) -> list[Resource]:
        """Return what a placed network takes."""
        ...


@dataclass(frozen=True)
class CrossbarChip:
    """A chip as the shared mapper sees it.

    Parameters
    ----------
    spec
        Limits and formats.
    rules
        The chip's rules by the name of the shared finding, see `nm_backends.crossbar.rules`.
    pack
        Makes the image of a core from the contents of a plan, `CoreContents` without a ``floor``.
    unpack
        Returns the signed weights that an image holds, int16 ``[row, neuron of its crossbar]``.
    row_event
        AER word of a spike event of row 0; row ``r`` is ``row_event + r * row_step``.
    leak_event
        AER word of the time reference of all neurons.
    engine
        Returns the simulator's ``run_batch``; a function, so that numba is imported when used.
    learns
        Whether synapses can change on the chip.
    simulator
        Returns the class of the simulator, for programs that are run step by step.
    virtual
        Its virtual events, by which the host can be the synapses that have no row.
    floor
        How it is laid out, if it has several crossbars.
    flags
        Bits of an AER word that say nothing about row or neuron.
    """

    spec: ChipSpec
    rules: Mapping[str, Rule]
    pack: Callable[[Any], Image]
    unpack: Callable[[Image], np.ndarray]
    row_event: int
    row_step: int
    leak_event: int
    engine: Callable[[], Callable[..., BatchLog]]
    learns: bool = False
    simulator: Callable[[], Callable[[Image], EventSimulator]] | None = None
    virtual: VirtualEvents | None = None
    floor: Floor | None = None
    flags: int = 0

    @property
    def rows(self) -> int:
        """Number of rows, of all crossbars together."""
        return self.spec.rows if self.floor is None else self.floor.rows

    @property
    def row_pairs(self) -> bool:
        """Whether the sign of a weight belongs to its row."""
        return self.spec.sign == "row"

    @property
    def signed_membrane(self) -> bool:
        """Whether a membrane can be negative."""
        return self.spec.membrane.signed

    def row_words(self, rows: np.ndarray) -> np.ndarray:
        """Return the AER words of spike events of ``rows``, uint32."""
        return np.asarray(self.row_event + rows.astype(np.int64) * self.row_step, np.uint32)

    def read_virtual(self, words: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return neuron and weight of virtual events, int64; weight 0 where a word is another."""
        if self.virtual is None:
            return np.zeros(words.size, np.int64), np.zeros(words.size, np.int64)
        return self.virtual.read(words.astype(np.int64))

    def number(self, name: str) -> float:
        """Return the value of one of the chip's published quantities."""
        return self.spec.quantities[name].value

    def __hash__(self) -> int:
        return hash(self.spec.name)

    def run(self, image: Image, *arguments: Any, **options: Any) -> BatchLog:
        """Run samples on the chip's engine, each from the state of ``image``."""
        return self.engine()(image, *arguments, **options)
