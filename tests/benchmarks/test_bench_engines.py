"""How fast the engines are: giga synaptic operations per second, and ratios within one run.

``extra_info`` of each benchmark holds ``GSOP/s`` (256 operations per served spike event, from the
best round) and the outputs per event. Only ratios are asserted: machines differ.
"""

import time

import numpy as np
import pytest

from nm_backends.eventcore.words import insert
from nm_backends.image import Image
from nm_odin import simulator as odin
from nm_odin.spec import IZH_FIELDS, NEURON_FIELDS, REGISTERS
from nm_odin.words import izhikevich_word
from nm_tinyodin import simulator as tinyodin
from nm_tinyodin.spec import NEURON_FIELDS as TINY_FIELDS

EVENTS = 100_000


def _words(fields, size, **values):
    words = np.zeros((256, size), np.uint8)
    for field in fields:
        insert(words, field, np.full(256, values.get(field.name, 0)))
    return words


def odin_image(threshold, learning=False, open_loop=1, inhibitory=0.5):
    rng = np.random.default_rng(1)
    words = _words(
        NEURON_FIELDS, 16, lif_izh_sel=1, leak_en=1, leak_str=5, thr=threshold,
        ca_en=int(learning), thetamem=80, ca_theta1=1, ca_theta2=4, ca_theta3=7, ca_leak=3,
    )  # fmt: skip
    registers = {register.name: 0 for register in REGISTERS}
    registers["SPI_SYN_SIGN"] = (rng.random(256) < inhibitory).astype(np.uint8)
    registers["SPI_OPEN_LOOP"] = open_loop
    synapses = rng.integers(0, 8, (256, 256), np.uint8) | 8
    return Image({"neuron": words, "synapse": synapses}, registers)


def izhikevich_image(share=1.0, **fields):
    """A share of Izhikevich neurons, by default tonic spiking, among LIF neurons."""
    start = odin_image(255)
    words = start.memories["neuron"]
    chosen = np.random.default_rng(3).random(256) < share
    fields = {"thr": 4, "fi_sel": 2, "leak_en": 1, "leak_str": 3, "rfr": 2, "neg_en": 1} | fields
    values = {name: np.full(256, value) for name, value in fields.items()}
    words[chosen] = izhikevich_word(np.zeros((256, 16), np.uint8), **values)[chosen]
    return start


def mixed_image(same, seed=18, on=0.5):
    """Izhikevich neurons of random options and parameters: what no guess of a branch gets right.

    Of many such mixtures these are among the slowest: every neuron with options of its own, or all
    with the same ones, and then firing together.
    """
    rng, size = np.random.default_rng(seed), 1 if same else 256
    start, fields = odin_image(255), {}
    for field in IZH_FIELDS[1:]:  # all parameters, no state
        option = field.width == 1
        if field.lsb < 70:
            values = rng.random(size) < on if option else rng.integers(0, 1 << field.width, size)
            fields[field.name] = np.broadcast_to(values, 256).astype(np.int64)
    fields |= {"leak_en": np.ones(256, np.int64), "fi_sel": np.zeros(256, np.int64)}
    start.memories["neuron"] = izhikevich_word(np.zeros((256, 16), np.uint8), **fields)
    return start


def tinyodin_image():
    rng = np.random.default_rng(1)
    registers = {
        "SPI_GATE_ACTIVITY": 0,
        "SPI_OPEN_LOOP": 1,
        "SPI_AER_SRC_CTRL_nNEUR": 0,
        "SPI_MAX_NEUR": 255,
    }
    words = _words(TINY_FIELDS, 4, thr=300, leak_str=5)
    return Image({"neuron": words, "synapse": rng.integers(0, 16, (256, 256), np.uint8)}, registers)


def odin_events(count=EVENTS):
    words = np.random.default_rng(0).integers(0, 256, count, np.uint32) << 8 | 7
    words[::65] = 0x7F
    return words


