"""SPOON tells from an event camera how things move, and learned it from labels alone.

Recordings of bright shapes that move are made up (`nm_backends.moving_shapes`), or N-MNIST's with
``--nmnist DIR``. Of each pixel the chip hears the first event: when it comes is its value, so that
a movement is a slope. Kernels are random and frozen; both dense layers learn by DRTP on the chip,
from one label per recording.

    pip install nm-backends
    python examples/spoon_events.py

The rates were chosen on recordings of other seeds than those that are learned or judged here.
"""

import argparse
from pathlib import Path

import numpy as np

import nm_backends as nmb
from nm_backends.moving_shapes import MOVES, moving_shapes
from nm_spoon.graphs import spoon_graph
from nm_spoon.learning_options import SpoonLearning

CLASSES = MOVES
SIZE = 28
LEARN = nmb.CompileOptions(learn=("hidden", "output"))


def recordings(number, seed):
    """Return events and labels of shapes that move."""
    made = moving_shapes(number, seed, classes=CLASSES, size=SIZE, polarity=False)
    return made.samples, made.labels


def nmnist(directory, part, most):
    """Return events of N-MNIST's files ``part/digit/*.bin``, cut to 28 x 28, and labels.

    An event is five bytes: column, row, then a bit of polarity and 23 of microseconds. The input
    has one polarity, so that bit is left out.
    """
    paths = sorted(Path(directory).glob(f"{part}/[0-9]/*.bin"), key=lambda p: (p.stem, p.parent))
    samples = [_events(path) for path in paths[:most]]
    return samples, np.array([int(path.parent.name) for path in paths[:most]])


def _events(path):
    raw = np.frombuffer(path.read_bytes(), np.uint8).reshape(-1, 5).astype(np.int64)
    found = np.zeros(len(raw), [("t", "i8"), ("x", "i2"), ("y", "i2"), ("p", "?")])
    found["x"], found["y"] = raw[:, 0] - 3, raw[:, 1] - 3
    found["t"] = (raw[:, 2] & 0x7F) << 16 | raw[:, 3] << 8 | raw[:, 4]
    inside = (found["x"] >= 0) & (found["x"] < SIZE) & (found["y"] >= 0) & (found["y"] < SIZE)
    return found[inside]


def untrained(classes, seed):
    """Return a network of random kernels and hidden weights, whose outputs know nothing."""
    random = np.random.default_rng(seed)
    kernels = random.normal(0, 1, (10, 1, 5, 5))
    kernels -= kernels.mean(axis=(2, 3), keepdims=True)
    kernels /= np.abs(kernels).sum(axis=(2, 3), keepdims=True) / 2
    hidden = random.uniform(-1, 1, (128, 360)) / np.sqrt(360)
    return spoon_graph(hidden, np.zeros((classes, 128)), kernels, shape=(1, SIZE, SIZE),
                       signed=True)  # fmt: skip


def main():
    """Make recordings, learn, and print how it went."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--nmnist", metavar="DIR", help="holds Train and Test of N-MNIST")
    parser.add_argument("--train", type=int, default=600)
    parser.add_argument("--test", type=int, default=200)
    parser.add_argument("--passes", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    if chosen.nmnist:
        train, test = (nmnist(chosen.nmnist, *part) for part in
                       (("Train", chosen.train), ("Test", chosen.test)))  # fmt: skip
    else:
        train, test = (recordings(number, 100 + chosen.seed + place) for place, number in
                       enumerate((chosen.train, chosen.test)))  # fmt: skip
    graph = untrained(10 if chosen.nmnist else len(CLASSES), chosen.seed)
    program = nmb.compile(graph, "spoon", options=LEARN, calibrate=train[0][:100])
    rule = SpoonLearning(rate_hidden=7, rate_output=13, slower_every=max(chosen.passes // 3, 1),
                         feedback_seed=chosen.seed, seed=chosen.seed + 1)  # fmt: skip
    history = program.learn(*train, chosen.passes, rule, test, shuffle=chosen.seed)
    print(history)
    result = program.run(test[0])
    counted = result.counters
    print(f"\n{np.mean(counted['events_in']):.0f} first events and "
          f"{np.mean(counted['later_events']):.0f} later ones per recording")  # fmt: skip
    print(f"right: {100 * np.mean(result.prediction == test[1]):.1f} % of {len(test[1])}")
    print(f"energy of a classification: {result.energy}")


if __name__ == "__main__":
    main()
