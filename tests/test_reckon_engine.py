"""ReckOn's simulator as a program sees it: state, batches, registers, errors, timing."""

import pickle
import threading

import numpy as np
import pytest
from reckon_chips import chip, learning_chip, sample

from nm_backends.errors import UserError
from nm_reckon.errors import HaltedError, LocalTickError, TargetMissingError
from nm_reckon.packing import pack
from nm_reckon.sample import Sample
from nm_reckon.simulator import ReckonSimulator, run_batch, train

RECORD = ("spikes", "outputs", "lfsr", "cycles")


def same_logs(one, other):
    for name, value in vars(one).items():
        assert np.array_equal(value, getattr(other, name)), name


def same_images(one, other):
    assert one.differences(other) == []


def test_learning_changes_weights_and_generators():
    start = learning_chip()
    simulator = ReckonSimulator(start)
    log = simulator.sample(sample(), RECORD)
    assert log.updates > 0
    assert log.spikes_fired == log.spikes.sum() > 0
    assert np.array_equal(log.busy, log.cycles.sum(0))
    now = simulator.image()
    changed = 0
    for name in ("input_weight", "recurrent_weight", "output_weight"):
        changed += int((now.memories[name] != start.memories[name]).sum())
    assert 0 < changed <= log.updates
    assert (simulator.lfsr[:12] != ReckonSimulator(start).lfsr[:12]).all()


def test_a_sample_leaves_the_given_image_alone():
    start = learning_chip()
    before = start.copy()
    ReckonSimulator(start).sample(sample())
    same_images(start, before)


def test_the_end_of_a_sample_clears_dirty_bits_only():
    simulator = ReckonSimulator(chip(v=300))
    assert simulator.dirty.tolist() == [1] * 256
    simulator.sample(sample(learn=False))
    assert not simulator.dirty.any()
    assert simulator.image().memories["neuron"].any()


def test_programmed_membranes_count_in_the_first_sample_only():
    silent = sample(rate=0, ticks=2, learn=False)
    simulator = ReckonSimulator(chip(v=700))
    assert simulator.sample(silent).spikes_fired == 32  # all of them
    fresh = ReckonSimulator(chip(v=700), dirty=np.zeros(256, np.uint8))
    assert fresh.sample(silent).spikes_fired == 0


def test_state_runs_on_from_sample_to_sample():
    samples = [sample(n) for n in range(4)]
    one, other = ReckonSimulator(learning_chip()), ReckonSimulator(learning_chip())
    singles = [one.sample(s, RECORD) for s in samples]
    for log, single in zip(train(other, samples, RECORD), singles, strict=True):
        same_logs(log, single)
    same_images(one.image(), other.image())
    assert np.array_equal(one.lfsr, other.lfsr)


@pytest.mark.parametrize("cut", [1, 2, 3])
def test_an_image_goes_on_with_the_same_bits(cut):
    samples = [sample(n) for n in range(4)]
    straight = ReckonSimulator(learning_chip(NOISE_EN=1, NOISE_STR=9))
    logs = train(straight, samples, RECORD)
    first = ReckonSimulator(learning_chip(NOISE_EN=1, NOISE_STR=9))
    train(first, samples[:cut])
    second = ReckonSimulator(first.image(), dirty=first.dirty)
    for log, expected in zip(train(second, samples[cut:], RECORD), logs[cut:], strict=True):
        same_logs(log, expected)
    same_images(straight.image(), second.image())


def test_an_image_comes_back_as_it_is():
    start = learning_chip(SEED_INP=77, SEED_STRND_TOUT=0x1234567)
    same_images(ReckonSimulator(start).image(), start)


def test_generators_may_be_given():
    states = np.arange(1, 14, dtype=np.uint32) * 37
    simulator = ReckonSimulator(chip(), lfsr=states)
    assert np.array_equal(simulator.lfsr, states)
    assert simulator.image().registers["SPI_SEED_STRND_NEUR"] == int(states[4]) << 15 | int(
        states[3]
    )


@pytest.mark.parametrize("threads", [1, 2, 3, 16, None])
def test_batches_equal_singles_for_any_number_of_threads(threads):
    start = learning_chip(NOISE_EN=1, NOISE_STR=9)
    samples = [sample(n, ticks=20 + n, rate=0.05 * (n % 4)) for n in range(11)]
    for log, one in zip(run_batch(start, samples, RECORD, threads), samples, strict=True):
        same_logs(log, ReckonSimulator(start).sample(one, RECORD))


