"""tinyODIN in numbers: every limit, register, bit field and figure of the chip, with its source.

Sources: ``RTL`` is the public release ChFrenkel/tinyODIN, commit 1865653 (Solderpad 2.1), together
with its documentation; ``traces`` are runs of that RTL. There is no paper and no measured silicon.
"""

from __future__ import annotations

from nm_backends.chip import ChipSpec, Field, IntFormat, Memory, Quantity, Register

__all__ = ["NEURON_FIELDS", "REGISTERS", "SPEC"]

RTL = "tinyODIN RTL and documentation (ChFrenkel/tinyODIN, commit 1865653)"
TRACES = "simulation of the public RTL"

NEURON_FIELDS = (
    Field("core", 0, 12, signed=True, doc="membrane potential, two's complement"),
    Field("thr", 12, 12, doc="threshold, compared unsigned; above 2047 the neuron never fires"),
    Field("leak_str", 24, 7, doc="subtracted towards zero at each time reference; 0 is no leak"),
    Field("neur_disable", 31, 1, doc="1 suppresses the spike; the state still evolves"),
)

REGISTERS = (
    Register("SPI_GATE_ACTIVITY", 0, 1, "1 stops the controller and opens the memories to SPI"),
    Register("SPI_OPEN_LOOP", 1, 1, "1 keeps the spikes of the neurons out of the scheduler"),
    Register(
        "SPI_AER_SRC_CTRL_nNEUR",
        2,
        1,
        "output source: 0 each spike when generated, 1 each neuron event when served",
    ),
    Register("SPI_MAX_NEUR", 3, 8, "highest neuron index that sweeps and time references visit"),
)

_QUANTITIES = {
    "f_clk": Quantity(
        250e6,
        "Hz",
        "sample timing constraints of the release (4 ns), given there as a value to adapt",
        "unconfirmed",
        "no silicon was published",
    ),
    "scheduler_depth": Quantity(128, "entries", RTL),
    "cycles_per_neuron": Quantity(2, "cycles", RTL, condition="per neuron in a sweep"),
    "cycles_push": Quantity(1, "cycles", RTL, condition="per input spike event"),
    "cycles_pop": Quantity(1, "cycles", RTL, condition="per served spike event, after the sweep"),
    "cycles_handshake": Quantity(
        13,
        "cycles",
        TRACES,
        "measured",
        "per input event: 3 to accept, 3 to release, 7 idle seen by a host that waits for 8",
    ),
    "cycles_wait": Quantity(1, "cycles", TRACES, "measured", "per served spike event"),
    "cycles_output": Quantity(6, "cycles", TRACES, "measured", "per output event, immediate host"),
}

SPEC = ChipSpec(
    name="tinyodin",
    summary="256 LIF neurons, 256 x 256 crossbar of signed 4-bit weights, no plasticity (FPGA/RTL)",
    neurons=256,
    rows=256,
    synapses=256 * 256,
    weights=IntFormat(4, -8, 7),
    membrane=IntFormat(12, -2048, 2047),
    threshold=IntFormat(12, 1, 2047),
    leak=IntFormat(7, 0, 127),
    sign="synapse",
    memories=(
        Memory("neuron", 256, 32, "one word per neuron, parameters and membrane"),
        Memory("synapse", 8192, 32, "[pre, post], eight 4-bit synapses per word"),
    ),
    registers=REGISTERS,
    fields={"neuron": NEURON_FIELDS},
    quantities=_QUANTITIES,
    sources=(RTL, TRACES),
    notes=(
        "No energy figures are published for tinyODIN: it exists as RTL only.",
        "thr = 0 fires at every visit with a membrane >= 0; thr above 2047 never fires.",
        "A virtual event with weight 0 is executed as a neuron event of that row.",
    ),
)
