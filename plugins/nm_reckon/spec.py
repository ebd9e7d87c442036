"""ReckOn in numbers: every limit, register, bit field and figure of the chip, with its source.

Sources: ``RTL`` is the public release ChFrenkel/ReckOn, commit 5e5c0be (Solderpad 2.1), with its
documentation, revision 1.0; ``traces`` are runs of that RTL; ``paper`` is C. Frenkel, G. Indiveri,
ISSCC 2022, doi 10.1109/ISSCC42614.2022.9731734, arXiv 2208.09759.
"""

from __future__ import annotations

from nm_backends.chip import ChipSpec, Field, IntFormat, Memory, Quantity, Register

__all__ = [
    "ALPHA_LEAST", "ALPHA_ONE", "INPUTS", "KAPPA_ONE", "NEURONS", "NEURON_FIELDS", "OUTPUTS",
    "REGISTERS", "RESET_SEEDS", "SPEC",
]  # fmt: skip

RTL = "ReckOn RTL and documentation 1.0 (ChFrenkel/ReckOn, commit 5e5c0be)"
TRACES = "simulation of the public RTL"
PAPER = "Frenkel and Indiveri, ISSCC 2022, doi 10.1109/ISSCC42614.2022.9731734"
QUOTED = "public texts that quote the paper"
TALK = "slides of the author, ETH Zurich, March 2024"

INPUTS, NEURONS, OUTPUTS = 256, 256, 16
ALPHA_ONE, KAPPA_ONE = 0x8000, 0x80  # leak factors of 1: no leak, and no rounding
ALPHA_LEAST = 0x7000 / ALPHA_ONE  # the fastest leak of a neuron

# A word of the neuron memory holds neurons 2N ("even") and 2N+1 ("odd"), which share alpha and thr.
NEURON_FIELDS = (
    Field("v_even", 0, 16, signed=True, doc="membrane potential of neuron 2N"),
    Field("t_inp_even", 16, 12, doc="eligibility trace of input 2N"),
    Field("t_rec_even", 28, 12, doc="eligibility trace of neuron 2N towards recurrent neurons"),
    Field("t_out_even", 40, 10, doc="eligibility trace of neuron 2N towards the outputs"),
    Field("v_odd", 50, 16, signed=True, doc="membrane potential of neuron 2N+1"),
    Field("t_inp_odd", 66, 12, doc="eligibility trace of input 2N+1"),
    Field("t_rec_odd", 78, 12, doc="eligibility trace of neuron 2N+1 towards recurrent neurons"),
    Field("t_out_odd", 90, 10, doc="eligibility trace of neuron 2N+1 towards the outputs"),
    Field("thr", 100, 16, signed=True, doc="firing threshold of both: fires when v >= thr"),
    Field("alpha", 116, 12, doc="12 LSBs of the leak factor of both; SPI_ALPHA_CONF has the MSBs"),
)