def test_samples_packed_once_run_many_times():
    start, samples = learning_chip(), [sample(n) for n in range(3)]
    packed = pack(samples)
    for _ in range(2):
        for log, one in zip(run_batch(start, packed), run_batch(start, samples), strict=True):
            same_logs(log, one)


def test_an_empty_batch_is_empty():
    assert run_batch(chip(), []) == []
    assert train(ReckonSimulator(chip()), []) == []


def test_several_chips_train_in_threads():
    samples, results = [sample(n) for n in range(3)], {}

    def work(seed):
        simulator = ReckonSimulator(learning_chip(SEED_INP=seed))
        train(simulator, samples)
        results[seed] = simulator.image()

    threads = [threading.Thread(target=work, args=(seed,)) for seed in (1, 2, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for seed, image in results.items():
        alone = ReckonSimulator(learning_chip(SEED_INP=seed))
        train(alone, samples)
        same_images(image, alone.image())


def test_what_is_not_recorded_is_empty_and_changes_nothing():
    full = ReckonSimulator(learning_chip()).sample(sample(), RECORD, [0, 5, 39])
    bare = ReckonSimulator(learning_chip()).sample(sample())
    for name in ("spikes", "oneur_step", "oneur_ready", "winner_count", "lfsr", "cycles"):
        assert len(getattr(bare, name)) == 0
        assert len(getattr(full, name)) == 40
    assert full.mem_step.shape == full.mem_ready.shape == (3, 128, 16)
    assert bare.mem_step.shape == (0, 128, 16)
    assert np.array_equal(full.out_data, bare.out_data)
    assert (full.sops, full.updates, full.events) == (bare.sops, bare.updates, bare.events)


def test_memory_after_the_last_tick_is_that_of_the_image():
    simulator = ReckonSimulator(learning_chip())
    log = simulator.sample(sample(), capture=[39])
    assert np.array_equal(log.mem_ready[0], simulator.image().memories["neuron"])


def test_events_of_one_address_merge():
    twice = Sample(4, np.array([0, 0, 0, 1]), np.array([3, 5, 3, 3]))
    assert ReckonSimulator(chip()).sample(twice).events == 3


# --- registers -------------------------------------------------------------------------------


def test_a_register_acts_from_the_next_sample_on():
    simulator = ReckonSimulator(learning_chip())
    simulator.set_register("SPI_DO_EPROP", 0)
    assert simulator.sample(sample()).updates == 0
    simulator.set_register("SPI_DO_EPROP", 7)
    assert simulator.sample(sample()).updates > 0
    assert simulator.image().registers["SPI_DO_EPROP"] == 7


def test_a_seed_register_loads_its_generators_and_no_others():
    simulator = ReckonSimulator(chip())
    simulator.sample(sample(learn=False))
    before = simulator.lfsr
    simulator.set_register("SPI_SEED_STRND_TREC", 5 << 15 | 3)
    expected = before.copy()
    expected[8:10] = 3, 5
    assert np.array_equal(simulator.lfsr, expected)


def test_a_register_vector_is_copied():
    simulator, bits = ReckonSimulator(chip()), np.ones(128, np.uint8)
    simulator.set_register("SPI_ALPHA_CONF", bits)
    bits[:] = 0
    assert np.all(simulator.image().registers["SPI_ALPHA_CONF"] == 1)


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("SPI_KAPA", 1, "register SPI_KAPA: unknown to the chip"),
        ("SPI_KAPPA", 256, "reckon: register SPI_KAPPA: 256 does not fit 8 bits"),
        ("SPI_KAPPA", -1, "reckon: register SPI_KAPPA: -1 does not fit 8 bits"),
        ("SPI_ALPHA_CONF", np.ones(3, np.uint8), "reckon: register SPI_ALPHA_CONF: uint8[3]"),
    ],
)
def test_registers_that_do_not_fit(name, value, text):
    simulator = ReckonSimulator(chip())
    with pytest.raises(UserError) as caught:
        simulator.set_register(name, value)
    assert str(caught.value).startswith(text)
    same_images(simulator.image(), chip())


# --- what cannot run -------------------------------------------------------------------------


