"""The twenty behaviours of Izhikevich on ODIN's neuron: each has the feature that defines it.

Every test runs the word on the cycle-accurate engine, and the same word without the parameters that
are said to make the behaviour: the feature must then be gone.
"""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from reference_models.izhikevich import touch

from nm_backends.errors import UserError
from nm_odin.izhikevich import BEHAVIOURS, STEP, behaviour_word
from nm_odin.single_neuron import INTERVAL, neuron_image, record, stimulate
from nm_odin.words import read_word, write_word

sys.path.insert(0, str(Path(__file__).parent.parent / "examples"))
import izhikevich_gallery as example


def respond(name, **fields):
    return record(behaviour_word(name, **fields), BEHAVIOURS[name].current)


def on(recording):
    """Return the interval in which the stimulus begins, and the one after its end."""
    driven = np.flatnonzero(recording.current)
    return driven[0], driven[-1] + 1


def gaps(recording):
    return np.diff(recording.spikes)


def bursts(recording):
    """Return the number of spikes in each group of spikes an interval apart."""
    apart = np.flatnonzero(gaps(recording) > 1.5) + 1
    return [len(part) for part in np.split(recording.spikes, apart)]


def regular(recording, at_least):
    """Single spikes in equal distances from the beginning of the stimulus to its end."""
    begin, end = on(recording)
    spikes, apart = recording.spikes, gaps(recording)
    return (
        len(spikes) >= at_least
        and np.ptp(apart) < 0.1
        and apart[0] > 1.5
        and begin < spikes[0]
        and end - 2 * apart[0] < spikes[-1] < end + 1
    )


def core_at(recording, time):
    """Return the membrane at a time."""
    return recording.core[np.searchsorted(recording.time, time) - 1]


def tonic(recording):
    return regular(recording, 8)


def phasic(recording):
    begin, end = on(recording)
    return len(recording.spikes) == 1 and begin < recording.spikes[0] < begin + 5 < end


def tonic_bursting(recording):
    return len(bursts(recording)) >= 4 and set(bursts(recording)) == {4}


def phasic_bursting(recording):
    begin, end = on(recording)
    return bursts(recording) == [4] and recording.spikes[-1] < begin + 8 < end


def mixed(recording):
    first, *later = bursts(recording)
    return first == 4 and len(later) >= 5 and set(later) == {1}


def adapting(recording):
    apart = gaps(recording)
    return apart[:7].max() >= 3 * apart[0] and (np.diff(apart[:8]) > -0.1).all()


def rate_range(recording):
    """Return the longest and the shortest distance of spikes under a growing input."""
    apart = gaps(recording)
    smooth = np.convolve(apart, np.ones(3) / 3, "valid")
    assert len(apart) > 12
    assert (np.diff(smooth) < 0.7).all(), "the rate grows with the input"
    return apart[0], smooth.min()


def class_1(recording):
    slowest, fastest = rate_range(recording)
    return slowest > 4 * fastest


def class_2(recording):
    slowest, fastest = rate_range(recording)
    begin, end = on(recording)
    return slowest < 1.5 * fastest and recording.spikes[0] > begin + (end - begin) / 5


def latency(recording):
    end = on(recording)[1]
    return len(recording.spikes) == 1 and recording.spikes[0] > end + 5


def oscillating(recording):
    """After the spike the membrane turns through its phases every four time references."""
    phase = recording.reson_sign[recording.time > recording.spikes[0] + 0.1][:20]
    size = [core_at(recording, recording.spikes[0] + 1 + 4 * turn) for turn in range(5)]
    return list(phase[:8]) == [2, 0, 3, 1] * 2 and size == [5, 4, 3, 2, 1]


def pulse_pairs(recording):
    """Return for every pair of pulses whether it made the neuron fire."""
    second = np.flatnonzero(recording.current)[1::2]
    return [bool(((recording.spikes > t) & (recording.spikes < t + 1)).any()) for t in second]


def resonator(recording):
    return pulse_pairs(recording) == [False, True, False] and len(recording.spikes) == 1


