"""The update in floating point is the mean of what the chip does, to within chance."""

import numpy as np
import pytest

from nm_backends.eventcore.words import extract, insert
from nm_backends.image import Image
from nm_reckon.eprop_registers import describe
from nm_reckon.eprop_setup import EpropSetup, PseudoDerivative, Regularisation
from nm_reckon.learning_options import seed_registers
from nm_reckon.propose import propose
from nm_reckon.sample import Sample
from nm_reckon.simulator import ReckonSimulator
from nm_reckon.spec import NEURON_FIELDS, REGISTERS

SIZE, OUTPUTS, DRAWS = 128, 4, 40
FIELD = {field.name: field for field in NEURON_FIELDS}
FAST = (2e-2, 2e-2, 0.4)  # rates at which a step is likely, but not certain

CASES = {
    "published": EpropSetup(rates=FAST, regularisation=Regularisation("none")),
    "triangle": EpropSetup(
        rates=FAST, regularisation=Regularisation("none"),
        pseudo_derivative=PseudoDerivative("triangle", gamma=0.3),
    ),
    "negative h": EpropSetup(
        rates=FAST, regularisation=Regularisation("none"),
        pseudo_derivative=PseudoDerivative(
            "segments", edges=(-0.2, 0.1, 0.2, 0.3), values=(-1, 0, 0.5, 1, 0)
        ),
    ),
    "additive": EpropSetup(
        rates=FAST, regularisation=Regularisation("additive", target_rate=4.0, strength=0.05)
    ),
    "damped": EpropSetup(rates=FAST, regularisation=Regularisation("damped", target_rate=2.0)),
    "both, recurrent": EpropSetup(
        rates=FAST,
        regularisation=Regularisation("both", ("recurrent",), target_rate=4.0, strength=0.05),
    ),
    "regression": EpropSetup(
        rates=FAST, task="regression", activation=False, regularisation=Regularisation("none")
    ),
    "other ranges": EpropSetup(
        rates=(2e-3, 5e-4, 2e-2), threshold=1.0, scale=700.0, weight_limits=(2.0, 0.5, 4.0),
        signal_limit=30.0, trace_limits=(40.0, 60.0, 30.0), regularisation=Regularisation("none"),
    ),
}  # fmt: skip


def chip(setup, rng):
    """Return an image whose neurons have random membranes and traces, and the set-up realised."""
    proposal = propose(setup)
    registers = {r.name: 0 for r in REGISTERS if r.name != "SPI_ALPHA_CONF"}
    registers |= {**proposal.registers, "SPI_ALPHA_CONF": np.zeros(128, np.uint8)}
    registers |= {"SPI_SEND_LABEL_ONLY": 1}
    registers |= {f"SPI_NUM_{n}_NEUR": SIZE - 1 for n in ("INP", "REC")}
    registers["SPI_NUM_OUT_NEUR"] = OUTPUTS - 1
    neuron = np.zeros((128, 16), np.uint8)
    insert(neuron, FIELD["alpha"], np.full(128, proposal.alpha & 0xFFF))
    insert(neuron, FIELD["thr"], np.full(128, proposal.thr))
    for half in ("even", "odd"):
        highest = proposal.thr - 1
        insert(neuron, FIELD[f"v_{half}"], rng.integers(-highest, highest, 128))
        insert(neuron, FIELD[f"t_inp_{half}"], rng.integers(0, 4096, 128))
        insert(neuron, FIELD[f"t_rec_{half}"], rng.integers(0, 4096, 128))
        insert(neuron, FIELD[f"t_out_{half}"], rng.integers(0, 1024, 128))
    output = np.zeros((512, 16), np.uint8)
    output[:SIZE, :OUTPUTS] = rng.integers(-40, 41, (SIZE, OUTPUTS)).astype(np.int8).view(np.uint8)
    memories = {"neuron": neuron, "output_weight": output}
    memories |= {f"{n}_weight": np.zeros((4096, 16), np.uint8) for n in ("input", "recurrent")}
    return Image(memories, registers), proposal.realised


