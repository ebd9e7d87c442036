"""Rows of one sign or of both: a register of each core, chosen population by population."""

from functools import partial

import numpy as np
from crossbar_networks import bernoulli, inputs, link, network, neurons

import nm_backends as nmb
from nm_backends.crossbar.integers import integers_of
from nm_backends.crossbar.kinds import better_mixed, quantised
from nm_backends.crossbar.layout import Choices
from nm_backends.crossbar.requantise import choices_of
from nm_backends.crossbar.trials import Target, Trials
from nm_backends.crossbar.wiring import wire
from nm_morphic.assumptions import Assumptions
from nm_morphic.mapping import chip_of


def dense_then_sparse():
    """A layer without zeros, which rows of both signs hold, and one that needs zeros."""
    rng = np.random.default_rng(0)
    sparse = np.where(rng.random((30, 5)) < 0.25, rng.choice([-1.0, 1.0], (30, 5)), 0.0)
    populations = [neurons("h", 30, threshold=4.0), neurons("o", 5, threshold=2.0)]
    edges = [link("in", "h", rng.choice([-1.0, 1.0], (40, 30))), link("h", "o", sparse)]
    return network([inputs(40), *populations], edges)


def test_each_population_has_the_kind_of_rows_that_suits_it(tmp_path):
    model = dense_then_sparse()
    program = nmb.compile(model, "morphic")
    assert program.metadata["row_pairs"] == {"h": False, "o": True}
    assert [d.node for d in program.report if d.code == "MORPH022"] == ["h", "o"]
    assert not [d for d in program.report if d.code == "MORPH021"]
    modes = {program.image.registers[f"WEIGHT_MODE_{p // 512}"] for p in program.layout["address"]}
    assert modes == {0, 1}
    program.save(tmp_path / "p.nmb")
    again = nmb.load(tmp_path / "p.nmb")
    assert choices_of(again).split == (False, True)
    spikes = bernoulli(10, 20, 40, 0.3)
    assert np.array_equal(again.run(spikes).spikes, program.run(spikes).spikes)


def test_calibration_tries_kinds_of_rows_population_by_population():
    model, spikes = dense_then_sparse(), bernoulli(10, 20, 40, 0.3)
    wiring = wire(model)
    chip = chip_of(Assumptions(), 1)
    trials = Trials(chip, wiring, Target.of(model, wiring, spikes))
    start = partial(chip.floor.by_range, wiring)
    found = better_mixed(trials, start, "inhibitory_first", lambda split: True)
    scores = {}
    for split in (False, True, found or (False, True), (True, False)):
        made = quantised(start, wiring, split)
        integers = integers_of(wiring, made, chip.spec, trials.target.membranes)
        scores[split] = trials.judged(integers, Choices("inhibitory_first", split)).score
    assert found is None or scores[found] < min(scores[False], scores[True])
    assert found is not None or min(scores, key=scores.get) in (False, True)