def integrator(recording):
    return pulse_pairs(recording) == [True, False] and len(recording.spikes) == 1


def rebound(recording):
    end = on(recording)[1]
    return bursts(recording) == [1] and recording.spikes[0] > end and recording.core.min() <= -3


def rebound_burst(recording):
    return bursts(recording) == [4] and recording.spikes[0] > on(recording)[1]


def variable_threshold(recording):
    """Of two equal pulses only the one after inhibition makes it fire."""
    first, inhibition, second = np.flatnonzero(recording.current)
    assert recording.current[first] == recording.current[second] > 0 > recording.current[inhibition]
    return len(recording.spikes) == 1 and second < recording.spikes[0] < second + 1


def bistable(recording):
    begin, end = on(recording)
    started = begin < recording.spikes[0] < begin + 2
    return started and len(recording.spikes) > 10 and end - 5 < recording.spikes[-1] < end + 1


def after_potential(recording):
    spike = recording.spikes[0]
    raised = [core_at(recording, spike + after) > 0 for after in (0.5, 3, 5)]
    return len(recording.spikes) == 1 and all(raised) and core_at(recording, spike + 7) == 0


def accommodating(recording):
    """A slow ramp does nothing, a steep one to the same input makes it fire."""
    pause = np.flatnonzero((recording.current[1:] == 0) & (recording.current[:-1] > 0))
    slow, steep = pause + 1
    assert recording.current[slow - 1] == recording.current[steep - 1]
    return len(recording.spikes) == 1 and steep - 3 < recording.spikes[0] < steep


def induced_spiking(recording):
    return (recording.current <= 0).all() and regular(recording, 8)


def induced_bursting(recording):
    end = on(recording)[1]
    return set(bursts(recording)) == {4} and recording.spikes[-4] < end + 1


FEATURES = {
    "tonic_spiking": (tonic, {"spk_ref": 3}),
    "phasic_spiking": (phasic, {"phasic_en": 0}),
    "tonic_bursting": (tonic_bursting, {"spk_ref": 0}),
    "phasic_bursting": (phasic_bursting, {"phasic_en": 0}),
    "mixed_mode": (mixed, {"mixed_en": 0}),
    "spike_frequency_adaptation": (adapting, {"thr_sel_of": 0, "thrvar_en": 0}),
    "class_1_excitability": (class_1, {"class2_en": 1, "stim_thr": 3}),
    "class_2_excitability": (class_2, {"class2_en": 0}),
    "spike_latency": (latency, {"spklat_en": 0}),
    "subthreshold_oscillations": (oscillating, {"reson_en": 0}),
    "resonator": (resonator, {"reson_en": 0}),
    "integrator": (integrator, {"leak_en": 0}),
    "rebound_spike": (rebound, {"rebound_en": 0}),
    "rebound_burst": (rebound_burst, {"spk_ref": 0}),
    "threshold_variability": (variable_threshold, {"thrvar_en": 0}),
    "bistability": (bistable, {"bist_en": 0}),
    "depolarising_after_potential": (after_potential, {"dap_en": 0}),
    "accommodation": (accommodating, {"acc_en": 0}),
    "inhibition_induced_spiking": (induced_spiking, {"inhin_en": 0}),
    "inhibition_induced_bursting": (induced_bursting, {"spk_ref": 0}),
}


@pytest.mark.parametrize("name", BEHAVIOURS)
def test_behaviour(name):
    feature, _ = FEATURES[name]
    assert feature(respond(name))


@pytest.mark.parametrize("name", BEHAVIOURS)
def test_behaviour_comes_from_its_parameters(name):
    feature, without = FEATURES[name]
    try:
        shown = feature(respond(name, **without))
    except (IndexError, AssertionError):  # too few spikes, or a rate that does not grow
        shown = False
    assert not shown


# The slow model has no clock: bursts are compared in test_odin_bursts.
WITHOUT_BURSTS = [name for name in BEHAVIOURS if not BEHAVIOURS[name].parameters.get("spk_ref")]


