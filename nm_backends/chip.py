"""What a chip must provide: a description made of data (`ChipSpec`) and a `Backend`.

Built-in and third-party chips use exactly these types. A backend is registered by the hook
``nm_register_chips`` as a light `ChipEntry`; its code is imported when it is used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

if TYPE_CHECKING:
    import numpy as np

    from nm_backends.image import Image
    from nm_backends.network import Network
    from nm_backends.program import CompileOptions, Program
    from nm_backends.program import Mapping as ChipMapping
    from nm_backends.result import RawRun
    from nm_backends.rules import Rule
    from nm_backends.trace import TraceVerdict

__all__ = [
    "API_VERSION",
    "Backend",
    "ChipSpec",
    "Field",
    "IntFormat",
    "Memory",
    "Quantity",
    "Register",
    "Transaction",
]

API_VERSION = 1
Status = Literal["measured", "published", "computed", "extrapolated", "unconfirmed"]


@dataclass(frozen=True)
class Quantity:
    """A number about a chip, with its unit, where it comes from and how far to trust it."""

    value: float
    unit: str
    source: str
    status: Status = "published"
    condition: str = ""


@dataclass(frozen=True)
class IntFormat:
    """An integer number format: ``bits`` wide; ``minimum..maximum`` are the values in use."""

    bits: int
    minimum: int
    maximum: int

    @property
    def signed(self) -> bool:
        """Whether negative values exist."""
        return self.minimum < 0


@dataclass(frozen=True)
class Field:
    """A bit field of a memory word: bits ``lsb .. lsb + width - 1``."""

    name: str
    lsb: int
    width: int
    signed: bool = False
    doc: str = ""


@dataclass(frozen=True)
class Register:
    """A configuration register, named as in the chip's documentation."""

    name: str
    address: int
    width: int
    doc: str = ""


@dataclass(frozen=True)
class Memory:
    """A memory of the chip."""

    name: str
    words: int
    width: int
    doc: str = ""


@dataclass(frozen=True)
class ChipSpec:
    """Every limit, format and figure of a chip, each number once, each with its source.

    Parameters
    ----------
    rows
        Pre-synaptic addresses that inputs and neurons share; 0 when inputs have their own.
    weights, membrane, threshold, leak
        Integer formats. ``weights`` is the range one synapse can hold, sign included.
    sign
        ``"synapse"`` when each weight has its own sign, ``"row"`` when a whole row shares one.
    quantities
        Clock, energy and area figures by name: ``f_clk``, ``E_SOP``, ``P_leak``, ``P_idle``...
    node_types
        NIR neuron types that the chip can execute (after fitting).
    spi_bits
        Width of an SPI word, address or data.
    """

    name: str
    summary: str
    neurons: int
    rows: int
    synapses: int
    weights: IntFormat
    membrane: IntFormat
    threshold: IntFormat
    leak: IntFormat
    sign: Literal["synapse", "row"] = "synapse"
    node_types: tuple[str, ...] = ("LIF", "IF")
    memories: tuple[Memory, ...] = ()
    registers: tuple[Register, ...] = ()
    fields: Mapping[str, tuple[Field, ...]] = field(default_factory=dict)
    quantities: Mapping[str, Quantity] = field(default_factory=dict)
    sources: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    spi_bits: int = 20


@dataclass(frozen=True)
class Transaction:
    """One SPI write, as sent: the address word, the data word, and what follows in a burst.

    Parameters
    ----------
    address
        Command and address.
    data
        The first data word.
    more
        Further data words, for the addresses after it, on a chip that takes bursts.
    """

    address: int
    data: int
    comment: str = ""
    more: tuple[int, ...] = ()

    @property
    def words(self) -> tuple[int, ...]:
        """Everything that goes over the wire, in order."""
        return (self.address, self.data, *self.more)


