"""How fast ReckOn's simulator is: ticks per second, and ratios within one run.

``extra_info`` of each benchmark holds ``ticks/s`` (from the best round). Sizes, rates and registers
are those of the published cue-accumulation task (40-100-2, 2250 ticks, targets in the last 150), or
all of the chip is used at once. Only ratios are asserted: machines differ.
"""

import time

import numpy as np
import pytest
from reckon_chips import chip

from nm_reckon.packing import pack
from nm_reckon.sample import Sample
from nm_reckon.simulator import ReckonSimulator, run_batch, train

CUE = {
    "SINGLE_LABEL": 1, "FP_LOC_TINP": 3, "FP_LOC_TREC": 4, "FP_LOC_TOUT": 6,
    "LEARN_SIG_SCALE": 5, "H_4": 1, "THR_H_0": 205, "THR_H_1": 205, "THR_H_2": 205,
    "THR_H_3": 205, "LR_P_WINP": 8, "LR_P_WREC": 8, "LR_P_WOUT": 14, "REGUL_MODE": 2, "REGUL_W": 3,
    "REGUL_F0": 160, "REGUL_K_INP_P": 10, "REGUL_K_REC_P": 10,
    "ALPHA_CONF": np.zeros(128, np.uint8),
}  # fmt: skip


def cue_chip(**registers):
    start = chip(40, 100, 2, **CUE | {"DO_EPROP": 7} | registers)
    recurrent = start.memories["recurrent_weight"].view(np.int8)
    recurrent[:] = recurrent // 4
    return start


def full_chip(**registers):
    return chip(256, 256, 16, **CUE | {"DO_EPROP": 7} | registers)


def samples(count, ticks=2250, inputs=40, rate=0.25 / 40, learned=150):
    """About 560 events per sample of 2250 ticks, as in the task."""
    rng = np.random.default_rng(0)
    late = (np.arange(ticks) >= ticks - learned).astype(np.uint8)
    found = []
    for n in range(count):
        when, where = np.nonzero(rng.random((ticks, inputs)) < rate)
        found.append(Sample(ticks, when, where, late, late, n % 2, max(ticks - learned, 1)))
    return pack(found)


def report(benchmark, ticks, logs):
    benchmark.extra_info["ticks/s"] = round(ticks / benchmark.stats.stats.min)
    benchmark.extra_info["spikes per tick"] = round(sum(x.spikes_fired for x in logs) / ticks, 2)
    print(f"\n{benchmark.name}: {benchmark.extra_info}")


CASES = {
    "cue accumulation, training": (cue_chip, {}, {"count": 20}),
    "cue accumulation, inference": (cue_chip, {"DO_EPROP": 0}, {"count": 100}),
    "cue accumulation, traces forced": (
        cue_chip,
        {"DO_EPROP": 0, "FORCE_TRACES": 1},
        {"count": 50},
    ),
    "all of the chip, learning at every tick": (
        full_chip,
        {},
        {"count": 1, "ticks": 400, "inputs": 256, "rate": 0.02, "learned": 400},
    ),
    "all of the chip, inference": (
        full_chip,
        {"DO_EPROP": 0},
        {"count": 4, "inputs": 256, "rate": 0.02},
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_on_one_core(benchmark, case):
    build, registers, options = CASES[case]
    simulator, packed = ReckonSimulator(build(**registers)), samples(**options)
    logs = benchmark(train, simulator, packed)
    assert sum(log.updates > 0 for log in logs) == (0 if "DO_EPROP" in registers else len(logs))
    report(benchmark, packed.ticks.size, logs)


def test_many_samples_on_all_cores(benchmark):
    packed = samples(200)
    report(benchmark, packed.ticks.size, benchmark(run_batch, cue_chip(DO_EPROP=0), packed))


def best_of(function, rounds=5):
    times = []
    for _ in range(rounds):
        begin = time.process_time()
        function()
        times.append(time.process_time() - begin)
    return min(times)


def test_learning_costs_less_than_the_ticks_that_learn_suggest():
    """150 of 2250 ticks update 14,000 weights each; without them, training is mostly free."""
    packed = samples(10)
    inference = best_of(lambda: train(ReckonSimulator(cue_chip(DO_EPROP=0)), packed))
    training = best_of(lambda: train(ReckonSimulator(cue_chip()), packed))
    assert training < 40 * inference


def test_short_samples_cost_little_more_than_long_ones():
    """A batch starts each sample from a fresh copy of the chip's memories."""
    start = cue_chip(DO_EPROP=0)
    long, short = samples(4), samples(90, ticks=100, learned=50)
    assert long.ticks.size == short.ticks.size
    one = best_of(lambda: run_batch(start, long, threads=1))
    many = best_of(lambda: run_batch(start, short, threads=1))
    assert many < 5 * one
