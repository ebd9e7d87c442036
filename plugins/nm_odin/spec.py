"""ODIN in numbers: every limit, register, bit field and figure of the chip, with its source.

Sources: ``RTL`` is the public release ChFrenkel/ODIN, commit 1781931 (Solderpad 2.0), with its
documentation; ``traces`` are runs of that RTL; ``paper`` is C. Frenkel, M. Lefebvre, J.-D. Legat,
D. Bol, IEEE TBioCAS 13(1), 145-158, 2019, doi 10.1109/TBCAS.2018.2880425; ``results`` are the files
that its author published with the EMG/DVS fusion paper (Enny1991/dvs_emg_fusion, commit 4001118).
"""

from __future__ import annotations

from nm_backends.chip import ChipSpec, Field, IntFormat, Memory, Quantity, Register
from nm_odin.izh_fields import IZH_FIELDS

__all__ = ["IZH_FIELDS", "NEURON_FIELDS", "REGISTERS", "SPEC"]

RTL = "ODIN RTL and documentation (ChFrenkel/ODIN, commit 1781931)"
TRACES = "simulation of the public RTL"
PAPER = "Frenkel et al., IEEE TBioCAS 13(1), 2019, doi 10.1109/TBCAS.2018.2880425"
RESULTS = "result files of the chip's author (Enny1991/dvs_emg_fusion, commit 4001118)"
QUOTED = "public texts that quote the paper"

# The word of a LIF neuron; the Izhikevich word (model = 0) uses the same bits differently.
NEURON_FIELDS = (
    Field("lif_izh_sel", 0, 1, doc="1 LIF, 0 Izhikevich: an all-zero word is Izhikevich"),
    Field("leak_str", 1, 7, doc="subtracted at each time reference, down to zero"),
    Field("leak_en", 8, 1, doc="1 enables the leak"),
    Field("thr", 9, 8, doc="the neuron fires when its membrane is >= thr; 0 fires at every visit"),
    Field("ca_en", 17, 1, doc="calcium and learning; 0 freezes the synapses of this neuron"),
    Field("thetamem", 18, 8, doc="learning: membrane threshold"),
    Field("ca_theta1", 26, 3, doc="learning: calcium threshold 1"),
    Field("ca_theta2", 29, 3, doc="learning: calcium threshold 2"),
    Field("ca_theta3", 32, 3, doc="learning: calcium threshold 3"),
    Field("ca_leak", 35, 5, doc="calcium: time references per decrement, 0 never"),
    Field("core", 70, 8, doc="membrane potential, unsigned"),
    Field("calcium", 78, 3, doc="calcium"),
    Field("caleak_cnt", 81, 5, doc="calcium leak counter"),
    Field("neur_disable", 127, 1, doc="1 suppresses the spike; the state still evolves"),
)

REGISTERS = (
    Register("SPI_GATE_ACTIVITY", 0, 1, "1 stops the controller and opens the memories to SPI"),
    Register("SPI_OPEN_LOOP", 1, 1, "1 keeps the spikes of the neurons out of the scheduler"),
    Register(
        "SPI_SYN_SIGN",
        2,
        256,
        "bit i: row i is inhibitory; 16 bits at each of the addresses 2..17",
    ),
    Register("SPI_BURST_TIMEREF", 18, 20, "prescaler of the burst engine, 0 is off"),
    Register(
        "SPI_AER_SRC_CTRL_nNEUR",
        19,
        1,
        "output source: 0 each spike when generated, 1 each neuron event when served",
    ),
    Register("SPI_OUT_AER_MONITOR_EN", 20, 1, "1 sends the state of one neuron and synapse"),
    Register("SPI_MONITOR_NEUR_ADDR", 21, 8, "neuron to monitor"),
    Register("SPI_MONITOR_SYN_ADDR", 22, 8, "synapse to monitor"),
    Register("SPI_UPDATE_UNMAPPED_SYN", 23, 1, "1 lets synapses with mapping bit 0 learn"),
    Register("SPI_PROPAGATE_UNMAPPED_SYN", 24, 1, "1 lets synapses with mapping bit 0 act"),
    Register("SPI_SDSP_ON_SYN_STIM", 25, 1, "1 lets single-synapse events learn"),
)

_LOW = "0.55 V"
_QUANTITIES = {
    "f_clk": Quantity(75e6, "Hz", RESULTS, "published", f"maximum at {_LOW}"),
    "E_SOP": Quantity(8.43e-12, "J", QUOTED, "published", f"incremental energy per SOP at {_LOW}"),
    "P_leak": Quantity(
        27.3e-6, "W", "recalled from the literature, agrees with the totals", "unconfirmed", _LOW
    ),
    "P_idle": Quantity(
        1.78e-12,
        "W/Hz",
        "recalled from the literature, agrees with the totals",
        "unconfirmed",
        _LOW,
    ),
    "E_total": Quantity(12.7e-12, "J", PAPER, "published", f"minimum per SOP at {_LOW}, 75 MHz"),
    "area": Quantity(0.086e-6, "m2", PAPER, "published", "28 nm FDSOI, core"),
    "scheduler_depth": Quantity(32, "entries", RTL),
    "cycles_per_neuron": Quantity(2, "cycles", RTL, condition="per neuron in a sweep"),
    "cycles_push": Quantity(1, "cycles", RTL, condition="per input spike event"),
    "cycles_pop": Quantity(0, "cycles", RTL, condition="per served spike event, after the sweep"),
    "cycles_handshake": Quantity(
        13,
        "cycles",
        TRACES,
        "measured",
        "per input event: 3 to accept, 3 to release, 7 idle seen by a host that waits for 8",
    ),
    "cycles_wait": Quantity(1, "cycles", TRACES, "measured", "per served spike event"),
    "cycles_sck": Quantity(4, "cycles", RTL, condition="per SPI bit at least"),
    "cycles_output": Quantity(6, "cycles", TRACES, "measured", "per output event, immediate host"),
}

SPEC = ChipSpec(
    name="odin",
    summary="256 neurons, 256 x 256 crossbar of 3-bit weights with a sign per row, SDSP (28 nm)",
    neurons=256,
    rows=256,
    synapses=256 * 256,
    weights=IntFormat(4, -7, 7),  # 3 bits in the synapse, the sign in its row
    membrane=IntFormat(8, 0, 255),
    threshold=IntFormat(8, 1, 255),
    leak=IntFormat(7, 0, 127),
    sign="row",
    memories=(
        Memory("neuron", 256, 128, "one word per neuron, parameters and state"),
        Memory("synapse", 8192, 32, "[pre, post], eight 4-bit synapses per word"),
    ),
    registers=REGISTERS,
    fields={"neuron": NEURON_FIELDS, "neuron_izh": IZH_FIELDS},
    quantities=_QUANTITIES,
    sources=(RTL, TRACES, PAPER, RESULTS),
    notes=(
        "The membrane is unsigned: negative charge is lost at 0.",
        "The sign of a weight belongs to its row (SPI_SYN_SIGN), not to the synapse.",
        "Every served spike event costs 256 synaptic operations, whatever is in use.",
        "A virtual event with w = s = leak = 0 is executed as a neuron event of that row.",
    ),
)
