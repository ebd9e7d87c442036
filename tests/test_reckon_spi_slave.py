"""What ReckOn holds after SPI words: addresses, side effects, and streams that make no sense."""

import numpy as np
import pytest

from nm_backends.spi import StreamError
from nm_reckon.spec import REGISTERS
from nm_reckon.spi_slave import ReckonSlave

NEURON, OUTPUT, INPUT_WEIGHT, OUTPUT_WEIGHT = (1 << 28, 2 << 28, 3 << 28, 5 << 28)
READ = 1 << 31


def header(target, address, words=1):
    return target | words << 16 | address


def test_the_address_grows_with_each_word_of_a_memory():
    slave = ReckonSlave()
    slave.accept([header(INPUT_WEIGHT, 4 * 4095 + 2, 2), 0x04030201, 0xFFFEFDFC])
    memory = slave.memories["input_weight"]
    assert memory[4095].tolist() == [0] * 8 + [1, 2, 3, 4, 0xFC, 0xFD, 0xFE, 0xFF]
    assert slave.written["input_weight"].sum() == 2
    assert not slave.dirty.any()
    assert slave.accept([header(READ | INPUT_WEIGHT, 4 * 4095 + 3, 1), 0]) == [0xFFFEFDFC]


def test_a_neuron_word_makes_its_pair_valid():
    slave = ReckonSlave()
    slave.accept([header(NEURON, 4 * 9 + 1), 0xABCD])
    assert np.flatnonzero(slave.dirty).tolist() == [18, 19]


def test_address_bit_9_sets_state_bits_and_writes_all_the_same():
    slave = ReckonSlave()
    slave.accept([header(NEURON, 1 << 9 | 0x47), 0b01])
    assert slave.spiking[0x47] == 1
    assert slave.dirty[0x47] == 0
    assert slave.dirty[[2 * 0x11, 2 * 0x11 + 1]].tolist() == [1, 1]
    assert slave.memories["neuron"][0x11, 12] == 1


def test_outputs_can_be_written_and_read():
    slave = ReckonSlave()
    slave.accept([header(OUTPUT, 3), 0x1FFFE])
    assert slave.output_membranes[3] == -2
    assert slave.read(header(READ | OUTPUT, 3)) == [0xFFFE]


def test_registers_keep_as_many_bits_as_they_have():
    slave = ReckonSlave()
    for part, word in enumerate((1, 0, 0, 1 << 31)):
        slave.accept([header(0, 65 + part), word])
    slave.accept([header(0, 69), 0x1FF])
    assert slave.registers == {"SPI_ALPHA_CONF": 1 | 1 << 127, "SPI_KAPPA": 0xFF}


def test_a_seed_loads_its_generators():
    slave = ReckonSlave()
    reset = slave.lfsr
    slave.accept([header(0, 90), 0x1234 << 15 | 0x0ABC])
    assert slave.lfsr[6:8].tolist() == [0x0ABC, 0x1234]
    assert np.delete(slave.lfsr, [6, 7]).tolist() == np.delete(reset, [6, 7]).tolist()


def test_an_image_needs_every_register():
    slave = ReckonSlave()
    with pytest.raises(StreamError, match=r"SPI_RO_STAGE_SEL \(address 1\) never written"):
        slave.image()
    for register in REGISTERS:
        for part in range(-(-register.width // 32)):
            slave.accept([header(0, register.address + part), 1])
    image = slave.image()
    assert image.registers["SPI_KAPPA"] == 1
    assert np.flatnonzero(image.registers["SPI_ALPHA_CONF"]).tolist() == [0, 32, 64, 96]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([header(0, 69, 3), 1, 2], r"word 0 \(0x00030045\): 2 of 3 data words \(truncated\?\)"),
        ([header(0, 69, 2), 1, 2], "2 data words for one register"),
        ([header(0, 24), 1], "there is no register at address 24"),
        ([header(6 << 28, 0), 1], "target 6 does not exist"),
        ([header(0, 69), 1 << 32], "wider than 32 bits"),
        ([-1], "data words"),
        ([1 << 33], "data words"),
        ([header(READ, 69), 0], "registers cannot be read"),
        ([header(0, 0), 0, header(NEURON, 0), 1], "neuron is not written while SPI_EN_CONF is 0"),
        ([header(0, 0), 0, header(0, 85), 1], "SPI_SEED_INP loads nothing while SPI_EN_CONF is 0"),
    ],
)
def test_nonsense_is_named(words, message):
    with pytest.raises(StreamError, match=message):
        ReckonSlave().accept(words)
