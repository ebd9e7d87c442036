"""What the abstract about SPOON leaves open, and what is assumed instead: each a named option.

Nothing here is known of the chip. Whoever has better knowledge gives other values; sizes of
memories, formats and figures follow from them.
"""

from __future__ import annotations

from dataclasses import dataclass

from nm_backends.assumptions import check_values, choice

__all__ = ["Assumptions"]

_ABSTRACT = "not in the abstract, and no other text was at hand"
_RECALLED = "recalled from the literature, unconfirmed"
_CHOSEN = "a proposal of ours"


@dataclass(frozen=True)
class Assumptions:
    """All choices; `nm_backends.assumptions.describe` prints what each one means.

    Raises
    ------
    UserError
        A value that the simulator cannot take, or that contradicts another one.
    """

    pixels: int = choice(
        784, "size of the input", "so many addresses, 28 x 28 of one polarity (1..65536)", _ABSTRACT
    )
    kernels: int = choice(10, "number of kernels", "at most so many (1..256)", _RECALLED)
    kernel_taps: int = choice(
        25, "size of a kernel", "at most so many weights, 5 x 5 of one channel (1..1024)", _RECALLED
    )
    features: int = choice(
        360,
        "values that the hidden layer hears",
        "10 maps of 6 x 6: kernels move by 2, then 2 x 2 pooling (1..65536)",
        "what fits half of the published area at ODIN's published area per bit",
    )
    hidden: int = choice(128, "hidden neurons", "at most so many (1..4096)", _RECALLED)
    outputs: int = choice(10, "output neurons", "at most so many (1..256)", _RECALLED)
    weight_bits: int = choice(8, "width of weights", "signed, all layers (2..8)", _RECALLED)
    conv_bits: int = choice(
        20, "accumulators of the convolution", "signed, saturating at each event (10..24)", _CHOSEN
    )
    dense_bits: int = choice(
        24, "accumulators of the dense layers", "signed, saturating at each product", _CHOSEN
    )
    time_code: str = choice(
        "255 ticks, first event",
        "the code of inputs",
        "the first event of a pixel counts, at most one per sample; in tick t it is worth 255 - t",
        "the abstract says compatible with spike-based retinas; time to first spike is recalled",
    )
    event_order: str = choice(
        "time, then address",
        "order of events, which matters where accumulators saturate",
        "as they arrive; those of one tick by ascending address",
        _ABSTRACT,
    )
    pooling: str = choice(
        "2 x 2, maximum or mean",
        "pooling",
        "register POOL_MODE: 0 none, 1 maximum, 2 sum of four shifted right by 2; a last odd row "
        "or column is left out",
        _ABSTRACT,
    )
    conv_activation: str = choice(
        "0..255",
        "non-linearity of the convolution",
        "accumulator shifted right by CONV_SHIFT (towards minus infinity), cut to 0..255",
        _CHOSEN,
    )
    hidden_activation: str = choice(
        "clipped linear",
        "non-linearity of hidden neurons",
        "shifted right, then cut to 0..255 (HIDDEN_SIGNED 0) or -128..127 (1, a hard tanh); its "
        "slope is 1 within and 0 beyond",
        "cheap slope for DRTP, " + _CHOSEN,
    )
    output_activation: str = choice(
        "hard sigmoid",
        "non-linearity of outputs",
        "shifted right, plus OUTPUT_MID, cut to 0..255; the largest decides, the lowest of equals",
        "sigmoid outputs in the authors' code for DRTP; hard: " + _CHOSEN,
    )
    learning_layers: str = choice(
        "hidden and output",
        "which layers learn on chip",
        "both dense layers; kernels are loaded and frozen, and so are biases",
        _RECALLED + "; trained kernels bring DRTP nothing (the authors' table)",
    )
    feedback: str = choice(
        "signs",
        "random feedback of DRTP",
        "one bit per class and hidden neuron (1: +1, 0: -1), the rate gives the power of two",
        _CHOSEN,
    )
    error: str = choice(
        "8 bits",
        "error of the outputs",
        "(target - output) shifted right by 1, target 255 or 0",
        _CHOSEN,
    )
    update_order: str = choice(
        "layer by layer",
        "when weights change",
        "convolution; hidden layer and at once its update; output layer and its update",
        "no layer waits for another one's error: the point of DRTP (the authors' slides)",
    )
    rounding: str = choice(
        "stochastic",
        "rounding of weight updates",
        "|update| plus a random number below one step, cut; weights saturate",
        "small rates with 8-bit weights, " + _CHOSEN,
    )
    lfsr: str = choice(
        "16 bits, x^16 + x^14 + x^13 + x^11 + 1",
        "random generator",
        "one Fibonacci register, 16 shifts per number; one number per synapse of each input that "
        "is not 0, in order of inputs, then neurons",
        _CHOSEN,
    )
    macs_per_cycle: int = choice(
        10, "how much is computed at once", "so many products per clock cycle (1..4096)", _CHOSEN
    )
    clock_hz: float = choice(
        0.0,
        "clock frequency",
        "0: not published, cycles are counted and no latency is given; else cycles / clock_hz",
        _ABSTRACT,
    )
    energy_of_learning: str = choice(
        "added",
        "what 16.8 % of power for learning refers to",
        "313 nJ are without learning, which adds 16.8 %",
        "the abstract leaves it open",
    )

    def __post_init__(self) -> None:
        check_values(self, _RANGES)


_RANGES = (
    ("pixels", 1, 65536),
    ("kernels", 1, 256),
    ("kernel_taps", 1, 1024),
    ("features", 1, 65536),
    ("hidden", 1, 4096),
    ("outputs", 1, 256),
    ("weight_bits", 2, 8),
    ("conv_bits", 10, 24),
    ("dense_bits", 10, 24),
    ("macs_per_cycle", 1, 4096),
    ("clock_hz", 0.0, 1e11),
)
