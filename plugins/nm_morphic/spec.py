"""MorphIC in numbers: every limit, register, bit field and figure of the chip, with its source.

Sources: ``paper`` is C. Frenkel, J.-D. Legat, D. Bol, IEEE TBioCAS 13(5), 999-1010, 2019, doi
10.1109/TBCAS.2019.2928793, arXiv 1904.08513; ``results`` are the files that its author published
with the EMG/DVS fusion paper (Enny1991/dvs_emg_fusion). Nothing public describes memories and
registers: their layout here is ours, and widths of values are `Assumptions`.
"""

from __future__ import annotations

from nm_backends.chip import ChipSpec, Field, IntFormat, Memory, Quantity, Register
from nm_morphic.assumptions import Assumptions

__all__ = [
    "CORES", "CORE_REGISTERS", "L1_ROWS", "L2_ROWS", "NEURONS", "NEURON_FIELDS", "ROUTE_FIELDS",
    "ROWS", "SHARING", "SPEC", "spec_of",
]  # fmt: skip

PAPER = "Frenkel et al., IEEE TBioCAS 13(5), 2019, doi 10.1109/TBCAS.2019.2928793"
RESULTS = "result files of the chip's author (Enny1991/dvs_emg_fusion)"
QUOTED = "public texts that quote the paper"
RECALLED = "recalled from the literature, agrees with the totals"
OURS = "see Assumptions"

CORES, NEURONS = 4, 512  # neurons per core
L1_ROWS, L2_ROWS = 256, 256
ROWS = NEURONS + L1_ROWS + L2_ROWS  # per core

# A word of the neuron memory; fields are stored in whole bytes, values are as wide as assumed.
NEURON_FIELDS = (
    Field("core", 0, 16, signed=True, doc="membrane potential"),
    Field("thr", 16, 16, doc="the neuron fires when its membrane is >= thr; it is then 0"),
    Field("leak_str", 32, 16, doc="moves the membrane toward 0 at each time reference"),
    Field("thetamem", 48, 16, signed=True, doc="learning: membrane threshold"),
    Field("calcium", 64, 3, doc="calcium"),
    Field("caleak_cnt", 72, 5, doc="calcium leak counter"),
    Field("ca_theta1", 80, 3, doc="learning: calcium threshold 1"),
    Field("ca_theta2", 88, 3, doc="learning: calcium threshold 2"),
    Field("ca_theta3", 96, 3, doc="learning: calcium threshold 3"),
    Field("ca_leak", 104, 5, doc="calcium: time references per decrement, 0 never"),
    Field("ca_en", 112, 1, doc="calcium and learning; 0 freezes the synapses of this neuron"),
    Field("neur_disable", 120, 1, doc="1 suppresses the spike; the state still evolves"),
)

ROUTE_FIELDS = (
    Field("l2_row", 0, 8, doc="L2 row of all cores of the target chip"),
    Field("dy", 8, 4, signed=True, doc="chips to go along y"),
    Field("dx", 12, 4, signed=True, doc="chips to go along x; dx = dy = 0 is no L2 route"),
    Field("l1_row", 16, 8, doc="L1 row of the target cores"),
    Field("l1_mask", 24, 3, doc="which of the other three cores of the chip, ascending"),
)

# Of each core; in an image the number of the core follows the name, as in WEIGHT_MODE_0.
CORE_REGISTERS = (
    Register("WEIGHT_MODE", 0, 1, "0: bits are -1 and +1; 1: bits are 0 and 1, see ROW_SIGN"),
    Register("ROW_SIGN", 1, ROWS, "bit i: row i is inhibitory, where WEIGHT_MODE is 1"),
    Register("ROW_ENABLE", 2, ROWS, "bit i: row i is connected"),
    Register("PLASTIC", 3, 3, "which rows learn: bit 0 L0, bit 1 L1, bit 2 L2"),
    Register("P_UP", 4, 17, "flips 0 -> 1 in 2^probability_bits, at most that many"),
    Register("P_DOWN", 5, 17, "flips 1 -> 0 in 2^probability_bits, at most that many"),
    Register("LFSR_SEED", 6, 20, "state of the random generator, never 0"),
)