def tinyodin_events(count=EVENTS):
    words = np.random.default_rng(0).integers(0, 256, count, np.uint32)
    words[::65] = 0x1FF
    return words


CASES = {
    "odin, few outputs": (odin, lambda: odin_image(255), odin_events),
    "odin, recurrent": (odin, lambda: odin_image(255, open_loop=0), odin_events),
    "odin, many outputs": (odin, lambda: odin_image(150, inhibitory=0.4), odin_events),
    "odin, learning": (odin, lambda: odin_image(255, learning=True), odin_events),
    "odin, izhikevich": (odin, izhikevich_image, lambda: odin_events(20_000)),
    "odin, izhikevich, all at once": (
        odin,
        lambda: izhikevich_image(
            fi_sel=0,
            phasic_en=1,
            stim_thr=2,
            thrvar_en=1,
            thr_sel_of=1,
            thrleak=3,
            ca_en=1,
            ca_theta1=1,
            ca_theta2=4,
            ca_theta3=7,
            thetamem=2,
            ca_leak=3,
        ),
        lambda: odin_events(20_000),
    ),
    "odin, izhikevich, own options each": (
        odin,
        lambda: mixed_image(same=False),
        lambda: odin_events(20_000),
    ),
    "odin, izhikevich, same options": (
        odin,
        lambda: mixed_image(same=True),
        lambda: odin_events(20_000),
    ),
    "odin, half izhikevich": (odin, lambda: izhikevich_image(0.5), lambda: odin_events(20_000)),
    "tinyodin": (tinyodin, tinyodin_image, tinyodin_events),
}


def report(benchmark, log):
    rate = log.sops.sum() / benchmark.stats.stats.min / 1e9
    benchmark.extra_info["GSOP/s"] = round(float(rate), 2)
    benchmark.extra_info["outputs per row"] = round(
        256 * float(log.outputs.sum() / log.sops.sum()), 3
    )
    print(f"\n{benchmark.name}: {benchmark.extra_info}")


@pytest.mark.parametrize("case", CASES)
def test_one_sample_on_one_core(benchmark, case):
    chip, image, events = CASES[case]
    start, words = image(), events()
    offsets = np.array([0, words.size])
    log = benchmark(chip.run_batch, start, words, offsets, threads=1)
    assert log.sops[0] >= 256 * 0.98 * words.size
    report(benchmark, log)


def test_many_samples_on_all_cores(benchmark):
    words = odin_events()
    offsets = np.arange(0, words.size + 1, 500)
    report(benchmark, benchmark(odin.run_batch, odin_image(255), words, offsets))


def test_cycle_engine(benchmark):
    simulator, words = odin.OdinSimulator(odin_image(255)), odin_events(20_000)
    log = benchmark(simulator.send_timed, words)
    benchmark.extra_info["GSOP/s"] = round(log.sops / benchmark.stats.stats.min / 1e9, 2)


def best_of(function, rounds=9):
    times = []
    for _ in range(rounds):
        begin = time.perf_counter()
        function()
        times.append(time.perf_counter() - begin)
    return min(times)


def test_one_long_sample_costs_little_more_than_its_rows():
    """The way of an event through decoding, FIFO and outputs stays below that of its row."""
    words = odin_events()
    offsets = np.array([0, words.size])
    start = odin_image(255)
    rows = best_of(lambda: odin.run_batch(start, words, offsets, threads=1))
    single = np.where(words == 0x7F, 0x7F, words & 0xFF00 | 0xE1).astype(np.uint32)
    virtual = best_of(lambda: odin.run_batch(start, single, offsets, threads=1))
    assert virtual < rows


def test_short_samples_cost_little_more_than_one_long_one():
    words = odin_events()
    start = odin_image(255)
    one = best_of(lambda: odin.run_batch(start, words, np.array([0, words.size]), threads=1))
    offsets = np.arange(0, words.size + 1, 200)
    many = best_of(lambda: odin.run_batch(start, words, offsets, threads=1))
    assert many < 2 * one