@pytest.mark.parametrize("name", WITHOUT_BURSTS)
def test_behaviour_is_that_of_the_slow_model(name):
    """The membrane at the end of every interval, for words that do not burst."""
    recording = respond(name)
    word = int.from_bytes(behaviour_word(name).tobytes(), "little")
    expected, spikes = [], 0
    for current in recording.current:
        kind, left = ("inh" if current < 0 else "exc"), abs(int(current))
        touches = [(kind, 7)] * (left // 7) + [(kind, left % 7)] * (left % 7 > 0)
        for event, weight in [*touches, ("tref", 0)]:
            word, _, fired = touch(word, event, weight)
            if fired:
                spikes += 1
                word, _, fired = touch(word, "exc", 0)  # the row of the neuron passes itself
                assert not fired
        expected.append((word >> 82 & 15 ^ 8) - 8)
    times = np.arange(1, len(recording.current) + 1)
    assert [core_at(recording, time) for time in times] == expected
    assert len(recording.spikes) == spikes


def test_all_twenty_letters():
    assert [entry.letter for entry in BEHAVIOURS.values()] == list("ABCDEFGHIJKLMNOPQRST")
    assert FEATURES.keys() == BEHAVIOURS.keys()


@pytest.mark.parametrize("neuron", [0, 77, 255])
def test_every_neuron_of_the_chip_does_the_same(neuron):
    name = "tonic_bursting"
    here = record(behaviour_word(name), BEHAVIOURS[name].current, neuron=neuron)
    assert np.array_equal(here.core, respond(name).core)
    assert np.allclose(here.spikes, respond(name).spikes, atol=512 / INTERVAL)


def test_word_has_the_fields_of_the_behaviour_and_those_given():
    fields = read_word(behaviour_word("tonic_spiking", thr=6, core=-3))
    wanted = {**BEHAVIOURS["tonic_spiking"].parameters, "thr": 6, "core": -3}
    assert {name: value for name, value in fields.items() if value} == wanted


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: behaviour_word("tonic"), "tonic_spiking"),
        (lambda: behaviour_word("tonic_spiking", thr=9), "0..7"),
        (lambda: behaviour_word("tonic_spiking", threshold=3), "threshold"),
        (lambda: record(np.zeros(15, np.uint8), [1]), "uint8"),
        (lambda: record(behaviour_word("resonator"), np.array([0.5])), "float64"),
        (lambda: record(behaviour_word("resonator"), np.array([1000])), "1000"),
        (lambda: neuron_image(behaviour_word("resonator"), 256), "256"),
    ],
)
def test_refusals(call, said):
    with pytest.raises(UserError) as error:
        call()
    assert said in f"{error.value} {error.value.hint}"


def test_stimulus_is_split_into_virtual_events():
    events, cycles = stimulate(np.array([0, 2 * STEP, -3]), neuron=5)
    kinds = ["tref" if event & 0xFF == 0xFF else event >> 4 & 1 for event in events.tolist()]
    weights = [event >> 5 & 7 for event in events.tolist() if event & 0xFF != 0xFF]
    assert kinds == ["tref", 0, 0, 0, "tref", 1, "tref"]
    assert weights == [7, 7, 2, 3]
    assert (events >> 8 == 5).all()
    assert (np.diff(cycles) > 0).all()


def test_lif_neurons_can_be_recorded_too():
    word = write_word(lif_izh_sel=1, thr=10, leak_en=1, leak_str=1)
    recording = record(word, np.full(20, 6))
    assert len(recording.spikes) == 10
    assert recording.core.max() < 10


def test_example_prints_words_and_draws(tmp_path, capsys):
    picture = tmp_path / "gallery.png"
    example.main(["--behaviour", "resonator", "--behaviour", "integrator", "--json",
                  "--out", str(picture)])  # fmt: skip
    printed = json.loads(capsys.readouterr().out)
    assert list(printed) == ["resonator", "integrator"]
    assert bytes(printed["resonator"]["word"]) == behaviour_word("resonator").tobytes()
    assert picture.read_bytes()[:4] == b"\x89PNG"
    example.main([])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 21
    with pytest.raises(SystemExit):
        example.main(["--behaviour", "chattering"])
