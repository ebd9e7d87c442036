"""A 784-256-10 network, too large for one chip, on as few chips as it takes.

Digits (scikit-learn's, enlarged to 28 x 28) are learned by an ordinary perceptron with rectified
units; the same weights then drive integrate-and-fire neurons, whose rates stand for its activities.
Run: python examples/several_chips.py --chip odin
"""

import argparse
from itertools import pairwise

import nir
import numpy as np
from sklearn.datasets import load_digits
from sklearn.neural_network import MLPClassifier

import nm_backends as nmb

STEPS, TRAINED = 16, 1300


def images():
    """Return images ``[samples, 784]`` from 0 to 1, and labels, shuffled."""
    digits = load_digits()
    order = np.random.default_rng(0).permutation(len(digits.target))
    large = np.kron(digits.images / 16, np.ones((1, 4, 4)))[:, 2:30, 2:30]
    return large.reshape(-1, 784)[order], digits.target[order]


def spikes_of(pixels, seed):
    """Return random spikes ``[time, samples, 784]``; a white pixel fires in half of the steps."""
    chance = np.random.default_rng(seed).random((STEPS, *pixels.shape))
    return (chance < pixels / 2).astype(np.uint8)


def spiking(perceptron, pixels):
    """Return the perceptron as a NIR graph of integrate-and-fire neurons."""
    (first, second), (bias, last) = perceptron.coefs_, perceptron.intercepts_
    hidden = np.maximum(pixels @ first + bias, 0)
    most = np.percentile(hidden, 99.5), np.percentile(hidden @ second + last, 99.5)
    nodes = {
        "input": nir.Input({"input": np.array([784])}),
        "fc1": nir.Affine(2 * first.T / most[0], bias / most[0]),
        "hidden": nir.IF(np.ones(256), np.ones(256)),
        "fc2": nir.Affine(second.T * most[0] / most[1], last / most[1]),
        "out": nir.IF(np.ones(10), np.ones(10)),
        "output": nir.Output({"output": np.array([10])}),
    }
    names = list(nodes)
    return nir.NIRGraph(nodes, list(pairwise(names)))


def main(chip, calibration, chips):
    pixels, labels = images()
    perceptron = MLPClassifier((256,), max_iter=30, random_state=0)
    perceptron.fit(pixels[:TRAINED], labels[:TRAINED])
    graph = spiking(perceptron, pixels[:TRAINED])
    rules = nmb.Discretisation(dt=1e-3, reset="zero", spike_cmp=">=", v0="zero", if_gain="r")
    network = nmb.lower(graph, rules)
    given, wanted = spikes_of(pixels[TRAINED:], 1), labels[TRAINED:]
    typical = spikes_of(pixels[:calibration], 2)

    system = nmb.compile(network, chip, calibrate=typical, chips=chips)
    result = system.run(given)
    print(system)
    model = np.mean(nmb.reference(network, given).prediction == wanted)
    print(f"\naccuracy on {len(wanted)} digits that were not learned")
    print(f"perceptron {perceptron.score(pixels[TRAINED:], wanted):.1%}")
    print(f"spiking, float {model:.1%}")
    print(f"{system.chips} x {chip} {np.mean(result.prediction == wanted):.1%}")
    hidden = result.layers["hidden"].sum(axis=(0, 2), dtype=np.int64).mean()
    print(f"\nper digit: {hidden:.0f} spikes of hidden neurons go through the host")
    print(f"{result.counters['events_in'].mean():,.0f} events go into the chips")
    print(f"latency {result.latency}\nenergy {result.energy}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chip", default="odin")
    parser.add_argument("--calibration", type=int, default=16, help="samples to calibrate with")
    parser.add_argument("--chips", default="auto", help="auto, time, or a number")
    given = parser.parse_args()
    chips = int(given.chips) if given.chips.isdecimal() else given.chips
    main(given.chip, given.calibration, chips)