REGISTERS = (
    Register("SPI_RO_STAGE_SEL", 1, 9, "stage of the clock generator; not in the released RTL"),
    Register("SPI_GET_CLKINT_OUT", 2, 1, "1 shows the internal clock on MISO; not in the RTL"),
    Register("SPI_GET_TAR_REQ_OUT", 3, 1, "1 shows the target request on MISO"),
    Register("SPI_RST_MODE", 8, 1, "reset of a neuron that fired: 0 subtracts thr, 1 sets to zero"),
    Register("SPI_DO_EPROP", 9, 3, "e-prop on input (bit 0), recurrent (1), output weights (2)"),
    Register("SPI_LOCAL_TICK", 10, 1, "1 makes ticks on chip, see SPI_CYCLES_PER_TICK"),
    Register("SPI_ERROR_HALT", 11, 1, "1 halts when a tick comes while the chip is busy"),
    Register("SPI_FP_LOC_WINP", 12, 3, "input weights are shifted left by this"),
    Register("SPI_FP_LOC_WREC", 13, 3, "recurrent weights are shifted left by this"),
    Register("SPI_FP_LOC_WOUT", 14, 3, "output weights are shifted left by this"),
    Register("SPI_FP_LOC_TINP", 15, 3, "radix point of input traces"),
    Register("SPI_FP_LOC_TREC", 16, 3, "radix point of recurrent traces"),
    Register("SPI_FP_LOC_TOUT", 17, 3, "radix point of output traces"),
    Register("SPI_LEARN_SIG_SCALE", 18, 4, "learning signals are shifted left by this"),
    Register(
        "SPI_REGUL_MODE",
        19,
        3,
        "regularisation: bit 0 multiplicative, bit 1 additive, bit 2 at all ticks",
    ),
    Register("SPI_REGUL_W", 20, 2, "regularised weights: bit 0 input, bit 1 recurrent"),
    Register("SPI_EN_STOCH_ROUND", 21, 1, "1 rounds membranes and traces stochastically"),
    Register("SPI_SRAM_SPEEDMODE", 22, 8, "speed of the memories; not in the released RTL"),
    Register("SPI_TIMING_MODE", 23, 1, "pin TIMING_ERROR_RDY: 0 shows ready, 1 timing errors"),
    Register("SPI_REGRESSION", 25, 1, "0 classification, 1 regression"),
    Register("SPI_SINGLE_LABEL", 26, 1, "1 asks for the label once per sample, 0 at every tick"),
    Register("SPI_NO_OUT_ACT", 27, 1, "1 leaves out the hard sigmoid of the outputs"),
    Register("SPI_SEND_PER_TIMESTEP", 30, 1, "1 sends outputs at every tick, 0 once per sample"),
    Register("SPI_SEND_LABEL_ONLY", 31, 1, "1 sends the winner's label, 0 the output membranes"),
    Register("SPI_NOISE_EN", 32, 1, "1 adds noise where events arrive"),
    Register("SPI_FORCE_TRACES", 33, 1, "1 keeps traces even where SPI_DO_EPROP needs none"),
    Register("SPI_CYCLES_PER_TICK", 64, 32, "clock cycles per local tick"),
    Register(
        "SPI_ALPHA_CONF",
        65,
        128,
        "bit N: leak factors of neurons 2N and 2N+1 are 0x8000 + alpha (1) or 0x7000 + alpha (0)",
    ),
    Register("SPI_KAPPA", 69, 8, "leak factor of the outputs, in 1/128"),
    Register("SPI_THR_H_0", 70, 16, "membrane between segments 0 and 1 of h, signed"),
    Register("SPI_THR_H_1", 71, 16, "membrane between segments 1 and 2 of h, signed"),
    Register("SPI_THR_H_2", 72, 16, "membrane between segments 2 and 3 of h, signed"),
    Register("SPI_THR_H_3", 73, 16, "membrane between segments 3 and 4 of h, signed"),
    Register("SPI_H_0", 74, 5, "h in segment 0, signed"),
    Register("SPI_H_1", 75, 5, "h in segment 1, signed"),
    Register("SPI_H_2", 76, 5, "h in segment 2, signed"),
    Register("SPI_H_3", 77, 5, "h in segment 3, signed"),
    Register("SPI_H_4", 78, 5, "h in segment 4, signed"),
    Register("SPI_LR_R_WINP", 79, 5, "probability of input updates: shift right"),
    Register("SPI_LR_P_WINP", 80, 5, "probability of input updates: shift left"),
    Register("SPI_LR_R_WREC", 81, 5, "probability of recurrent updates: shift right"),
    Register("SPI_LR_P_WREC", 82, 5, "probability of recurrent updates: shift left"),
    Register("SPI_LR_R_WOUT", 83, 5, "probability of output updates: shift right"),
    Register("SPI_LR_P_WOUT", 84, 5, "probability of output updates: shift left"),
    Register("SPI_SEED_INP", 85, 25, "seed: updates of input weights"),
    Register("SPI_SEED_REC", 86, 25, "seed: updates of recurrent weights"),
    Register("SPI_SEED_OUT", 87, 22, "seed: updates of output weights"),
    Register("SPI_SEED_STRND_NEUR", 88, 30, "seeds: rounding of membranes, even and odd neurons"),
    Register("SPI_SEED_STRND_ONEUR", 89, 15, "seed: rounding of output membranes"),
    Register("SPI_SEED_STRND_TINP", 90, 30, "seeds: rounding of input traces, even and odd"),
    Register("SPI_SEED_STRND_TREC", 91, 30, "seeds: rounding of recurrent traces, even and odd"),
    Register("SPI_SEED_STRND_TOUT", 92, 30, "seeds: rounding of output traces, even and odd"),
    Register("SPI_SEED_NOISE_NEUR", 93, 17, "seed: noise"),
    Register("SPI_NUM_INP_NEUR", 94, 8, "number of inputs, less one"),
    Register("SPI_NUM_REC_NEUR", 95, 8, "number of recurrent neurons, less one"),
    Register("SPI_NUM_OUT_NEUR", 96, 4, "number of outputs, less one"),
    Register("SPI_REGUL_F0", 98, 12, "regularisation acts where the recurrent trace is above this"),
    Register("SPI_REGUL_K_INP_R", 99, 5, "additive regularisation of input weights: shift right"),
    Register("SPI_REGUL_K_INP_P", 100, 5, "additive regularisation of input weights: shift left"),
    Register(
        "SPI_REGUL_K_REC_R", 101, 5, "additive regularisation of recurrent weights: shift right"
    ),
    Register(
        "SPI_REGUL_K_REC_P", 102, 5, "additive regularisation of recurrent weights: shift left"
    ),
    Register("SPI_REGUL_K_MUL", 103, 5, "multiplicative regularisation: shift right"),
    Register("SPI_NOISE_STR", 104, 4, "noise is shifted right by this"),
)

