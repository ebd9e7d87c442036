"""Gestures seen by an event camera, on the four cores of MorphIC: the published set-up.

An image of 40x40 pixels is dealt out to four sub-images of 20x20 (every second row and column),
one per core. Each core holds a network of 400-210-5 neurons, with weights of 0 and 1 in rows of one
sign (two rows per pixel), trained event by event (`binary_networks`). The output spikes of the four
are added up, and the largest sum names the gesture (E. Ceolini, C. Frenkel et al., Front. Neurosci.
14:637, 2020: 85.2 ± 4.1 % of five hand gestures in 200 ms, 1.906 million synaptic operations,
57.2 uJ, 17.3 ms). Accuracy is that of three-fold cross-validation.

    pip install "nm-backends[torch]" "scikit-learn>=1.4"
    python examples/morphic_gestures.py

The recordings are made up: shapes that move before the camera. With ``--data DIR`` they are your
own: ``DIR/CLASS/*.npy`` or ``*.npz`` with fields ``t`` (microseconds), ``x`` and ``y``.
"""

import argparse
import json
from dataclasses import replace

import binary_networks as binary
import event_data
import numpy as np
import torch

from nm_backends.errors import UserError
from nm_backends.moving_shapes import moving_shapes
from nm_morphic.cost import dynamic_energy, operating_time

SIDE, STEPS, DURATION = 40, 50, 0.2
GESTURES = ("bar left", "bar up", "circle left", "triangle up", "circle growing")
RATE, NOISE = 7000.0, 1000.0  # events per second
# Chosen on recordings of seed 101; nothing was chosen on those reported.
HIDDEN, THRESHOLDS = 210, (7, 2)
TRAINING = binary.Training(epochs=40, temperature=16.0)
EARLIEST = 0.3  # the share of steps after which the sum of scores should be right
MILLISECONDS = (10, 30, 50, 70, 100, 150, 200)
PUBLISHED = {"accuracy": 0.8517, "sops": 1.906e6, "dynamic_uJ": 57.18, "time_ms": 17.3}
FOLDS = 3


def sub_images(side=SIDE):
    """Return the pixels of the four sub-images, int64 ``[4, side * side / 4]``."""
    row, column = np.mgrid[:side, :side]
    phase = (2 * (row % 2) + column % 2).ravel()
    return np.stack([np.flatnonzero(phase == number) for number in range(4)])


def made_up(number, seed):
    """Return recordings of shapes that move, as `event_data.Events`."""
    made = moving_shapes(
        number, seed, classes=GESTURES, size=SIDE, duration=DURATION, rate=RATE, noise=NOISE
    )
    samples = []
    for events in made.samples:
        flat = np.empty(events.size, event_data.EVENT)
        flat["t"], flat["x"] = events["t"], SIDE * events["y"].astype(np.int32) + events["x"]
        samples.append(flat)
    return event_data.Events(samples, made.labels, made.names)


def trained(spikes, labels, classes, epochs, seed):
    """Return the weights of the four branches, trained together on the sum of their scores.

    It should be right at the end, and at some time before.
    """
    torch.manual_seed(seed)
    parts = [spikes[:, :, span] for span in sub_images()]
    sizes = (parts[0].shape[2], HIDDEN, classes)
    branches = [binary.Layers(sizes, THRESHOLDS[0], both=True) for _ in parts]
    events = [binary.events_of(part) for part in parts]
    heard = [part.sum(axis=2, dtype=np.int64).cumsum(axis=0) for part in parts]

    def scores(part, random):
        early = random.integers(int(EARLIEST * STEPS), STEPS, len(part))
        shown = [binary.with_losses(one[:, part], TRAINING.lost, random) for one in events]
        until = zip(branches, shown, (so_far[early, part] for so_far in heard), strict=True)
        last = zip(branches, shown, strict=True)
        return [sum(b(*one) for b, *one in last), sum(b(*one) for b, *one in until)]

    parameters = [weights for branch in branches for weights in branch.parts]
    how = replace(TRAINING, epochs=epochs or TRAINING.epochs)
    binary.train(scores, parameters, labels, how, seed)
    return [branch.held() for branch in branches]


def fold_of(samples):
    """Return the part that each sample is in, classes in equal shares, int64 ``[samples]``."""
    return np.arange(samples) // len(GESTURES) % FOLDS