def test_an_image_of_another_shape():
    wrong = chip()
    del wrong.memories["output_weight"]
    with pytest.raises(UserError, match=r"^reckon: memory output_weight: missing$"):
        ReckonSimulator(wrong)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"dirty": np.zeros(255)}, "dirty: expected 0 or 1, [256]"),
        ({"dirty": np.full(256, 2)}, "dirty: expected 0 or 1, [256]"),
        ({"lfsr": np.zeros(12, np.uint32)}, "lfsr: uint32[12], expected uint32[13]"),
        ({"lfsr": np.full(13, 1 << 20, np.uint32)}, "lfsr[3]: 1048576 does not fit 15 bits"),
    ],
)
def test_a_start_that_does_not_fit(options, text):
    with pytest.raises(UserError) as caught:
        ReckonSimulator(chip(), **options)
    assert str(caught.value) == text


NONE = np.zeros(0, np.int64)


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        (Sample(1, NONE, NONE), "1 ticks: expected 2 or more (tick 0 does not step)"),
        (Sample(4, [1], [1, 2]), "ev_tick (1,), ev_addr (2,): expected two lists of equal length"),
        (Sample(4, [4], [1]), "ev_tick: 4..4, expected 0..3"),
        (Sample(4, [3], [256]), "ev_addr: 256..256, expected 0..255"),
        (Sample(4, [3, 2], [1, 1]), "ev_tick: expected to ascend"),
        (Sample(4, [0.5], [1]), "ev_tick: float64, expected integers"),
        (Sample(4, NONE, NONE, np.zeros(3)), "target_valid: shape (3,), expected (4,)"),
        (Sample(4, NONE, NONE, label=256), "label 256: expected one byte, or -1 for none"),
        (Sample(4, NONE, NONE, label_tick=4), "label_tick 4: expected -1..3"),
        (Sample(4, NONE, NONE, label_tick=1), "label_tick 1: there is no label to send"),
        (
            Sample(4, NONE, NONE, label_on_request=np.full(4, -1)),
            "label_on_request: -1..-1, expected bytes",
        ),
        (
            Sample(4, NONE, NONE, tick_period=0),
            "tick_period 0: expected 1 clock cycle or more, or None",
        ),
    ],
)
def test_samples_that_cannot_be_driven(wrong, text):
    good = Sample(4, NONE, NONE)
    with pytest.raises(UserError) as caught:
        run_batch(chip(), [good, wrong])
    assert str(caught.value) == f"sample 1: {text}"


def test_unknown_records_and_captures():
    simulator = ReckonSimulator(chip())
    with pytest.raises(UserError, match=r"^record 'spike': cannot be recorded$"):
        simulator.sample(sample(learn=False), ["spike"])
    for capture in ([40], [-1], [3, 3], [4, 2]):
        with pytest.raises(UserError, match=r"^capture: expected ticks 0\.\.39, ascending$"):
            simulator.sample(sample(learn=False), capture=capture)
    with pytest.raises(UserError, match=r"^threads 0: expected 1 or more$"):
        run_batch(chip(), [sample(learn=False)], threads=0)


@pytest.mark.parametrize(
    ("registers", "options", "tick"),
    [
        ({}, {}, 20),
        ({"SINGLE_LABEL": 0}, {}, 20),
        ({"REGUL_MODE": 6}, {}, 1),
        ({"REGRESSION": 1}, {}, 20),
    ],
)
def test_a_chip_that_would_wait_for_a_target(registers, options, tick):
    simulator = ReckonSimulator(learning_chip(**registers))
    before = simulator.image()
    with pytest.raises(TargetMissingError) as caught:
        simulator.sample(sample(label=-1, label_tick=-1, **options))
    error = pickle.loads(pickle.dumps(caught.value))
    assert (error.sample, error.tick, error.regression) == (0, tick, "REGRESSION" in registers)
    what = "target values (SPI_REGRESSION is 1)" if error.regression else "a label"
    text = f"sample 0, tick {tick}: the chip asks for {what} and would wait for ever"
    assert str(error) == text
    assert ("reg_target" if error.regression else "label_on_request") in error.hint
    same_images(simulator.image(), before)


