"""``program.run(driving=...)``: how the host drives the chip is a choice."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from crossbar_networks import bernoulli, layers, single

import nm_backends as nmb
from nm_backends.cli import cli
from nm_backends.crossbar.events import encode_spikes
from nm_backends.errors import UserError
from nm_backends.eventcore.driven import run_driven
from nm_backends.eventcore.simulator import SETTLED
from nm_odin.simulator import OdinSimulator
from nm_tinyodin.simulator import TinyOdinSimulator

SIMULATORS = {"odin": OdinSimulator, "tinyodin": TinyOdinSimulator}


def compiled(name, **changes):
    return nmb.compile(layers(20, 16, 5, mean=0.4, spread=0.2, **changes), name)


@pytest.mark.parametrize("name", SIMULATORS)
def test_back_to_back_is_what_the_register_level_does(name):
    program, spikes = compiled(name), bernoulli(6, 4, 20, 0.4)
    result = program.run(spikes, driving="back_to_back")
    coded = encode_spikes(program.layout, spikes)
    for sample in range(4):
        words = coded.words[coded.offsets[sample] : coded.offsets[sample + 1]]
        log = SIMULATORS[name](program.image).send_timed(words, driving="back_to_back")
        assert result.counters["cycles"][sample] == log.total_cycles - (SETTLED - 1)
        assert result.counters["dropped"][sample] == log.ev_drops.sum()
        assert result.counters["events_out"][sample] == log.out_addr.size
        for neuron, address in enumerate(program.layout["address"][-5:]):
            due = np.searchsorted(coded.step_end[sample], log.out_event, side="right")
            counts = np.bincount(due[log.out_addr == address], minlength=6)
            assert np.array_equal(result.spikes[:, sample, neuron], counts)


@pytest.mark.parametrize("name", SIMULATORS)
def test_waiting_for_idle_needs_no_clock(name):
    program, spikes = compiled(name), bernoulli(6, 4, 20, 0.4)
    coded = encode_spikes(program.layout, spikes)
    log = run_driven(SIMULATORS[name](program.image), coded.words, coded.offsets, "idle")
    result = program.run(spikes)
    assert np.array_equal(result.counters["events_out"], log.outputs)
    assert np.array_equal(result.counters["sops"], log.sops)
    assert np.array_equal(result.counters["cycles"], log.cycles)


def test_it_is_faster_on_the_chip_and_not_the_same():
    program, spikes = compiled("odin"), bernoulli(8, 6, 20, 0.5)
    idle, busy = program.run(spikes), program.run(spikes, driving="back_to_back")
    assert (busy.counters["cycles"] < idle.counters["cycles"]).all()
    assert "cycle-accurate" in busy.latency.formula
    assert any(not np.array_equal(idle.layers[n], busy.layers[n]) for n in idle.layers)


def test_mistakes_are_named(monkeypatch):
    program, spikes = compiled("odin"), bernoulli(2, 1, 20)
    with pytest.raises(UserError, match="expected idle or back_to_back for odin"):
        program.run(spikes, driving="scheduled")
    with pytest.raises(UserError, match="records nothing besides spikes"):
        program.run(spikes, record=("membrane",), driving="back_to_back")
    monkeypatch.delattr("nm_backends.crossbar.backend.CrossbarBackend.drivings")
    with pytest.raises(UserError, match="expected idle for odin"):
        program.run(spikes, driving="back_to_back")


def test_the_command_takes_it(tmp_path):
    program = nmb.compile(single(np.ones((8, 2)), threshold=3.0), "odin")
    program.save(tmp_path / "p.nmb")
    np.save(tmp_path / "s.npy", bernoulli(5, 3, 8, 0.5))
    arguments = ["run", tmp_path / "p.nmb", "--input", tmp_path / "s.npy", "--json"]
    said = [
        json.loads(CliRunner().invoke(cli, [*map(str, arguments), *more]).stdout)
        for more in ([], ["--driving", "back_to_back"])
    ]
    assert said[1]["cycles_per_sample"] < said[0]["cycles_per_sample"]
