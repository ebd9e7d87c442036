"""ReckOn's random generators: what each draw is, and tables that make draws cheap.

Every generator is a serial shift register, ``y[n] = y[n - a] xor y[n - b]``, that goes on by as
many bits per draw as the draw has (``lfsr/*.v``). Its state is a window of ``b`` bits of that
sequence. Two kinds of tables follow:

* The rounding and noise generators have short periods: all their draws stand in one `Cycles` table,
  in the order in which they come, and a generator is a place in it.
* The generators of weight updates draw 512 or 448 bits at once: bits of the draw and of the next
  state are exclusive ors of bits of the state, kept in a `DrawTable` per 7 bits of state.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from math import gcd

import numpy as np

from nm_backends.lfsr import shift_sequence, windows

__all__ = [
    "CHUNKS", "CHUNK_BITS", "CYCLES", "DRAWS", "KINDS", "PAD", "Cycles", "DrawTable", "Generator",
    "cycles", "draw_table", "load_seed", "seed_of",
]  # fmt: skip

PAD = 128
"""Draws that may be read at once; each cycle of a table is followed by that many of its own."""

CHUNKS, CHUNK_BITS = 4, 7


@dataclass(frozen=True)
class Generator:
    """A shift register.

    Parameters
    ----------
    a, b
        Taps: ``y[n] = y[n - a] xor y[n - b]``; ``b`` is the number of state bits.
    advance
        Bits per draw, of which bit ``k`` is ``y[k]``; the sequence then goes on by as many.
    interleaved
        How the state is stored. State bits ``j < a`` are ``y[j]``, the others ``y[j - b]``; if
        interleaved, bits 1, 3, 5.. are ``y[-14]..y[-8]`` and bits 2, 4, 6.. ``y[-7]..y[-1]``.
    """

    a: int
    b: int
    advance: int
    interleaved: bool = False

    @property
    def places(self) -> np.ndarray:
        """Which bit of the sequence each state bit is, int64 ``[b]``."""
        if self.interleaved:
            half = (self.b - 1) // 2
            old = np.arange(half) - 2 * half
            return np.concatenate([[0], np.column_stack([old, old + half]).ravel()])
        j = np.arange(self.b)
        return np.where(j < self.a, j, j - self.b)

    @property
    def period(self) -> int:
        """Length of the sequence: all polynomials are primitive."""
        return (1 << self.b) - 1


_ROUND_15 = Generator(1, 15, 15)
_ROUND_7 = Generator(1, 15, 7, interleaved=True)
_UPDATE = Generator(3, 25, 512)
_OUTPUT_UPDATE = Generator(1, 22, 448)
_NOISE = Generator(3, 17, 32)

KINDS = (
    _UPDATE, _UPDATE, _OUTPUT_UPDATE, _ROUND_15, _ROUND_15, _ROUND_7, _ROUND_15, _ROUND_15,
    _ROUND_15, _ROUND_15, _ROUND_7, _ROUND_7, _NOISE,
)  # fmt: skip
"""The generators, in the order of `sample.GENERATORS`."""

DRAWS, CYCLES = (0, 1, 2), (3, 4, 5, 6, 7, 8, 9, 10, 11, 12)
"""Which generators draw from a `DrawTable`, and which are places in `Cycles`."""

_SEEDS = (
    ("SPI_SEED_INP", (0,)),
    ("SPI_SEED_REC", (1,)),
    ("SPI_SEED_OUT", (2,)),
    ("SPI_SEED_STRND_NEUR", (3, 4)),
    ("SPI_SEED_STRND_ONEUR", (5,)),
    ("SPI_SEED_STRND_TINP", (6, 7)),
    ("SPI_SEED_STRND_TREC", (8, 9)),
    ("SPI_SEED_STRND_TOUT", (10, 11)),
    ("SPI_SEED_NOISE_NEUR", (12,)),
)


def load_seed(states: np.ndarray, register: str, value: int) -> None:
    """Load the generators of a seed register; no other register changes any."""
    for place, index in enumerate(dict(_SEEDS).get(register, ())):
        bits = KINDS[index].b
        states[index] = value >> bits * place & KINDS[index].period


def seed_of(states: np.ndarray) -> dict[str, int]:
    """Return the seed registers that would load these states (uint32 ``[13]``)."""
    return {
        register: sum(int(states[i]) << KINDS[i].b * place for place, i in enumerate(indices))
        for register, indices in _SEEDS
    }


@dataclass(frozen=True, eq=False)
class Cycles:
    """All draws of a generator, cycle after cycle, the locked state of all zeros last.

    Parameters
    ----------
    draws
        uint16 or uint32; after each cycle its first `PAD` draws follow once more.
    states
        The state that makes each draw, uint32, of the same size.
    place
        Where the draw of each state stands, int32 ``[2 ** b]``.
    length, count
        Draws per cycle, and the number of cycles besides that of state 0, which has `PAD` draws.
    """

    draws: np.ndarray
    states: np.ndarray
    place: np.ndarray
    length: int
    count: int

    def span(self, place: int) -> tuple[int, int]:
        """Return the end (exclusive, without repeats) and the length of the cycle at ``place``."""
        cycle = place // (self.length + PAD)
        if cycle == self.count:
            return cycle * (self.length + PAD) + PAD, PAD
        return cycle * (self.length + PAD) + self.length, self.length


@cache
def cycles(kind: Generator) -> Cycles:
    """Return the table of all draws of a generator."""
    sequence = shift_sequence(kind.a, kind.b)
    count = gcd(kind.advance, kind.period)
    length = kind.period // count
    steps = np.arange(length + PAD) * kind.advance
    starts = (np.arange(count)[:, None] + steps).ravel() % kind.period
    none = np.zeros(2 * PAD, np.uint32)
    states = np.concatenate([windows(sequence, kind.places)[starts], none])
    draws = np.concatenate([windows(sequence, np.arange(kind.advance))[starts], none])
    place = np.zeros(1 << kind.b, np.int32)
    place[states[::-1]] = np.arange(states.size)[::-1]  # the first place of each wins
    return Cycles(
        draws if kind.advance > 16 else draws.astype(np.uint16), states, place, length, count
    )


@dataclass(frozen=True, eq=False)
class DrawTable:
    """Draws and next states of a generator, per `CHUNK_BITS` bits of its state, to be xored.

    Parameters
    ----------
    draws
        uint32 ``[CHUNKS, 128, 16]``: 16 random numbers, one per synapse of a memory word.
    states
        uint32 ``[CHUNKS, 128]``.
    """

    draws: np.ndarray
    states: np.ndarray


@cache
def draw_table(kind: Generator) -> DrawTable:
    """Return the table of a generator whose draw is 16 random numbers."""
    numbers, states = _per_bit(kind)
    draws_of = np.zeros((CHUNKS, 1 << CHUNK_BITS, 16), np.uint32)
    states_of = np.zeros((CHUNKS, 1 << CHUNK_BITS), np.uint32)
    values = np.arange(1 << CHUNK_BITS)
    for bit in range(kind.b):
        chunk, place = divmod(bit, CHUNK_BITS)
        is_set = values >> place & 1 == 1
        draws_of[chunk, is_set] ^= numbers[bit]
        states_of[chunk, is_set] ^= states[bit]
    return DrawTable(draws_of, states_of)


def _per_bit(kind: Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return the draw, uint32 ``[b, 16]``, and the next state, ``[b]``, of each state bit alone."""
    first = kind.a - kind.b  # the oldest bit of the window
    y = np.zeros((kind.b, kind.b + kind.advance), np.uint8)
    y[np.arange(kind.b), kind.places - first] = 1
    for n in range(kind.b, y.shape[1]):
        y[:, n] = y[:, n - kind.a] ^ y[:, n - kind.b]
    draw = y[:, -first : kind.advance - first].reshape(kind.b, 16, -1)
    weights = np.uint32(1) << np.arange(kind.advance // 16, dtype=np.uint32)
    after = y[:, kind.places - first + kind.advance]
    powers = np.uint32(1) << np.arange(kind.b, dtype=np.uint32)
    return (draw * weights).sum(2, dtype=np.uint32), (after * powers).sum(1, dtype=np.uint32)
