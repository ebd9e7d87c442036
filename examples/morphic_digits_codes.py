"""Digits on one core of MorphIC in two codes, as published: spikes that are counted, and ranks.

In rate code a pixel fires the more often the brighter it is, and the output that has fired most
names the digit. In rank-order code the brightest pixel fires first, each pixel once, and the first
output spike names the digit: the host then stops sending, so that less has to be computed. If no
output has fired by the last pixel, the host pushes all of them up, one unit at a time, until one
does. Weights are 0 and 1 in rows of one sign (two rows per pixel), trained in PyTorch event by
event (`binary_networks`) on digits that are moved, turned and stretched a little each time.

    pip install "nm-backends[torch]" "scikit-learn>=1.4"
    python examples/morphic_digits_codes.py

Images are scikit-learn's digits as 16x16 pixels, or with ``--mnist DIR`` those of MNIST's four idx
files. The topology of the published network is not known; ours is 256-500-10, as much as one core
holds. A network of that size in floating point is trained on the same images for comparison.
Thresholds of the outputs are chosen on training digits that are held out; then all are trained
with, and the test decides nothing.
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path

import binary_networks as binary
import digits_data
import numpy as np
import torch
from torch.nn import functional

# All settings were chosen on three parts of the training digits, 300 each; never on the test.
PIXELS, HIDDEN, CLASSES = digits_data.SIZE**2, 500, digits_data.CLASSES
RAMP = PIXELS  # the input that pushes all outputs
HELD_OUT = 300  # the last of the training digits
MOST, SPREAD, PHASES = 3, 7, 24  # of the rate code: spikes of a white pixel, and where they begin
BRIGHTEST = 112  # of the rank-order code
THRESHOLD = 8  # of hidden neurons, in units of weight
OUT_THRESHOLDS = {"rate": (1, 2, 4, 8), "rank": (27, 36, 45, 54)}
TRAINING = binary.Training(epochs=80)
EARLIEST = 0.3  # the share of events after which outputs should be right
STRETCH, SHIFT = 0.12, 0.08  # of the images that are trained with, standard deviations
PUBLISHED = {  # MNIST; operations and time follow from energy and power (the reference sheet)
    "rate": {"accuracy": 0.978, "energy_uJ": 205.0, "sops": 3.9e6, "latency_ms": 37.6},
    "rank": {"accuracy": 0.959, "energy_uJ": 21.8, "sops": 418e3, "latency_ms": 4.0},
}


def rate_code(images):
    """Return events int64 ``[events, samples]``: a pixel fires up to `MOST` times, evenly.

    Pixels begin at different times.
    """
    number = np.rint(images.reshape(len(images), -1) * (MOST / 255)).astype(int)
    phase = np.arange(PIXELS) * SPREAD % PHASES / PHASES
    spike = np.arange(MOST)
    when = (spike + phase[:, None]) / np.maximum(number, 1)[:, :, None]
    when = np.where(spike < number[:, :, None], when, np.inf).reshape(len(images), -1)
    order = when.argsort(axis=1, kind="stable")
    there = np.isfinite(np.take_along_axis(when, order, axis=1))
    longest = int(number.sum(axis=1).max(initial=0))
    return np.where(there, order // MOST, binary.NONE)[:, :longest].T


def rank_code(images):
    """Return events int64 ``[events, samples]``: the brightest pixels, each once, in that order."""
    flat = 255 - images.reshape(len(images), -1)
    return flat.argsort(axis=1, kind="stable")[:, :BRIGHTEST].T


CODES = {"rate": rate_code, "rank": rank_code}


def sent(code, images, threshold):
    """Return spikes uint8 ``[time, samples, inputs]``, one event a step, the ramp's at the end."""
    spikes = binary.spikes_of(CODES[code](images), PIXELS + 1)
    if code == "rate":
        return spikes
    pushes = np.zeros((threshold, *spikes.shape[1:]), np.uint8)
    pushes[:, :, RAMP] = 1
    return np.concatenate([spikes, pushes])


def counted(result):
    """Return the outputs that fired most, and None: all of a sample counts."""
    return result.layers["scores0"].sum(axis=0, dtype=int).argmax(axis=1), None


def first(result):
    """Return the outputs that fire first (the lowest of those in one step), and in which step."""
    fired = result.layers["scores0"] > 0
    when = np.where(fired.any(axis=0), fired.argmax(axis=0), len(fired))
    return when.argmin(axis=1), when.min(axis=1)


DECIDES = {"rate": counted, "rank": first}


def moved(images, random):
    """Return images uint8 ``[samples, 16, 16]``, turned, stretched and shifted a little."""
    maps = np.tile(np.eye(2, 3), (len(images), 1, 1))
    maps += random.normal(0, (STRETCH, STRETCH, SHIFT), maps.shape)
    shape, plain = (len(images), 1, *images.shape[1:]), torch.from_numpy(images[:, None]).float()
    grid = functional.affine_grid(torch.from_numpy(maps).float(), shape, align_corners=False)
    found = functional.grid_sample(plain, grid, align_corners=False)
    return found.round().clamp(0, 255).numpy().astype(np.uint8)[:, 0]