# What the generators hold after a reset, as the seed registers would load it.
RESET_SEEDS = {
    "SPI_SEED_INP": 1,
    "SPI_SEED_REC": 0x0424242,
    "SPI_SEED_OUT": 1,
    "SPI_SEED_STRND_NEUR": 0x70F0 << 15 | 0x1234,
    "SPI_SEED_STRND_ONEUR": 0x7ABA,
    "SPI_SEED_STRND_TINP": 0x7FCF << 15 | 0x1348,
    "SPI_SEED_STRND_TREC": 0x7BEA << 15 | 0x4321,
    "SPI_SEED_STRND_TOUT": 0x7EF0 << 15 | 0x3FF3,
    "SPI_SEED_NOISE_NEUR": 0x1F0F1,
}

_LOW = "0.5 V"
_QUANTITIES = {
    "f_clk": Quantity(13e6, "Hz", QUOTED, "published", f"at {_LOW}"),
    "f_clk_fast": Quantity(115e6, "Hz", QUOTED, "published", "at 0.8 V"),
    "E_SOP": Quantity(5.3e-12, "J", RTL, "published", f"peak efficiency per SOP at {_LOW}"),
    "E_step_inference_min": Quantity(0.6e-9, "J", QUOTED, "published", f"per time step at {_LOW}"),
    "E_step_inference_max": Quantity(42e-9, "J", QUOTED, "published", f"per time step at {_LOW}"),
    "E_step_learning_min": Quantity(1.5e-9, "J", QUOTED, "published", f"per time step at {_LOW}"),
    "E_step_learning_max": Quantity(178e-9, "J", QUOTED, "published", f"per time step at {_LOW}"),
    "P_inference": Quantity(20e-6, "W", QUOTED, "published", f"real time, {_LOW}"),
    "P_learning": Quantity(46e-6, "W", QUOTED, "published", f"real time, {_LOW}"),
    "area": Quantity(0.45e-6, "m2", PAPER, "published", "28 nm FDSOI, core"),
    "cycles_tick": Quantity(3, "cycles", TRACES, "measured", "from the pin TIME_TICK to the step"),
    "cycles_event": Quantity(7, "cycles", TRACES, "measured", "four-phase handshake of one event"),
}

SPEC = ChipSpec(
    name="reckon",
    summary="(256)-r256-16: 256 inputs, 256 recurrent LIF, 16 leaky outputs, e-prop (28 nm)",
    neurons=NEURONS,
    rows=0,
    synapses=NEURONS * (INPUTS + NEURONS + OUTPUTS),
    weights=IntFormat(8, -128, 127),
    membrane=IntFormat(16, -32768, 32767),
    threshold=IntFormat(16, 1, 32767),
    leak=IntFormat(16, 0x7000, 0x8000),
    sign="synapse",
    node_types=("LIF", "IF", "LI", "I"),
    memories=(
        Memory("neuron", 128, 128, "two neurons per word, parameters and state"),
        Memory("input_weight", 4096, 128, "word 16 pre + post // 16, byte post % 16"),
        Memory("recurrent_weight", 4096, 128, "word 16 pre + post // 16, byte post % 16"),
        Memory("output_weight", 512, 128, "word pre, byte output; the upper half is not used"),
    ),
    registers=REGISTERS,
    fields={"neuron": NEURON_FIELDS},
    spi_bits=32,
    quantities=_QUANTITIES,
    sources=(RTL, TRACES, PAPER, QUOTED, TALK),
    notes=(
        "Two neurons of a word share their leak factor and their threshold.",
        "Outputs are leaky integrators without spikes; they share one leak factor.",
        "A spike acts in the next time step, also between the layers of a feed-forward network.",
        "An odd neuron out (an odd count) is never stepped: it neither leaks nor fires.",
    ),
)
