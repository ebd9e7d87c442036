"""Files by many hands: lowered with every repair named, or refused with the reason."""

from pathlib import Path

import numpy as np
import pytest

from nm_backends.discretisation import Discretisation
from nm_backends.lowering import lower, lower_collect
from nm_backends.lowering.reference import run_network

ZOO = Path(__file__).parent / "nir" / "zoo"
NIR = Discretisation(framework="nir", dt=1e-4)
# file (without its checksum): neurons by population, repairs
LOWERED = {
    "paper__01_lif__debug_spike_representation__two_lif_neurons": (
        {"lif1": 1, "lif2": 1},
        {"NMB101"},
    ),
    "paper__01_lif__lif_rockpool": ({"1_LIFNeuronTorch": 1}, {"NMB101", "NMB103"}),
    "paper__02_cnn__scnn_mnist": (
        {"1": 4096, "3": 4096, "6": 512, "10": 256, "12": 10},
        {"NMB101", "NMB103", "NMB104", "NMB110", "NMB111"},
    ),
    "paper__03_rnn__braille": ({"lif1.lif": 38, "lif2": 7}, {"NMB101"}),
    "paper__03_rnn__braille_flattened": (
        {"lif1": 38, "lif2": 7},
        {"NMB101", "NMB102", "NMB128"},
    ),
    "paper__03_rnn__braille_noDelay_bias_zero_subgraph": (
        {"lif1.lif1": 38, "lif2": 7},
        {"NMB101", "NMB105"},
    ),
    "paper__03_rnn__braille_noDelay_noBias_subtract_subgraph": (
        {"lif1.lif1": 40, "lif2": 7},
        {"NMB101", "NMB105"},
    ),
    "paper__03_rnn__braille_v2": (
        {"lif1.lif": 38, "lif2": 7},
        {"NMB101", "NMB103", "NMB105"},
    ),
    "paper__lif_norse": ({"1": 1}, {"NMB101"}),
}


def file(stem):
    return next(ZOO.glob(f"{stem}.*.nir"))


def test_every_file_is_accounted_for():
    stems = {path.name.split(".")[0] for path in ZOO.glob("*.nir")}
    assert stems == set(LOWERED)


@pytest.mark.parametrize("stem", LOWERED)
def test_lowered_with_every_repair_named(stem):
    network = lower(file(stem), NIR)
    sizes, repairs = LOWERED[stem]
    assert {p.name: p.size for p in network.neurons} == sizes
    assert network.report.codes == repairs
    assert network.report.source == str(file(stem))


@pytest.mark.parametrize("stem", LOWERED)
def test_lowered_without_any_information_each_assumption_is_a_warning(stem):
    network, report = lower_collect(file(stem))
    assert network is not None
    assert {"NMB120", "NMB121", "NMB122"} <= report.codes
    assert set(network.discretisation.assumed) >= {"NMB120", "NMB121", "NMB122"}


def test_recurrence_of_the_braille_network():
    network = lower(file("paper__03_rnn__braille"), NIR)
    assert [(p.name, p.delay, p.nodes) for p in network.projections] == [
        ("input -> lif1.lif", 0, ("fc1",)),
        ("lif1.lif -> lif1.lif", 1, ("lif1.w_rec",)),
        ("lif1.lif -> lif2", 0, ("fc2",)),
    ]
    hidden = network.populations["lif1.lif"]
    assert np.allclose(hidden.decay, 0.9)
    assert np.allclose(hidden.decay_syn, 0.55)
    assert np.allclose(hidden.gain, 1.0)
    assert np.allclose(hidden.gain_syn, 1.0)


def test_the_lif_neuron_of_the_nir_paper_fires_when_the_paper_says():
    """Input and spike times as published with the paper; 1000 steps of 0.1 ms."""
    times = [60, 220, 270, 310, 320, 350, 370, 400, 410, 430, 440, 450, 460, 470, 480, 490, 500]
    times += [510, 520, 530, 670, 680, 690, 700, 710, 720, 730, 740, 750, 760, 770, 780, 840, 850]
    spikes = np.zeros((1000, 1, 1), np.uint8)
    spikes[times] = 1
    layers, _ = run_network(lower(file("paper__lif_norse"), NIR), spikes)
    assert np.flatnonzero(layers["1"]).tolist() == [460, 510, 710, 760]