@runtime_checkable
class Backend(Protocol):
    """What a chip plugin implements.

    A backend may also have these; without them, what they serve is left out:

    ``check_program(program) -> list[str]``
        Name everything in a loaded program that would lead the kernels astray (`artifact.load`).
    ``check_setup(image) -> Report``
        What an image would do to the chip (hang it, lock neurons up), for ``program.check`` and
        ``nmb check PROGRAM.nmb``; the codes are among ``rules``.
    ``drivings: tuple[str, ...]``
        How the host may drive the chip, see ``program.run``; ``execute`` then takes ``driving``.
    ``learning_options()``
        The class of the chip's learning options (`nm_backends.learning_options.LearningOptions`):
        names are then checked before anything runs.
    ``learner(program, options)``
        What trains a program by the chip's rule (an `nm_backends.learn.Learner`), for
        ``program.learn``. If it has ``lesson(counts, taught)`` (an `nm_backends.aer.Lesson`), a
        program can be exported for learning on the chip itself.
    ``weights_of(program, node) -> numpy.ndarray``
        Weights of a Linear or Affine node as the image holds them, in the user's units, for
        ``program.weights`` and ``program.to_nir``.
    ``realised(program) -> Realised``
        The network that the image holds (`nm_backends.readback.Realised`), for ``program.to_nir()``
        without a model.
    ``check_part(network) -> list[Diagnostic]``, ``map_part(network, options, calibration)``,
    ``lifted: frozenset[str]``
        For networks on several chips (`nm_backends.system`): what keeps a part from one chip; its
        mapping, as `map` does it; and the codes of rules that do not hold for a network that may be
        cut. All sources of a part are inputs, and the host sees the spikes of all its neurons.
    ``levels(network, check, report) -> list[Level]``
        For chips on which neurons of a part may drive each other: which populations share chips
        (`nm_backends.partition.Level`). The host then sees the outputs of a part only.
    ``requantise(program, network) -> Program``
        The program with the weights and biases of a network that is otherwise its own, quickly, and
        the same image where nothing changed (`nm_backends.requantise`).
    ``tuner(program) -> Tuner``
        What a program is trained by with gradients through the chip's own events
        (`nm_backends.tuning`).
    ``plan_events(program, spikes)``
        The events that drive the chip (an `nm_backends.aer.EventPlan`), for `export`.
    ``open_session(program, batch, learning)``
        The chip, to be run step by step (an `nm_backends.session.ChipSession`), for
        ``program.session``; ``learning`` is None or options as for ``learner``.
    ``first_spikes: bool``
        That only the first spike of each input channel counts: ``map``, ``execute`` and learners
        are then given `nm_backends.first_spikes.FirstSpikes` instead of counts.
    ``restore_stream(image, neurons) -> list[Transaction]``
        The transactions between two samples, for `export`.
    ``export_readme(program, plan, names) -> str``
        The ``README.txt`` of an `export` with the files ``names``, where what stands in
        `nm_backends.export_readme` about programming and driving is not right for the chip.
    ``system_readme(system, levels) -> str``
        What the ``README.txt`` of several chips says about a time step, where spikes do not leave
        the chip as output events; ``levels`` names the chips in their order.
    ``assumptions``, ``assuming(assumptions) -> Backend``
        What is taken for granted about the chip where nothing is published: a frozen dataclass of
        `nm_backends.assumptions.choice` fields; and the backend under others (the same dataclass).
    ``meshed(chips) -> Backend``, ``mesh_sizes``, ``chips``
        For chips that route spikes among themselves, see `nm_backends.mesh`.
    ``recognises(arrays) -> bool``
        Whether a trace that has no ``meta`` but these arrays (a set of names) is one of this chip,
        for ``nmb verify``.
    """

    spec: ChipSpec
    rules: Sequence[Rule]

    def map(
        self, network: Network, options: CompileOptions, calibration: np.ndarray | None
    ) -> ChipMapping:
        """Quantise, place and build the image; findings go into the mapping's report."""
        ...

    def execute(
        self, program: Program, spikes: np.ndarray, record: Sequence[str], threads: int | None
    ) -> RawRun:
        """Run the *image* on spikes uint8 ``[time, batch, input channels]``, bit for bit."""
        ...

    def write_stream(self, image: Image) -> list[Transaction]:
        """Return the ordered transactions that program the real chip with ``image``."""
        ...

    def read_stream(self, stream: Sequence[Transaction]) -> Image:
        """Return the image that ``stream`` programs; the inverse of `write_stream`."""
        ...

    def estimate(self, counters: Mapping[str, np.ndarray]) -> dict[str, Any]:
        """Return ``energy`` and ``latency`` estimates from counters."""
        ...

    def verify(self, path: str) -> TraceVerdict:
        """Replay one recorded hardware trace and compare it bit for bit."""
        ...
