"""Recorded models of snnTorch, Norse and SpikingJelly on ReckOn: what fits, what not and why."""

import numpy as np
import pytest
from test_lowering_golden import MODELS, RECORDED, said_by

from nm_backends.agreement import agreement
from nm_backends.compiler import check, compile_model
from nm_backends.lowering import lower

# File to ticks per step, and the least agreement of the last layer with the framework's spikes.
FITS = {
    "snntorch_leaky_zero_delay": (2, 0.95),
    "snntorch_leaky_zero_nodelay": (2, 0.95),
    "snntorch_leaky_vectors_zero": (6, 0.9),
    "snntorch_if_beta1_zero_grid": (1, 1.0),
    "snntorch_leaky_zero_grid": (1, 0.99),
    "snntorch_rleaky_zero_nodelay": (2, 0.7),  # a recurrent layer that a single spike upsets
    "snntorch_rleaky_one_to_one_zero_nodelay": (2, 0.9),
    "snntorch_graded_factor2_zero": (2, 0.9),
    "norse_lifbox_zero": (2, 0.95),
    "norse_lifbox_vreset": (2, 0.95),
    "norse_lifbox_vleak": (2, 0.95),
    "norse_iaf_grid": (1, 1.0),
    "norse_conv_lifbox": (1, 0.95),
    "spikingjelly_lif_decay_input": (3, 0.95),
    "spikingjelly_lif_vreset": (3, 0.95),
    "spikingjelly_if_grid": (1, 1.0),
}
LEAK = "RECKON010"
REFUSED = {
    "snntorch_leaky_subtract_delay": {LEAK},  # decay 0.8 and a reset by subtraction
    "snntorch_leaky_subtract_nodelay": {LEAK},
    "snntorch_rleaky_subtract_delay": {LEAK},
    "snntorch_rleaky_zero_delay": {LEAK},  # drops the input after a spike: no reset to zero alone
    "norse_lifbox_subtract": {LEAK},
    "snntorch_synaptic_zero_delay": {LEAK},
    "snntorch_synaptic_subtract_delay": {LEAK},
    "snntorch_synaptic_subtract_nodelay": {LEAK},
    "snntorch_rsynaptic_subtract_delay": {LEAK},
    "snntorch_rsynaptic_zero_delay": {LEAK},
    "snntorch_conv_avgpool_zero": {"RECKON002"},  # 266 neurons
    "norse_lifbox_zero_defaultdt": {"NMB015"},
}
# Synaptic currents become one time constant, fitted.
FITTED = ("norse_lifcell", "snntorch_synaptic_zero_nodelay")
BY_NAME = {model["file"].removesuffix(".nir"): model for model in MODELS}


def test_every_recorded_model_is_here():
    assert sorted([*FITS, *FITTED, *REFUSED]) == sorted(BY_NAME)


@pytest.mark.parametrize("name", REFUSED)
def test_refused_with_the_reason(name):
    model = BY_NAME[name]
    report = check(RECORDED / model["file"], "reckon", said_by(model))
    assert {d.code for d in report.errors} == REFUSED[name]


@pytest.mark.parametrize("name", FITTED)
def test_synaptic_currents_are_fitted_and_that_is_told(name):
    model = BY_NAME[name]
    report = check(RECORDED / model["file"], "reckon", said_by(model))
    assert report.ok
    assert "NMB180" in report.codes


@pytest.mark.parametrize("name", FITS)
def test_runs_as_recorded(name):
    model, (ticks, least) = BY_NAME[name], FITS[name]
    network = lower(RECORDED / model["file"], said_by(model))
    with np.load(RECORDED / f"{name}.npz") as recorded:
        x, wanted = recorded["x"], {n: recorded[f"spikes__{n}"] for n in model["layers"]}
    spikes = x.reshape(len(x), 1, -1)
    program = compile_model(network, "reckon", calibrate=spikes)
    assert program.metadata["ticks_per_step"] == ticks
    result = program.run(spikes)
    shown = network.output.name
    fired = result.layers[shown].reshape(len(x), -1)
    assert agreement(fired[:, None], wanted[shown].reshape(len(x), 1, -1)) >= least
