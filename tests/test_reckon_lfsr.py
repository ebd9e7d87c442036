"""ReckOn's generators: tables against serial registers, and periods against their polynomials."""

import numpy as np
import pytest

from nm_reckon.lfsr import (
    CHUNK_BITS,
    CHUNKS,
    CYCLES,
    DRAWS,
    KINDS,
    PAD,
    cycles,
    draw_table,
    load_seed,
    seed_of,
)
from nm_reckon.sample import GENERATORS
from nm_reckon.spec import REGISTERS, RESET_SEEDS

# bits: the prime factors of the period 2 ** bits - 1
FACTORS = {15: (7, 31, 151), 17: (131_071,), 22: (3, 23, 89, 683), 25: (31, 601, 1801)}


# state bit -> bit of the sequence, from the wiring of each generator
PLACES = {
    512: [0, 1, 2, *range(-22, 0)],
    448: [0, *range(-21, 0)],
    15: [0, *range(-14, 0)],
    7: [0, -14, -7, -13, -6, -12, -5, -11, -4, -10, -3, -9, -2, -8, -1],
    32: [0, 1, 2, *range(-14, 0)],
}
TAPS = {512: (3, 25), 448: (1, 22), 15: (1, 15), 7: (1, 15), 32: (3, 17)}


class Serial:
    """The documented shift register, bit by bit; the state as the chip stores it."""

    def __init__(self, advance, state):
        self.advance, self.places, self.taps = advance, PLACES[advance], TAPS[advance]
        self.bits = {place: state >> j & 1 for j, place in enumerate(self.places)}

    @property
    def state(self):
        return sum(self.bits[place] << j for j, place in enumerate(self.places))

    def draw(self):
        near, far = self.taps
        y = dict(self.bits)
        for n in range(max(y) + 1, self.advance + max(self.places) + 1):
            y[n] = y[n - near] ^ y[n - far]
        self.bits = {place: y[place + self.advance] for place in self.places}
        return [y[k] for k in range(self.advance)]


def number(bits):
    return sum(bit << k for k, bit in enumerate(bits))


def power_of_x(exponent, modulus, degree):
    """``x ** exponent`` modulo a polynomial over GF(2), both as bit masks."""
    result = 1
    for bit in f"{exponent:b}":
        square, shifted = 0, result
        for k in range(degree):
            if result >> k & 1:
                square ^= shifted << k
        result = square << 1 if bit == "1" else square
        for k in range(result.bit_length() - 1, degree - 1, -1):
            if result >> k & 1:
                result ^= modulus << k - degree
    return result


def states_of(kind, count=6):
    rng = np.random.default_rng(kind.b + kind.advance)
    return [1, kind.period, *rng.integers(1, kind.period, count).tolist()]


def test_there_are_thirteen():
    assert len(KINDS) == len(GENERATORS) == 13
    assert sorted((*DRAWS, *CYCLES)) == list(range(13))


@pytest.mark.parametrize("kind", set(KINDS), ids=lambda kind: f"{kind.b}-{kind.advance}")
def test_every_polynomial_is_primitive(kind):
    """So that the sequence of any state but 0 has the period ``2 ** b - 1``."""
    modulus = 1 << kind.b | 1 << kind.b - kind.a | 1
    assert np.prod(FACTORS[kind.b]) == kind.period
    assert power_of_x(kind.period, modulus, kind.b) == 1
    for factor in FACTORS[kind.b]:
        assert power_of_x(kind.period // factor, modulus, kind.b) != 1


@pytest.mark.parametrize("kind", {KINDS[i] for i in CYCLES}, ids=lambda kind: f"{kind.advance}")
def test_cycles_are_the_serial_draws(kind):
    table = cycles(kind)
    for state in states_of(kind):
        serial, place = Serial(kind.advance, state), int(table.place[state])
        for _ in range(PAD):  # that many may be read at once from any place
            assert table.states[place] == serial.state
            assert table.draws[place] == number(serial.draw())
            place += 1


@pytest.mark.parametrize("kind", {KINDS[i] for i in CYCLES}, ids=lambda kind: f"{kind.advance}")
def test_cycles_hold_every_state_once_and_close(kind):
    table = cycles(kind)
    places = table.place.astype(np.int64)
    assert np.array_equal(table.states[places], np.arange(1 << kind.b))
    assert table.length * table.count == kind.period
    for state in states_of(kind):
        end, length = table.span(int(table.place[state]))
        first = end - length
        assert np.array_equal(table.states[end : end + PAD], table.states[first : first + PAD])
        assert np.array_equal(table.draws[end : end + PAD], table.draws[first : first + PAD])
        last = Serial(kind.advance, int(table.states[end - 1]))
        last.draw()
        assert last.state == table.states[first]


def test_output_rounding_has_seven_cycles():
    """Its 7 bits per draw divide the period, so a draw returns after 4681 steps."""
    assert (cycles(KINDS[5]).count, cycles(KINDS[5]).length) == (7, 4681)
    assert (cycles(KINDS[3]).count, cycles(KINDS[3]).length) == (1, 32_767)


@pytest.mark.parametrize("kind", {KINDS[i] for i in CYCLES}, ids=lambda kind: f"{kind.advance}")
def test_the_state_of_all_zeros_stays(kind):
    table = cycles(kind)
    end, length = table.span(int(table.place[0]))
    assert not table.draws[end - length : end + PAD].any()
    assert not table.states[end - length : end + PAD].any()
    assert length >= PAD


def drawn(table, state):
    chunks = [state >> CHUNK_BITS * k & (1 << CHUNK_BITS) - 1 for k in range(CHUNKS)]
    draws = [table.draws[k, chunk] for k, chunk in enumerate(chunks)]
    states = [table.states[k, chunk] for k, chunk in enumerate(chunks)]
    return np.bitwise_xor.reduce(draws), int(np.bitwise_xor.reduce(states))


@pytest.mark.parametrize("kind", {KINDS[i] for i in DRAWS}, ids=lambda kind: f"{kind.advance}")
def test_draw_tables_are_the_serial_draws(kind):
    table, width = draw_table(kind), kind.advance // 16
    for first in states_of(kind):
        serial, state = Serial(kind.advance, first), first
        for _ in range(20):
            numbers, state = drawn(table, state)
            bits = serial.draw()
            assert numbers.tolist() == [
                number(bits[k : k + width]) for k in range(0, 16 * width, width)
            ]
            assert state == serial.state
    assert drawn(table, 0)[1] == 0
    assert not drawn(table, 0)[0].any()


def test_seeds_after_a_reset():
    states = np.zeros(13, np.uint32)
    for name, value in RESET_SEEDS.items():
        load_seed(states, name, value)
    assert [hex(state) for state in states] == [
        "0x1", "0x424242", "0x1", "0x1234", "0x70f0", "0x7aba", "0x1348", "0x7fcf", "0x4321",
        "0x7bea", "0x3ff3", "0x7ef0", "0x1f0f1",
    ]  # fmt: skip
    assert seed_of(states) == RESET_SEEDS


def test_only_seed_registers_load():
    states = np.arange(13, dtype=np.uint32)
    for register in REGISTERS:
        if not register.name.startswith("SPI_SEED"):
            load_seed(states, register.name, 1)
    assert states.tolist() == list(range(13))