def run(program, spikes):
    """Return the sums of scores so far, ``[time, batch, classes]``, and the result."""
    images = spikes.reshape(*spikes.shape[:2], SIDE, SIDE)
    result = program.run(images)
    scores = sum(result.layers[f"scores{number}"].astype(np.int64) for number in range(4))
    return scores.cumsum(axis=0), result


def cross_validated(events, seed, epochs=None):
    """Train on two thirds and test on the chip on the other, in turn; return what came of it."""
    spikes = event_data.binned(events, DURATION / STEPS, STEPS, SIDE * SIDE)
    fold, found = fold_of(len(events.labels)), []
    for part in range(FOLDS):
        seen, new = fold != part, fold == part
        weights = trained(spikes[:, seen], events.labels[seen], len(events.names), epochs, seed)
        program = binary.compiled(weights, THRESHOLDS, (SIDE, SIDE), sub_images())
        scores, result = run(program, spikes[:, new])
        right = scores.argmax(axis=2) == events.labels[new]
        found.append(measured(right, result))
    return found


def measured(right, result):
    """Return the accuracy so far after each step, and what a sample costs."""
    sops = float(np.mean(result.counters["sops"]))
    return {
        "accuracy": right.mean(axis=1).tolist(),
        "sops": sops,
        "dynamic_uJ": 1e6 * float(dynamic_energy(sops).value),
        "time_ms": 1e3 * float(operating_time(sops).value),
        "latency_ms": 1e3 * float(np.mean(result.latency.value)),
        "dropped": int(result.counters["dropped"].sum()),
    }


def summary(found, source):
    """Return means over the folds."""
    last = [fold["accuracy"][-1] for fold in found]
    course = np.mean([fold["accuracy"] for fold in found], axis=0)
    costs = ("sops", "dynamic_uJ", "time_ms", "latency_ms")
    return {
        "source": source,
        "accuracy": float(np.mean(last)),
        "sd": float(np.std(last)),
        "course": {
            ms: float(course[ms * STEPS // round(1e3 * DURATION) - 1]) for ms in MILLISECONDS
        },
        "dropped": sum(fold["dropped"] for fold in found),
        **{name: float(np.mean([fold[name] for fold in found])) for name in costs},
    }


def table(found):
    """Return the summary beside the published figures (of other recordings)."""
    head = f"{found['source']}: {100 * found['accuracy']:.1f} ± {100 * found['sd']:.1f} %"
    lines = [f"{head} on the chip", "", "after ms     " + _row(MILLISECONDS, "d")]
    lines.append("accuracy %   " + _row([100 * v for v in found["course"].values()], ".1f"))
    lines += ["", f"{'per sample':24}{'here':>9}{'published':>11}"]
    for name, key, factor in (
        ("million operations", "sops", 1e-6), ("their energy, uJ", "dynamic_uJ", 1),
        ("four cores at once, ms", "time_ms", 1),
    ):  # fmt: skip
        lines.append(f"{name:24}{found[key] * factor:9.3f}{PUBLISHED[key] * factor:11.3f}")
    lines.append(f"{'one event at a time, ms':24}{found['latency_ms']:9.3f}{'-':>11}")
    return "\n".join(lines)


def _row(values, form):
    return "".join(f"{value:7{form}}" for value in values)


def main(line=None):
    """Cross-validate, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", metavar="DIR", help="recordings of your own: DIR/CLASS/*.npy")
    parser.add_argument("--sensor", type=int, nargs=2, default=(40, 40), metavar=("W", "H"),
                        help="pixels of your sensor (default: 40 40)")  # fmt: skip
    parser.add_argument(
        "--samples", type=int, default=600, help="made-up recordings (default: 600)"
    )
    parser.add_argument("--epochs", type=int, help=f"default: {TRAINING.epochs}")
    parser.add_argument("--seed", type=int, default=1, help="default: 1")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(line)
    torch.set_num_threads(1)
    try:
        if options.data:
            events, source = (
                event_data.folder(options.data, options.sensor, side=SIDE),
                options.data,
            )
        else:
            events, source = made_up(options.samples, options.seed), "moving shapes"
    except UserError as error:
        parser.error(f"{error}\n{error.hint}".rstrip())
    found = summary(cross_validated(events, options.seed, options.epochs), source)
    print(json.dumps(found, indent=1) if options.json else table(found))


if __name__ == "__main__":
    main()