def test_targets_that_are_there_in_time():
    ticks, silent = 40, {"label": -1, "label_tick": -1}
    answers = np.full(ticks, 2, np.uint8)
    learner = ReckonSimulator(learning_chip())
    assert learner.sample(sample(label_on_request=answers, **silent)).updates > 0
    assert learner.sample(sample(label=2, label_tick=-1)).updates > 0  # answers with the label
    regression = ReckonSimulator(learning_chip(REGRESSION=1))
    targets = np.full((ticks, 16), 900, np.int16)
    assert regression.sample(sample(reg_target=targets, **silent)).updates > 0
    low = np.zeros(ticks, np.uint8)
    assert learner.sample(sample(target_valid=low, **silent)).updates == 0  # never asks


def test_the_same_label_by_any_way_is_the_same():
    sent = ReckonSimulator(learning_chip()).sample(sample(label=2, label_tick=5), RECORD)
    asked = ReckonSimulator(learning_chip()).sample(sample(label=2, label_tick=-1), RECORD)
    forgotten = ReckonSimulator(learning_chip()).sample(sample(label=2, label_tick=0), RECORD)
    same_logs(sent, asked)
    same_logs(sent, forgotten)


def test_a_label_in_regression_is_refused():
    targets = np.zeros((40, 16), np.int16)
    with pytest.raises(UserError, match=r"^sample 0: a label is sent \(label_tick\) while "):
        ReckonSimulator(learning_chip(REGRESSION=1)).sample(sample(reg_target=targets))


@pytest.mark.parametrize(("cycles", "why"), [(800, "stands still"), (1, "timing error at once")])
def test_local_ticks_never_start_a_sample(cycles, why):
    simulator = ReckonSimulator(chip(LOCAL_TICK=1, CYCLES_PER_TICK=cycles))
    with pytest.raises(LocalTickError, match=why) as caught:
        simulator.sample(sample(learn=False))
    assert f"SPI_CYCLES_PER_TICK {cycles}" in str(caught.value)
    assert pickle.loads(pickle.dumps(caught.value)).cycles == cycles


# --- time ------------------------------------------------------------------------------------


def test_ticks_that_come_too_early_are_reported():
    """A tick is late by the very cycle in which the chip would have been ready."""
    log = ReckonSimulator(learning_chip()).sample(sample(), ["cycles"])
    busy = log.cycles.sum(1)[:-1]
    assert len(log.timing_errors) == 0
    for period in (int(busy.max()) + 1, int(busy.max()), int(np.median(busy)), 1):
        timed = ReckonSimulator(learning_chip()).sample(sample(tick_period=period), ["cycles"])
        assert np.array_equal(timed.timing_errors, 1 + np.flatnonzero(busy >= period))
        assert timed.halted == -1
        assert np.array_equal(timed.cycles, log.cycles)


def test_a_chip_that_halts_at_a_timing_error():
    log = ReckonSimulator(learning_chip()).sample(sample(), ["cycles"])
    busy = log.cycles.sum(1)
    period, first = int(busy.max()), 1 + int(np.argmax(busy))
    simulator = ReckonSimulator(learning_chip(ERROR_HALT=1))
    samples = [sample(tick_period=period + 1), sample(tick_period=1), sample()]
    logs = train(simulator, samples)
    assert [one.halted for one in logs] == [-1, 1]
    with pytest.raises(HaltedError, match=r"^the chip halted at tick 1, which came while it was"):
        simulator.sample(sample())
    with pytest.raises(HaltedError):
        simulator.image()
    halted = run_batch(learning_chip(ERROR_HALT=1), [sample(tick_period=period)])[0]
    assert (halted.halted, halted.timing_errors.tolist()) == (first, [first])
    assert halted.out_data.size == 0


def test_busy_cycles_follow_the_sizes():
    """STEP, SDONE, EPROP and PROP of the documented state machine; a silent network."""
    start = learning_chip()
    for name in ("input_weight", "recurrent_weight"):
        start.memories[name][:] = 0
    log = ReckonSimulator(start).sample(sample(rate=0), ["cycles"])
    assert log.cycles[0].tolist() == [0, 0, 0, 32]
    assert log.cycles[10].tolist() == [32, 1, 0, 32]
    assert log.cycles[30].tolist() == [32, 1, 2 * (32 + 2 * 32), 32]
    assert log.cycles[39].tolist() == [32, 1, 0, 0]
    simulator = ReckonSimulator(start)
    simulator.set_register("SPI_DO_EPROP", 4)
    log = simulator.sample(sample(rate=0), ["cycles"])
    assert log.cycles[30].tolist() == [32, 1, 2 * 32, 32]