SHARING = ("never", "agreeing", "nearest")
"""Values of `Assumptions.row_sharing`, by its number among the quantities."""

_LOW, _HIGH = "0.8 V", "1.2 V"
_QUANTITIES = {
    "f_clk": Quantity(55e6, "Hz", RESULTS, "published", f"maximum at {_LOW}"),
    "f_clk_fast": Quantity(210e6, "Hz", QUOTED, "published", f"maximum at {_HIGH}"),
    "E_SOP": Quantity(30e-12, "J", RESULTS, "published", f"incremental energy per SOP at {_LOW}"),
    "E_SOP_fast": Quantity(65e-12, "J", QUOTED, "published", f"incremental, at {_HIGH}"),
    "P_leak": Quantity(45e-6, "W", RECALLED, "unconfirmed", _LOW),
    "P_idle": Quantity(41.3e-12, "W/Hz", RECALLED, "unconfirmed", _LOW),
    "E_total": Quantity(51e-12, "J", RECALLED, "unconfirmed", f"per SOP at {_LOW}, full rate"),
    "area": Quantity(2.86e-6, "m2", PAPER, "published", "65 nm CMOS, active"),
    "cycles_per_neuron": Quantity(2, "cycles", RESULTS, condition="per neuron in a sweep"),
    "cycles_handshake": Quantity(0, "cycles", OURS, "unconfirmed", "per input event"),
    "cycles_wait": Quantity(0, "cycles", OURS, "unconfirmed", "per served spike event"),
    "cycles_pop": Quantity(0, "cycles", OURS, "unconfirmed", "to take an event from the FIFO"),
}


def spec_of(assumptions: Assumptions, chips: int = 1) -> ChipSpec:
    """Return the description of so many chips in a mesh, under these assumptions."""
    cores, half = chips * CORES, 1 << assumptions.membrane_bits - 1
    sharing = Quantity(
        SHARING.index(assumptions.row_sharing), "kind", OURS, "unconfirmed",
        "sources that share a row: 0 none, 1 those that agree, 2 the nearest",
    )  # fmt: skip
    depth = Quantity(assumptions.fifo_depth, "events", OURS, "unconfirmed", "of each core")
    return ChipSpec(
        name="morphic",
        summary="4 x 512 LIF neurons, 1024 rows of binary synapses per core, stochastic SDSP",
        neurons=cores * NEURONS,
        rows=ROWS,
        synapses=cores * ROWS * NEURONS,
        weights=IntFormat(2, -1, 1),
        membrane=IntFormat(assumptions.membrane_bits, -half, half - 1),
        threshold=IntFormat(assumptions.threshold_bits, 1, (1 << assumptions.threshold_bits) - 1),
        leak=IntFormat(assumptions.leak_bits, 0, (1 << assumptions.leak_bits) - 1),
        sign="synapse",
        memories=(
            Memory("neuron", cores * NEURONS, 128, "one word per neuron, core after core"),
            Memory("route", cores * NEURONS, 27, "one word per neuron, core after core"),
            Memory("synapse_row", cores * ROWS, NEURONS, "one bit per neuron; core after core"),
        ),
        registers=tuple(
            Register(f"{r.name}_{core}", r.address + len(CORE_REGISTERS) * core, r.width, r.doc)
            for core in range(cores)
            for r in CORE_REGISTERS
        ),
        fields={"neuron": NEURON_FIELDS, "route": ROUTE_FIELDS},
        quantities={**_QUANTITIES, "scheduler_depth": depth, "row_sharing": sharing},
        sources=(PAPER, RESULTS, QUOTED),
        notes=_NOTES,
        spi_bits=32,
    )


_NOTES = (
    "No RTL and no documentation are public; what is open is listed as assumptions.",
    "Every served spike event costs 512 synaptic operations, whatever is in use.",
    "A binary weight is never neutral with {-1, +1}: unused rows are disabled.",
    "A neuron reaches the other cores of its chip by one L1 row, and one other chip.",
)

SPEC = spec_of(Assumptions())
