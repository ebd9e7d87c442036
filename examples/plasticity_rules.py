"""Pair-based STDP in floating point and ODIN's SDSP, driven by the same spikes.

Trial ``n`` is neuron ``n`` of one chip with one synapse, from row ``n``: 256 trials at once. The
host forces the spikes of a neuron as a current would: from 10 to 50 ms before a spike (drawn anew
for each) virtual events charge it to 70 % of its threshold, in the spike's millisecond others push
it over and then take away what is left. A time reference comes every 4 ms, so that calcium falls
every 100 ms.

SDSP (Brader, Senn and Fusi, Neural Computation 19, 2007) is ODIN's own, executed bit for bit. STDP
is the window that Bi and Poo measured (J. Neuroscience 18, 1998) in the form of Song, Miller and
Abbott (Nature Neuroscience 3, 2000), with their numbers: all pairs count, A+ = 0.005 of the largest
weight, A- = 1.05 A+, both time constants 20 ms.
"""

import math

import numpy as np

from nm_backends.eventcore.words import extract, insert
from nm_odin.simulator import OdinSimulator
from nm_odin.single_neuron import neuron_image
from nm_odin.spec import NEURON_FIELDS, SPEC
from nm_odin.words import write_word

TRIALS = SPEC.neurons
A_PLUS, A_MINUS, TAU = 0.005, 1.05 * 0.005, 20.0  # of the largest weight; ms
NEURON = {
    "lif_izh_sel": 1, "leak_en": 1, "leak_str": 2, "thr": 200, "ca_en": 1, "thetamem": 50,
    "ca_theta1": 2, "ca_theta2": 4, "ca_theta3": 7, "ca_leak": 25,
}  # fmt: skip
TICK = 4  # ms between time references
PERIOD = TICK * NEURON["ca_leak"]  # ms between pairs: as calcium falls, so that it stays
W_MAX, MAPPED = 7, 8
FIELDS = {field.name: field for field in NEURON_FIELDS}
CHARGE = 20  # events of weight 7 on the way to a spike: to 140 of 200
RISE = (10, 50)  # ms
PUSH = -(-NEURON["thr"] // W_MAX)  # from every membrane enough for one spike, never for two
ROW, LEAK_ALL, EXCITE, INHIBIT = 0x07, 0x7F, 0xE1, 0xF1  # low bytes; virtual ones of weight 7
REGIONS = {  # and the calcium at which each is shown
    "below theta1": 1, "theta1 to theta2": 3, "theta2 to theta3": 5, "from theta3": 7,
}  # fmt: skip
TRACE_BITS = 8
PAIRS = 3  # from weight 3 or 4, so few never reach the ends of the range
INTERVALS = np.arange(-49, 50, 2)
PRE_RATES = (2, 5, 10)  # Hz
POST_RATES = (1, 2, 4, 6, 8, 10, 12, 14, 17, 20, 30, 50, 80, 120)  # Hz
SETTLING, OBSERVED, AFTER = 2000, 1000, 100  # ms; after 5 time constants pairs hardly count


def chip(start, calcium, counted=0):
    """Return a chip whose synapses ``[n, n]`` alone are mapped and hold ``start`` ``[trials]``.

    Neurons begin with ``calcium`` and have ``counted`` time references since it fell.
    """
    image = neuron_image(write_word(**NEURON))
    words = np.tile(image.memories["neuron"][:1], (len(start), 1))
    insert(words, FIELDS["calcium"], calcium)
    insert(words, FIELDS["caleak_cnt"], np.broadcast_to(counted, len(start)))
    image.memories["neuron"][: len(start)] = words
    n = np.arange(len(start))
    image.memories["synapse"][n, n] = MAPPED | start
    image.registers.update(
        SPI_OPEN_LOOP=1, SPI_OUT_AER_MONITOR_EN=0, SPI_AER_SRC_CTRL_nNEUR=0, SPI_BURST_TIMEREF=0
    )
    return image


def charging(post, random):
    """Return when and whom virtual events charge on the way to every spike of ``post``."""
    trial, time = np.nonzero(post.T)
    before = np.diff(time, prepend=0)
    before[np.diff(trial, prepend=-1) != 0] = PERIOD
    rise = np.minimum(random.integers(*RISE, time.size, endpoint=True), before)
    step = -(-rise[:, None] * np.arange(1, CHARGE + 1) // CHARGE)
    when = (time - rise)[:, None] + step
    kept = when >= 0
    return when[kept], np.broadcast_to(trial[:, None], when.shape)[kept]


def events(pre, post, random):
    """Return the input events, and the step (ms) of each, for spikes bool ``[steps, trials]``.

    In a step: the time reference if one is due, spikes of the inputs, charging, forced spikes.
    """
    ticks = np.arange(0, len(pre), TICK)
    charged, whom = charging(post, random)
    forced, who = np.nonzero(post)
    repeated = np.tile([EXCITE] * PUSH + [INHIBIT] * PUSH, forced.size)
    parts = (
        (ticks, np.full(ticks.size, LEAK_ALL)),
        (np.nonzero(pre)[0], np.nonzero(pre)[1] << 8 | ROW),
        (charged, whom << 8 | EXCITE),
        (np.repeat(forced, 2 * PUSH), np.repeat(who, 2 * PUSH) << 8 | repeated),
    )
    when, words = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.argsort(when, kind="stable")
    return words[order].astype(np.uint32), when[order]


def sdsp(pre, post, start, calcium, random, counted=0):
    """Run the spikes on the chip; return the weights at the end, the calcium, the post spikes.

    Parameters
    ----------
    pre, post
        Spikes bool ``[steps, trials]``, in ms.
    start, calcium, counted
        Weights, calcium and its counter at the beginning, ``[trials]``, see `chip`.
    random
        Generator for the charging times.
    """
    words, when = events(pre, post, random)
    simulator = OdinSimulator(chip(start, calcium, counted))
    log = simulator.send(words)
    fired = np.zeros(post.shape, int)
    np.add.at(fired, (when[log.out_event], log.out_addr), 1)
    n = np.arange(len(start))
    image = simulator.image()
    level = extract(image.memories["neuron"][n], FIELDS["calcium"])
    return image.memories["synapse"][n, n] & W_MAX, level, fired


def stdp(pre, post):
    """Return the change of each trial's weight, as a share of the largest: all pairs, by traces.

    A pair in the same millisecond does not count.
    """
    decay, change = math.exp(-1 / TAU), np.zeros(pre.shape[1])
    pre_trace, post_trace = np.zeros_like(change), np.zeros_like(change)
    for pre_now, post_now in zip(pre, post, strict=True):
        pre_trace, post_trace = pre_trace * decay, post_trace * decay
        change += A_PLUS * pre_trace * post_now - A_MINUS * post_trace * pre_now
        pre_trace, post_trace = pre_trace + pre_now, post_trace + post_now
    return change


def stdp_window(interval):
    """Return the change by one pair, post spike ``interval`` ms after the pre spike."""
    after = np.where(interval > 0, A_PLUS, -A_MINUS) * np.exp(-np.abs(interval) / TAU)
    return np.where(interval == 0, 0, after)


def pair_trains(interval, trials=TRIALS):
    """Return pre and post spikes of `PAIRS` pairs, `PERIOD` apart.

    The post spikes come right after the time reference at which calcium falls, and restore it:
    every pre spike sees the level of the beginning.
    """
    pre, post = np.zeros((2, (PAIRS + 1) * PERIOD, trials), bool)
    falls = np.arange(1, PAIRS + 1) * PERIOD - TICK
    post[falls] = pre[falls - interval] = True
    return pre, post


def both(pre, post, start, calcium, random, counted=0):
    """Return the change by either rule of each trial (share of the largest weight), the calcium."""
    weights, level, fired = sdsp(pre, post, start, calcium, random, counted)
    return stdp(pre, fired), (weights.astype(int) - start) / W_MAX, level


def windows(seed, repeats):
    """Return the mean change per pair over the interval of the pairs."""
    start, region = 3 + np.arange(TRIALS) % 2, np.arange(TRIALS) // 2 % len(REGIONS)
    calcium = np.array(list(REGIONS.values()))[region]
    reference, learned = [], []
    for index, interval in enumerate(INTERVALS):
        pre, post = pair_trains(interval)
        runs = [
            both(pre, post, start, calcium, generator(seed, 0, index, repeat))
            for repeat in range(repeats)
        ]
        change = np.mean([run[1] for run in runs], axis=0) / PAIRS
        reference.append(float(runs[0][0][0] / PAIRS))
        learned.append([float(change[region == k].mean()) for k in range(len(REGIONS))])
    return {
        "interval_ms": INTERVALS.tolist(),
        "pairs": repeats * PAIRS * TRIALS // len(REGIONS),
        "stdp": reference,
        "stdp_one_pair": stdp_window(INTERVALS).tolist(),
        "sdsp": dict(zip(REGIONS, np.transpose(learned).tolist(), strict=True)),
    }


def rates(seed, repeats):
    """Return the change by Poisson spikes: the mean and its standard error, and the calcium."""
    curves = []
    for pre_rate in PRE_RATES:
        points = [rate_point(pre_rate, post_rate, seed, repeats) for post_rate in POST_RATES]
        curve = {name: [point[name] for point in points] for name in points[0]}
        curves.append({"pre_hz": pre_rate, **curve})
    calcium = np.mean([curve.pop("calcium") for curve in curves], axis=0)
    return {
        "post_hz": list(POST_RATES),
        "trials": repeats * TRIALS,
        "seconds": OBSERVED / 1000,
        "calcium": dict(zip(REGIONS, calcium.T.tolist(), strict=True)),
        "curves": curves,
    }


def poisson(pre_rate, post_rate, random):
    """Return Poisson spikes: the input's in `OBSERVED`, the neuron's long before and after, too."""
    steps = SETTLING + OBSERVED + AFTER
    rates = np.array([pre_rate, post_rate]).reshape(2, 1, 1)
    pre, post = random.random((2, steps, TRIALS)) < rates / 1000
    pre[:SETTLING] = pre[SETTLING + OBSERVED :] = False
    return pre, post


def rate_point(pre_rate, post_rate, seed, repeats):
    """Return what both rules do at one pair of rates."""
    runs = []
    for repeat in range(repeats):
        random = generator(seed, 1, pre_rate, post_rate, repeat)
        pre, post = poisson(pre_rate, post_rate, random)
        calcium, counted = random.integers(0, [[8], [NEURON["ca_leak"]]], (2, TRIALS))
        runs.append(both(pre, post, random.integers(3, 5, TRIALS), calcium, random, counted))
    reference, learned, calcium = np.concatenate(runs, axis=1)
    pairs = pre_rate * post_rate / 1000 * OBSERVED / 1000  # a millisecond of interval
    return {
        "stdp": float(reference.mean()),
        "stdp_error": float(reference.std() / np.sqrt(reference.size)),
        "stdp_expected": pairs * (A_PLUS - A_MINUS) / math.expm1(1 / TAU),
        "sdsp": float(learned.mean()),
        "sdsp_error": float(learned.std() / np.sqrt(learned.size)),
        "calcium": shares(calcium),
    }


def shares(calcium):
    """Return the share of trials whose calcium is in each of the `REGIONS`."""
    thetas = [NEURON[f"ca_theta{k}"] for k in (1, 2, 3)]
    return np.bincount(np.searchsorted(thetas, calcium, side="right"), minlength=4) / len(calcium)


def generator(*numbers):
    """Return the random generator of one run."""
    return np.random.default_rng([int(number) for number in numbers])


def memory():
    """Return what each rule needs: rows of (what, STDP, SDSP), numbers as integers.

    SDSP's bits are the fields of ODIN's neuron word and its two flags; the membrane is there for
    the neuron anyway, the mapping bit says whether a synapse may learn. STDP is counted as the
    traces of all pairs allow at best: one for a neuron's spikes as a sender, one as a receiver, 8
    bits each as `TRACE_BITS` says, and a weight whose steps are no larger than A+. A crossbar word
    holds 8 synapses of one row (ODIN documentation), so that a column lies in 256 words.
    """
    neurons, synapses = SPEC.neurons, SPEC.synapses
    state = bits("calcium", "caleak_cnt") + 2
    parameters = bits("ca_en", "thetamem", "ca_theta1", "ca_theta2", "ca_theta3", "ca_leak")
    weight = math.ceil(math.log2(1 / A_PLUS))
    traces, row = 2 * TRACE_BITS, neurons * 4 // SPEC.memories[1].width
    wanted = synapses * (weight + 1) + neurons * traces
    used = synapses * 4 + neurons * (state + parameters)
    return [
        ("weight, bits per synapse", weight, 3),
        ("may it learn? (mapping bit), bits per synapse", 1, 1),
        ("state of the rule, bits per neuron", traces, state),
        ("parameters of the rule, bits per neuron", 0, parameters),
        ("all of that, bits for the whole crossbar", wanted, used),
        ("if each synapse kept its own traces", wanted + (synapses - neurons) * traces, None),
        ("a pre spike reads and writes, words of memory", row, row),
        ("a post spike reads and writes, words of memory", neurons, 0),
    ]


def bits(*names):
    """Return the bits of these fields of a LIF word."""
    return sum(field.width for field in NEURON_FIELDS if field.name in names)
