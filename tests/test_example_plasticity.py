"""``examples/plasticity_windows.py``: STDP by its formula, SDSP by the slow plain model."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from reference_models.odin import OdinReference

from nm_odin.simulator import OdinSimulator

sys.path.insert(0, str(Path(__file__).parent.parent / "examples"))
import plasticity_rules as rules
import plasticity_windows as example


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(rules, "INTERVALS", np.array([-9, 9]))
    monkeypatch.setattr(rules, "PRE_RATES", (10,))
    monkeypatch.setattr(rules, "POST_RATES", (4, 8, 30))


def spikes(*times, steps=200):
    train = np.zeros((steps, 1), bool)
    train[list(times)] = True
    return train


@pytest.mark.parametrize("interval", [-60, -20, -1, 0, 1, 7, 20, 60])
def test_stdp_of_one_pair_is_the_exponential_window(interval):
    change = rules.stdp(spikes(100), spikes(100 + interval))[0]
    assert change == pytest.approx(rules.stdp_window(np.array(interval)), abs=1e-15)
    assert np.sign(change) == np.sign(interval)


def test_the_window_decays_by_e_in_a_time_constant():
    before, after = rules.stdp_window(np.array([[5, 25], [-5, -25]])).T
    assert np.allclose(before / after, np.e)
    assert before[0] == pytest.approx(0.005 * np.exp(-0.25))
    assert before[1] == pytest.approx(-1.05 * before[0])


def test_stdp_counts_all_pairs():
    random = np.random.default_rng(0)
    pre, post = random.random((2, 300, 5)) < 0.05
    for trial, change in enumerate(rules.stdp(pre, post)):
        apart = np.flatnonzero(post[:, trial]) - np.flatnonzero(pre[:, trial])[:, None]
        assert change == pytest.approx(rules.stdp_window(apart).sum(), abs=1e-12)


def poisson(trials, steps, seed=1):
    random = np.random.default_rng(seed)
    pre, post = random.random((2, steps, trials)) < 0.025
    start, calcium, counted = random.integers(0, [[8], [8], [25]], (3, trials))
    return pre, post, start, calcium, counted


def test_sdsp_is_that_of_the_slow_model():
    pre, post, start, calcium, counted = poisson(trials=12, steps=400)
    weights, level, fired = rules.sdsp(pre, post, start, calcium, np.random.default_rng(7), counted)
    words, when = rules.events(pre, post, np.random.default_rng(7))
    image = rules.chip(start, calcium, counted)
    blank = OdinSimulator(image)
    memories = image.memories
    model = OdinReference(
        memories["neuron"], memories["synapse"], image.registers, blank.up, blank.down
    )
    model.run(words, max_cycles=20_000_000)
    assert [row[n] & 7 for n, row in enumerate(model.synapses[:12])] == weights.tolist()
    assert [word >> 78 & 7 for word in model.words[:12]] == level.tolist()
    expected = [(int(when[event]), address) for address, event, _ in model.out]
    assert sorted(expected) == [tuple(place) for place in np.argwhere(fired).tolist()]
    assert set(np.sign(weights.astype(int) - start)) == {-1, 0, 1}


@pytest.mark.parametrize("seed", range(3))
def test_spikes_come_once_and_when_they_are_forced(seed):
    pre, post, *state = poisson(trials=256, steps=300, seed=seed)
    fired = rules.sdsp(pre, post, *state[:2], np.random.default_rng(0), state[2])[2]
    assert np.array_equal(fired, post)


def run_pairs(interval, calcium, trials=32):
    pre, post = rules.pair_trains(interval, trials)
    start = 3 + np.arange(trials) % 2
    held = np.full(trials, calcium)
    weights, level, _ = rules.sdsp(pre, post, start, held, np.random.default_rng(3))
    return weights.astype(int) - start, level


@pytest.mark.parametrize("interval", [-40, -1, 1, 40])
@pytest.mark.parametrize(("calcium", "allowed"), [(1, 0), (2, 1), (3, 1), (4, 2), (6, 2), (7, 0)])
def test_calcium_decides_what_may_change(interval, calcium, allowed):
    change, level = run_pairs(interval, calcium)
    assert (level == calcium - 1).all() or (level == calcium).all()
    charged = interval == 1
    steps = {0: 0, 1: 3 if charged else -3, 2: 3 if charged else 0}[allowed]
    assert (change == steps).all()


def test_weights_grow_only_where_the_membrane_is_at_thetamem():
    interval, trials = 17, 64  # charged enough by then in about half of the trials
    pre, post = rules.pair_trains(interval, trials)
    words, _ = rules.events(pre, post, np.random.default_rng(5))
    calcium = rules.REGIONS["theta1 to theta2"]
    simulator = OdinSimulator(rules.chip(np.full(trials, 3), np.full(trials, calcium)))
    membranes = simulator.send(words, membrane=True).membranes
    expected, seen = np.zeros(trials, int), set()
    for event in np.flatnonzero(words & 0xFF == rules.ROW):
        trial = words[event] >> 8
        high = membranes[event - 1, trial] >= rules.NEURON["thetamem"]
        expected[trial] += 1 if high else -1
        seen.add(bool(high))
    learned = simulator.image().memories["synapse"].diagonal()[:trials] & 7
    assert (learned.astype(int) - 3).tolist() == expected.tolist()
    assert seen == {False, True}


def test_spikes_of_neurons_touch_no_synapse():
    _, post, start, calcium, _ = poisson(trials=256, steps=200)
    silent = np.zeros_like(post)
    words, _ = rules.events(silent, post, np.random.default_rng(0))
    image = rules.chip(start, calcium)
    simulator = OdinSimulator(image)
    simulator.send(words)
    assert np.array_equal(simulator.image().memories["synapse"], image.memories["synapse"])


def test_memory_is_counted_from_the_chip():
    rows = {what: numbers for what, *numbers in rules.memory()}
    assert rows["state of the rule, bits per neuron"] == [16, 3 + 5 + 2]
    assert rows["parameters of the rule, bits per neuron"] == [0, 1 + 8 + 3 * 3 + 5]
    assert rows["all of that, bits for the whole crossbar"][1] == 65536 * 4 + 256 * 33
    assert rows["a post spike reads and writes, words of memory"] == [256, 0]
    assert rows["a pre spike reads and writes, words of memory"] == [32, 32]


def results(capsys, *options):
    example.main(["--json", "--repeats", "1", *options])
    return json.loads(capsys.readouterr().out)


def test_rates_show_both_rules_and_repeat_to_the_bit(small, capsys, tmp_path):
    picture = tmp_path / "windows.png"
    first = results(capsys, "--out", str(picture))
    assert picture.read_bytes()[:4] == b"\x89PNG"
    assert results(capsys) == first
    assert results(capsys, "--seed", "1")["rates"] != first["rates"]
    silent, down, up = first["rates"]["curves"][0]["sdsp"]
    assert -0.1 < silent < 0
    assert down < -0.1 < 0.1 < up
    assert np.allclose(np.sum(list(first["rates"]["calcium"].values()), axis=0), 1)
    for curve in first["rates"]["curves"]:
        apart = np.subtract(curve["stdp"], curve["stdp_expected"])
        assert (np.abs(apart) < 4 * np.array(curve["stdp_error"])).all()
    assert first["window"]["sdsp"]["theta1 to theta2"][0] == pytest.approx(-1 / 7)


def test_tables_name_what_they_show(small, capsys):
    example.main(["--repeats", "1"])
    printed = capsys.readouterr().out
    for words in ("change per pair", "theta2 to theta3", "SDSP 10 Hz", "270,592"):
        assert words in printed


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (["--repeats", "0"], "--repeats 0: expected 1 or more"),
        (["--seed", "-1"], "--seed -1: expected 0 or more"),
        (["--out", "nowhere/at/all.png"], "there is no folder nowhere/at"),
        (["--out", "."], "is a folder"),
    ],
)
def test_a_wrong_command_line_says_what_is_wrong(line, said, capsys):
    with pytest.raises(SystemExit) as stopped:
        example.main(line)
    assert stopped.value.code == 2
    assert said in capsys.readouterr().err
