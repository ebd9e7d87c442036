"""Digits on one core of MorphIC in two codes, as published: spikes that are counted, and ranks.

In rate code a pixel fires the more often the brighter it is, and the output that has fired most
names the digit. In rank-order code the brightest pixel fires first, each pixel once, and the first
output spike names the digit: the host then stops sending, so that much less has to be computed.
Weights are 0 and 1 with a sign per row, trained in PyTorch (`binary_networks`).

    pip install "nm-backends[torch]" "scikit-learn>=1.4"
    python examples/morphic_digits_codes.py

Images are scikit-learn's digits as 16x16 pixels, or with ``--mnist DIR`` those of MNIST's four idx
files. The topology of the published network is not known; ours is 256-256-10. Thresholds of the
outputs are chosen on training digits that are held out, the test decides nothing.
"""

import argparse
import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import binary_networks as binary
import digits_data
import numpy as np
import torch

PIXELS, HIDDEN, CLASSES = digits_data.SIZE**2, 256, digits_data.CLASSES
HELD_OUT = 300  # the last of the training digits
STEPS, MOST = 24, 3  # of the rate code: steps, and spikes of a white pixel
SPREAD = 7
BRIGHTEST, PER_STEP = 112, 2  # of the rank-order code
THRESHOLD = 8  # of hidden neurons, in units of weight
OUT_THRESHOLDS = {"rate": (2, 4, 8, 16, 32), "rank": (16, 24, 32, 40, 48)}
TRAINING = binary.Training(epochs=30, rate=0.1, temperature=16.0)
PUBLISHED = {  # MNIST; operations and time follow from energy and power (the reference sheet)
    "rate": {"accuracy": 0.978, "energy_uJ": 205.0, "sops": 3.9e6, "latency_ms": 37.6},
    "rank": {"accuracy": 0.959, "energy_uJ": 21.8, "sops": 418e3, "latency_ms": 4.0},
}


def rate_code(images):
    """Return spikes uint8 ``[time, samples, 256]``: a pixel fires up to `MOST` times, evenly.

    Pixels begin at different times, so that events are spread over the steps.
    """
    number = np.rint(images.reshape(len(images), -1) * (MOST / 255)).astype(int)
    phase = np.arange(PIXELS) * SPREAD % STEPS
    sent = (np.arange(STEPS + 1)[:, None, None] * number + phase) // STEPS
    return np.diff(sent, axis=0).astype(np.uint8)


CODES = {
    "rate": rate_code,
    "rank": partial(digits_data.rank_order, pixels=BRIGHTEST, group=PER_STEP),
}


def counted(result):
    """Return the outputs that fired most, and None: all of a sample counts."""
    return result.layers["scores0"].sum(axis=0, dtype=int).argmax(axis=1), None


def first(result):
    """Return the outputs that fire first (the lowest of those in one step), and in which step."""
    fired = result.layers["scores0"] > 0
    when = np.where(fired.any(axis=0), fired.argmax(axis=0), len(fired))
    return when.argmin(axis=1), when.min(axis=1)


DECIDES = {"rate": counted, "rank": first}


def scores(network, code, heard):
    """Return what training makes large for the right output, ``[batch, 10]``.

    How far an output has ever been up; where the first spike counts, on average over time.
    """
    if code == "rate":
        return network(heard) / 2
    return 2 * network.sums(heard).mean(0)


def trained(code, spikes, labels, epochs, seed):
    """Return the two layers of weights for spikes ``[time, samples, 256]``."""
    torch.manual_seed(seed)
    network = binary.Counters((PIXELS, HIDDEN, CLASSES), THRESHOLD)
    held, how = torch.from_numpy(spikes), replace(TRAINING, epochs=epochs)
    binary.train(
        partial(scores, network, code), network.parameters(), network.keep,
        lambda part: held[:, part].float(), labels, how, seed,
    )  # fmt: skip
    return network.held()


def chosen(code, weights, spikes, labels):
    """Return the program whose output threshold suits digits that are held out, and it."""
    found = []
    for threshold in OUT_THRESHOLDS[code]:
        program = binary.compiled([weights], (THRESHOLD, threshold), (PIXELS,))
        answers, _ = DECIDES[code](program.run(spikes))
        found.append((float(np.mean(answers == labels)), program, threshold))
    return max(found, key=lambda one: one[0])


def tried(code, train, test, epochs, seed):
    """Train for a code, choose the threshold, classify the test digits; return what came of it."""
    spikes, new = CODES[code](train.images), CODES[code](test.images)
    out = min(HELD_OUT, len(train.labels) // 3)
    weights = trained(code, spikes[:, :-out], train.labels[:-out], epochs, seed)
    held_out, program, threshold = chosen(code, weights, spikes[:, -out:], train.labels[-out:])
    result = program.run(new)
    answers, when = DECIDES[code](result)
    if when is not None:  # the host stops after the step that has decided
        result = program.run(new * (np.arange(len(new))[:, None, None] <= when[:, None]))
    return {
        "accuracy": float(np.mean(answers == test.labels)),
        "held_out": held_out,
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
    return "\n".join(lines)


def main(line=None):
    """Train and classify in both codes with every seed; print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mnist", type=Path, metavar="DIR", help="folder of MNIST's idx files")
    parser.add_argument("--samples", type=int, help="learn from the first so many only")
    parser.add_argument("--seeds", type=int, default=2, help="runs (default: 2)")
    parser.add_argument("--epochs", type=int, default=TRAINING.epochs, help="(default: 30)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(line)
    torch.set_num_threads(1)  # the same sums on every machine
    source, parts = digits_data.asked_for(options, parser)
    runs = [
        {code: tried(code, *parts, options.epochs, seed) for code in CODES}
        for seed in range(options.seeds)
    ]
    print(json.dumps(runs, indent=1) if options.json else table(source, runs))


if __name__ == "__main__":
    main()
