"""SPOON in numbers, as far as there are any: what is not published follows from `Assumptions`.

Source: abstract of C. Frenkel, J.-D. Legat, D. Bol, ISCAS 2020, arXiv 2005.06318. Memories,
registers and their addresses are ours: no register map is public.
"""

from __future__ import annotations

from dataclasses import dataclass

from nm_backends.chip import ChipSpec, IntFormat, Memory, Quantity, Register
from nm_spoon.assumptions import Assumptions

__all__ = ["ABSTRACT", "BIAS_BITS", "TICKS", "Limits", "limits_of", "spec_of"]

ABSTRACT = "abstract of Frenkel et al., ISCAS 2020, arXiv 2005.06318"
ASSUMED = "assumed, see nmb chips spoon --assumptions"
TICKS = 255
BIAS_BITS = 24

_REGISTERS = (
    ("INPUT_CHANNELS", 17, "polarities or channels of the input"),
    ("INPUT_HEIGHT", 17, "rows of the input"),
    ("INPUT_WIDTH", 17, "columns of the input"),
    ("CONV_KERNELS", 9, "kernels; 0: no convolution, the hidden layer hears the inputs"),
    ("KERNEL_HEIGHT", 11, "rows of a kernel"),
    ("KERNEL_WIDTH", 11, "columns of a kernel"),
    ("CONV_STRIDE", 8, "pixels by which kernels move"),
    ("CONV_TOP", 11, "first row of a kernel above the input's first"),
    ("CONV_LEFT", 11, "first column of a kernel left of the input's first"),
    ("MAP_HEIGHT", 17, "rows of a map, before pooling"),
    ("MAP_WIDTH", 17, "columns of a map, before pooling"),
    ("CONV_SHIFT", 5, "right shift from accumulators to values"),
    ("POOL_MODE", 2, "0 none, 1 maximum, 2 mean of 2 x 2"),
    ("HIDDEN_NEURONS", 13, "hidden neurons"),
    ("HIDDEN_SHIFT", 5, "right shift from accumulators to values"),
    ("HIDDEN_SIGNED", 1, "0: values 0..255, 1: -128..127"),
    ("OUTPUT_NEURONS", 9, "output neurons"),
    ("OUTPUT_SHIFT", 5, "right shift from accumulators to values"),
    ("OUTPUT_MID", 8, "value of an output whose accumulator is 0"),
    ("LEARN", 2, "bit 0: the hidden layer learns, bit 1: the output layer"),
    ("RATE_HIDDEN", 5, "hidden updates are input x 2^-this"),
    ("RATE_OUTPUT", 5, "output updates are error x input x 2^-this"),
    ("LFSR", 16, "state of the random generator, never 0"),
)

_QUANTITIES = {
    "E_classification": Quantity(
        313e-9, "J", ABSTRACT, "published", "MNIST, 0.6 V; measured or simulated: not said"
    ),
    "learning_overhead": Quantity(0.168, "1", ABSTRACT, "published", "of power, on-chip learning"),
    "area": Quantity(0.32e-6, "m2", ABSTRACT, "published", "28 nm"),
    "learning_area": Quantity(0.118, "1", ABSTRACT, "published", "of area, on-chip learning"),
    "accuracy_off_chip": Quantity(0.975, "1", ABSTRACT, "published", "MNIST, trained off chip"),
    "accuracy_on_chip": Quantity(0.953, "1", ABSTRACT, "published", "MNIST, trained on chip"),
}


def spec_of(assumed: Assumptions) -> ChipSpec:
    """Return the chip under these assumptions."""
    conv, dense = _format(assumed.conv_bits), _format(assumed.dense_bits)
    return ChipSpec(
        name="spoon",
        summary="event-driven convolution, hidden and output layer, DRTP (behavioural model)",
        neurons=assumed.hidden + assumed.outputs,
        rows=0,
        synapses=_synapses(assumed),
        weights=_format(assumed.weight_bits),
        membrane=dense,
        threshold=conv,
        leak=IntFormat(1, 0, 0),
        node_types=("IF", "LIF", "I", "LI", "Threshold"),
        memories=_memories(assumed),
        registers=tuple(Register(n, i, bits, doc) for i, (n, bits, doc) in enumerate(_REGISTERS)),
        quantities={
            **_QUANTITIES,
            "pixels": Quantity(assumed.pixels, "addresses", ASSUMED, "unconfirmed", "of inputs"),
            "macs_per_cycle": Quantity(assumed.macs_per_cycle, "1", ASSUMED, "unconfirmed"),
        },
        sources=(ABSTRACT,),
        notes=(
            "Behavioural: nothing but the abstract was at hand, nothing is bit-exact to silicon.",
            "Values, not spikes, go from layer to layer; each sample is computed once.",
            "No clock frequency and no latency are published.",
        ),
        spi_bits=32,
    )


def _format(bits: int) -> IntFormat:
    return IntFormat(bits, -(1 << bits - 1), (1 << bits - 1) - 1)


def _synapses(a: Assumptions) -> int:
    return a.kernels * a.kernel_taps + a.features * a.hidden + a.hidden * a.outputs


def _memories(a: Assumptions) -> tuple[Memory, ...]:
    return (
        Memory("conv_weight", a.kernel_taps, 8 * a.kernels, "tap (channel, row, column) x kernel"),
        Memory("conv_bias", a.kernels, BIAS_BITS, "first content of the accumulators"),
        Memory("hidden_weight", a.features, 8 * a.hidden, "feature x hidden neuron"),
        Memory("hidden_bias", a.hidden, BIAS_BITS, "first content of the accumulators"),
        Memory("output_weight", a.hidden, 8 * a.outputs, "hidden neuron x output"),
        Memory("output_bias", a.outputs, BIAS_BITS, "first content of the accumulators"),
        Memory("feedback", a.outputs, a.hidden, "DRTP: one sign per class and hidden neuron"),
    )


@dataclass(frozen=True)
class Limits:
    """How much of everything there is; ``pixels`` are input addresses."""

    pixels: int
    kernels: int
    kernel_taps: int
    features: int
    hidden: int
    outputs: int


def limits_of(spec: ChipSpec) -> Limits:
    """Return the limits that the memories of ``spec`` set."""
    memory = {m.name: m for m in spec.memories}
    return Limits(
        pixels=int(spec.quantities["pixels"].value),
        kernels=memory["conv_bias"].words,
        kernel_taps=memory["conv_weight"].words,
        features=memory["hidden_weight"].words,
        hidden=memory["hidden_bias"].words,
        outputs=memory["output_bias"].words,
    )