def learned_once(image, label, targets):
    """Learn in one tick, with many seeds; return the mean changes and the state after the step."""
    target = np.zeros((3, 16), np.int16)
    target[:, :OUTPUTS] = targets
    sample = Sample(
        3, np.zeros(0, int), np.zeros(0, int), target_valid=np.array([0, 1, 0], np.uint8),
        label=label, reg_target=target if image.registers["SPI_REGRESSION"] else None,
    )  # fmt: skip
    total = dict.fromkeys(("input", "recurrent", "output"), 0.0)
    for seed in range(DRAWS):
        image.registers.update(seed_registers(seed))
        simulator = ReckonSimulator(image)
        state = simulator.sample(sample, capture=(1,)).mem_step[0]
        after = simulator.image().memories
        for name in total:
            change = after[f"{name}_weight"].view(np.int8).astype(int)
            total[name] += (change - image.memories[f"{name}_weight"].view(np.int8)) / DRAWS
    return total, state


def both(words, name):
    """Return a field of all neurons, int64 ``[256]``."""
    halves = [extract(words, FIELD[f"{name}_{half}"]) for half in ("even", "odd")]
    return np.stack(halves, axis=1).ravel()


def expected(setup, image, state, label, targets):
    """Return the mean changes that the set-up promises, in units of the weights."""
    registers = image.registers
    stored = image.memories["output_weight"][:SIZE, :OUTPUTS].view(np.int8)
    weights = stored * setup.weight_limits[2] / 128
    if setup.task == "classification":
        error = (np.arange(OUTPUTS) == label) - 0.5
    else:
        error = targets / setup.scale
    trace = {}
    for name, short, each in (("input", "inp", 8), ("recurrent", "rec", 8), ("output", "out", 2)):
        shifted = both(state, f"t_{short}")[:SIZE] >> registers[f"SPI_FP_LOC_T{short.upper()}"]
        trace[name] = shifted / each
    edges, heights = setup.pseudo_derivative.segments(setup.threshold)
    membrane = both(state, "v")[:SIZE] / setup.scale
    h = heights[np.searchsorted(edges, membrane + 1e-9, side="right")]
    found = {}
    for matrix, name in enumerate(("input", "recurrent")):
        change = np.array([[
            setup.mean_change(name, signal, pre, height, post)
            for signal, height, post in zip(weights @ error, h, trace["recurrent"], strict=True)
        ] for pre in trace[name]])  # fmt: skip
        found[name] = change / (setup.weight_limits[matrix] / 128)
    found["output"] = np.array(
        [[setup.mean_change("output", e, pre) for e in error] for pre in trace["output"]]
    ) / (setup.weight_limits[2] / 128)
    return {name: np.clip(value, -1, 1) for name, value in found.items()}


@pytest.mark.parametrize("name", CASES)
def test_the_mean_change_of_the_chip_is_that_of_the_set_up(name):
    rng = np.random.default_rng(3)
    image, setup = chip(CASES[name], rng)
    targets = rng.integers(-900, 900, OUTPUTS)
    means, state = learned_once(image, 1, targets)
    wanted = expected(setup, image, state, 1, targets)
    for matrix, promised in wanted.items():
        size = promised.shape[1]
        shape = (256, 16) if matrix == "output" else (256, 256)
        found = means[matrix].reshape(-1)[: shape[0] * shape[1]].reshape(shape)[:SIZE, :size]
        if matrix == "recurrent":
            wiped = np.eye(SIZE, dtype=bool)
            assert not found[wiped].any()
            promised = np.where(wiped, 0.0, promised)
        assert 0.01 < np.abs(promised).mean() < 0.9
        slope = (found * promised).sum() / (promised**2).sum()
        variance = np.abs(promised) * (1 - np.abs(promised)) / DRAWS
        error = np.sqrt((promised**2 * variance).sum()) / (promised**2).sum()
        # Signals are rounded down to integers, and damping to sixteenths.
        damped = setup.regularisation.mode in ("damped", "both")
        assert abs(slope - 1) < 4 * error + (1 / 32 if damped else 1 / 300), (slope, error)
        missed = ((found - promised) ** 2).mean()
        assert missed < 1.15 * variance.mean() + ((1 / 32) ** 2 if damped else 1e-4), matrix


def test_the_set_up_that_is_realised_is_that_of_the_registers():
    image, setup = chip(CASES["other ranges"], np.random.default_rng(0))
    alpha = 0x7000 | int(extract(image.memories["neuron"][:1], FIELD["alpha"])[0])
    again = describe(image.registers, alpha, round(setup.threshold * 700), 700.0)
    assert again.rates == setup.rates
    assert again.weight_limits == setup.weight_limits