def trained(code, images, labels, how, seed):
    """Return the two layers of weights: right outputs are up at the end, and some time before."""
    torch.manual_seed(seed)
    network = binary.Layers((PIXELS, HIDDEN, CLASSES), THRESHOLD, both=True)

    def scores(part, random):
        events = CODES[code](moved(images[part], random))
        events = binary.with_losses(events, how.lost, random)
        early = random.integers(int(EARLIEST * len(events)), len(events), len(part))
        return [network(events), network(events, early)]

    binary.train(scores, list(network.parameters()), labels, how, seed)
    return network.held()


def floating(train, test, how, seed):
    """Return the accuracy of a network of that size in floating point, with the same images."""
    torch.manual_seed(seed)
    network = torch.nn.Sequential(
        torch.nn.Flatten(), torch.nn.Linear(PIXELS, HIDDEN), torch.nn.ReLU(),
        torch.nn.Dropout(0.3), torch.nn.Linear(HIDDEN, CLASSES),
    )  # fmt: skip

    def outputs(images):
        return network(torch.from_numpy(images) / 255)

    def scores(part, random):
        return [outputs(moved(train.images[part], random))]

    how = replace(how, rate=2e-3, temperature=1.0)
    binary.train(scores, list(network.parameters()), train.labels, how, seed)
    network.eval()
    return float(np.mean(outputs(test.images).argmax(1).numpy() == test.labels))


def chosen(code, weights, held_out):
    """Return the output threshold that suits digits that are held out, and the accuracy on them."""
    found = []
    for threshold in OUT_THRESHOLDS[code]:
        result = program(code, weights, threshold).run(sent(code, held_out.images, threshold))
        answers, _ = DECIDES[code](result)
        found.append((threshold, float(np.mean(answers == held_out.labels))))
    return max(found, key=lambda one: one[1])


def program(code, weights, threshold):
    """Return the program of MorphIC for a code and the threshold of its outputs."""
    ramp = RAMP if code == "rank" else None
    return binary.compiled([weights], (THRESHOLD, threshold), (PIXELS + 1,), ramp=ramp)


def tried(code, train, test, how, seed):
    """Choose the threshold, train, classify the test digits on the chip; return what came of it."""
    out = min(HELD_OUT, len(train.labels) // 3)
    seen, held_out = (digits_data.Samples(*(p[cut] for p in train)) for cut in (
        slice(-out), slice(-out, None)))  # fmt: skip
    weights = trained(code, *seen, how, seed)
    threshold, accuracy = chosen(code, weights, held_out)
    chip = program(code, trained(code, *train, how, seed), threshold)
    spikes = sent(code, test.images, threshold)
    result = chip.run(spikes)
    answers, when = DECIDES[code](result)
    if when is not None:  # the host stops after the step that has decided
        result = chip.run(spikes * (np.arange(len(spikes))[:, None, None] <= when[:, None]))
    return {
        "accuracy": float(np.mean(answers == test.labels)),
        "held_out": accuracy,
        "out_threshold": threshold,
        "events_in": float(np.mean(result.counters["events_in"])),
        "sops": float(np.mean(result.counters["sops"])),
        "energy_uJ": 1e6 * float(np.mean(result.energy.value)),
        "latency_ms": 1e3 * float(np.mean(result.latency.value)),
        "dropped": int(np.sum(result.counters["dropped"])),
    }


ROWS = (
    ("accuracy, %", "accuracy", 100, ".1f"), ("thousand operations", "sops", 1e-3, ".0f"),
    ("energy, uJ", "energy_uJ", 1, ".1f"), ("latency, ms", "latency_ms", 1, ".2f"),
)  # fmt: skip


def table(source, runs):
    """Return means over the seeds, beside the published figures."""
    lines = [f"{source}; published: MNIST", ""]
    heads = ("rate", "rank order", "rate, publ.", "rank, publ.")
    lines.append(f"{'per digit':22}" + "".join(f"{head:>15}" for head in heads))
    for name, key, factor, form in ROWS:
        cells = []
        for code in CODES:
            values = factor * np.array([run[code][key] for run in runs])
            spread = f" ± {values.std():.1f}" if key == "accuracy" else ""
            cells.append(f"{values.mean():{form}}{spread}")
        cells += [format(PUBLISHED[code][key] * factor, form) for code in CODES]
        lines.append(f"{name:22}" + "".join(f"{cell:>15}" for cell in cells))
    values = 100 * np.array([run["float"] for run in runs])
    lines += ["", f"floating point, same size: {values.mean():.1f} ± {values.std():.1f} %"]
    return "\n".join(lines)


def main(line=None):
    """Train and classify in both codes with every seed; print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mnist", type=Path, metavar="DIR", help="folder of MNIST's idx files")
    parser.add_argument("--samples", type=int, help="learn from the first so many only")
    parser.add_argument("--seeds", type=int, default=3, help="runs (default: 3)")
    epochs = TRAINING.epochs
    parser.add_argument("--epochs", type=int, default=epochs, help=f"(default: {epochs})")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(line)
    torch.set_num_threads(1)  # the same sums on every machine
    source, parts = digits_data.asked_for(options, parser)
    how = replace(TRAINING, epochs=options.epochs)
    runs = [
        {code: tried(code, *parts, how, seed) for code in CODES}
        | {"float": floating(*parts, how, seed)}
        for seed in range(options.seeds)
    ]
    print(json.dumps(runs, indent=1) if options.json else table(source, runs))


if __name__ == "__main__":
    main()
