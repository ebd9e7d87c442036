"""What published texts about MorphIC leave open, and what is assumed instead: each a named option.

Nothing here is known of the chip. Whoever has better knowledge passes other values; everything
else follows from them.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd
from typing import Any, Literal

from nm_backends.assumptions import check_values, choice
from nm_backends.errors import UserError

__all__ = ["Assumptions"]

_TEXTS = "not found in the paper's abstract, nor in texts that quote the paper"
_ODIN = "as on ODIN, which this chip's core is a scaled version of (ODIN documentation)"


def _choice(default: Any, still_open: str, chosen: str, why: str = _TEXTS) -> Any:
    return choice(default, still_open, chosen, why)


@dataclass(frozen=True)
class Assumptions:
    """All choices, see `nm_backends.assumptions.describe` for what each one means.

    Raises
    ------
    UserError
        A value that the simulator cannot take, or that contradicts another one.
    """

    membrane_bits: int = _choice(
        11, "width of the membrane", "signed, saturating, of that many bits (2..15)"
    )
    threshold_bits: int = _choice(
        10, "width of the threshold", "unsigned, of that many bits (1..14); V >= thr fires, V = 0"
    )
    leak_bits: int = _choice(
        7,
        "shape and width of the leak",
        "subtractive toward 0 at each time reference, of that many bits (1..14)",
        _ODIN,
    )
    probability_bits: int = _choice(
        10,
        "resolution of the flip probabilities",
        "p = k / 2^n, this is n (1..16); k stands in P_UP and P_DOWN of each core",
    )
    lfsr_bits: int = _choice(
        17, "length of the random generator", "one Fibonacci register per core (3..20)"
    )
    lfsr_tap: int = _choice(
        14, "its polynomial", "x^bits + x^tap + 1, of maximal length", "17 bits: x^17 + x^14 + 1"
    )
    draws: Literal["every synapse"] = _choice(
        "every synapse",
        "when random numbers are drawn",
        "one per synapse of a plastic row in post order, after n steps each, whether the "
        "conditions of a flip hold or not: the sequence is independent of data",
    )
    flip_rule: Literal["sdsp"] = _choice(
        "sdsp",
        "which synapses may flip",
        "SDSP's conditions with membrane and calcium from before the event: 0 -> 1 with p_up, "
        "1 -> 0 with p_down; the row acts with its weights from before the event",
        "after the idea of Brader, Senn and Fusi; conditions " + _ODIN,
    )
    calcium: Literal["odin"] = _choice(
        "odin",
        "calcium variable",
        "3 bits, +1 per own spike, -1 every ca_leak time references, both together change nothing",
        _ODIN,
    )
    weights: Literal["register"] = _choice(
        "register",
        "what a bit means to the membrane",
        "WEIGHT_MODE of each core: 0 is {-1, +1}; 1 is {0, 1} with the sign of the row",
    )
    row_space: Literal["512 L0, 256 L1, 256 L2"] = _choice(
        "512 L0, 256 L1, 256 L2",
        "what the rows of a core are",
        "row i < 512 is neuron i of the core, 512..767 other cores, 768..1023 other chips",
        "fan-in of 1k is published; its split is unconfirmed",
    )
    row_sharing: Literal["agreeing", "nearest", "never"] = _choice(
        "agreeing",
        "which sources drive one row of a core where its rows are short",
        '"agreeing": those whose binary synapses there are equal, which costs nothing; "nearest": '
        "those that differ least as well, so that some synapses become what most of the sources "
        'of the row want (counted, and measured on calibration spikes); "never"',
        "that several neurons may reach one row follows from the route word as assumed",
    )
    no_connection: Literal["row enable"] = _choice(
        "row enable",
        "how a row stays unused although a bit is never neutral",
        "a bit per row, ROW_ENABLE; an event to a disabled row is dropped before the FIFO and "
        "costs nothing",
    )
    route_word: Literal["mask 3, row 8; dx 4, dy 4, row 8"] = _choice(
        "mask 3, row 8; dx 4, dy 4, row 8",
        "fields of the 27-bit route word",
        "bits 26..24 other cores of the chip, 23..16 their L1 row; 15..12 dx, 11..8 dy (signed), "
        "7..0 L2 row; dx = dy = 0 is no L2 route, mask 0 no L1 route",
        "27 bits per neuron are published, the fields are not",
    )
    l2_delivery: Literal["all cores"] = _choice(
        "all cores",
        "where a packet goes in the target chip",
        "to the same L2 row of all four cores; ROW_ENABLE keeps it out",
    )
    route_order: Literal["xy", "yx"] = _choice(
        "xy", "how packets cross the mesh", '"xy" is along x first, "yx" along y first'
    )
    hop_latency: int = _choice(
        1, "latency of a hop between chips", "that many rounds (see event_order), 0..64"
    )
    congestion: Literal["counted"] = _choice(
        "counted", "what full links do", "queues are unlimited; their greatest occupancy is counted"
    )
    fifo_depth: int = _choice(
        32,
        "depth of a core's event FIFO",
        "that many entries, the one being served included",
        _ODIN,
    )
    event_order: Literal["rounds"] = _choice(
        "rounds",
        "order of events in cores that work at the same time",
        "an input event starts a round; in a round each core serves its FIFO, and what its spikes "
        "cause is served in the next round (each hop adds hop_latency), in the order of the events "
        "that caused them, then chip, core, neuron: one core alone is exactly a FIFO",
    )
    overflow: Literal["drop"] = _choice(
        "drop",
        "what a full FIFO does",
        "the event is lost to that core; places are counted as if all cores served their n-th "
        "event of a round at the same time",
        _ODIN,
    )
    external_input: Literal["any row"] = _choice(
        "any row", "addresses of input events", "{chip, core, row 0..1023}, as if from a route"
    )
    host_interval: int = _choice(
        4,
        "how fast events come in from a host that does not wait until the mesh is idle",
        "that many cycles (1..2^20) after the last one, or when all cores that it addresses have a "
        "place; a time reference when the mesh is idle. Cores then run freely: a sweep begins when "
        "the last one has ended, a spike comes in the cycle that writes its neuron, after hops "
        "hop_latency sweeps each later",
        "a handshake of four phases takes four cycles at least",
    )
    outputs: Literal["free"] = _choice(
        "free", "cost of output and input events", "no cycles: only sweeps take time, 2 per neuron"
    )

    def __post_init__(self) -> None:
        check_values(self, _RANGES, _ALLOWED)
        if not 1 <= self.lfsr_tap < self.lfsr_bits:
            raise UserError(f"assumption lfsr_tap: {self.lfsr_tap}, expected below lfsr_bits")
        if self.probability_bits > self.lfsr_bits:
            raise UserError("assumption probability_bits: more than lfsr_bits")
        if gcd(self.probability_bits, (1 << self.lfsr_bits) - 1) != 1:
            raise UserError(
                f"assumption probability_bits: {self.probability_bits} divides the period of a "
                f"{self.lfsr_bits}-bit register, a core would see a part of the numbers only",
                "take 17 bits, whose period is prime",
            )


_RANGES = (
    ("membrane_bits", 2, 15),
    ("threshold_bits", 1, 14),
    ("leak_bits", 1, 14),
    ("probability_bits", 1, 16),
    ("lfsr_bits", 3, 20),
    ("hop_latency", 0, 64),
    ("fifo_depth", 1, 256),
    ("host_interval", 1, 1 << 20),
)
_ALLOWED = {"route_order": ("xy", "yx"), "row_sharing": ("agreeing", "nearest", "never")}
