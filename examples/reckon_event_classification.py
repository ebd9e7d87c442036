"""ReckOn learns to tell event recordings apart, on the chip, from labels alone.

256 inputs, one recurrent layer, one output per class, e-prop on all weights. Without data, made-up
gestures of a 16x16 event sensor: a bar that moves in four directions, one that turns either way, a
ring that grows or shrinks, each with its own speed, place, jitter and noise.

    pip install "nm-backends[plot]"
    python examples/reckon_event_classification.py --out gestures.png

``--shd shd_train.h5`` reads Spiking Heidelberg Digits (700 units become 256, English digits),
``--events DIR`` a folder of event files such as DVS Gesture's (DIR/CLASS/*.npy, see
``event_data.folder``).
"""

import argparse
import json
import os
from concurrent.futures import ThreadPoolExecutor

import event_data
import numpy as np
from reckon_network import compiled, spread

from nm_backends.errors import UserError
from nm_backends.files import atomic_write

NEURONS = 100
TAU, TAU_OUT, THRESHOLD = 0.1, 0.05, 0.6  # seconds, seconds, membrane
GAINS = (0.4, 0.3, 0.5)
# Chosen on gestures of seeds that are used nowhere else.
RULE = {
    "rate_input": 2.0**-14, "rate_recurrent": 2.0**-14, "rate_output": 2.0**-9,
    "target_rate": 40.0, "halve_every": 4,
}  # fmt: skip
STEP, STEPS = 3e-3, 100


def learn(seed, train, test, epochs, trained=True):
    """Return accuracies before learning and after each epoch, and the program.

    Parameters
    ----------
    train, test
        Spikes uint8 ``[steps, batch, 256]`` and labels.
    trained
        Whether all weights learn, or the output's only.
    """
    layers = ("w_in", "w_rec", "w_out") if trained else ("w_out",)
    sizes = (event_data.CHANNELS, NEURONS, int(train[1].max()) + 1)
    program = compiled(
        sizes, seed, (TAU, TAU_OUT, THRESHOLD), GAINS, learn=layers, dt=STEP,
        votes=train[0].shape[0] // 2,
    )  # fmt: skip
    rule = RULE | {"window": train[0].shape[0] // 2, "seed": seed + 1}
    history = program.learn(
        *train, epochs=epochs, options=rule, validation=test, shuffle=seed, progress=False
    )
    return history.accuracy, program


def confusion(program, spikes, labels):
    """Return how often each class was taken for each, int64 ``[class, said]``."""
    said = program.run(spikes).metadata["label"]
    table = np.zeros((int(labels.max()) + 1,) * 2, np.int64)
    np.add.at(table, (labels, np.minimum(said, len(table) - 1)), 1)
    return table


def split(events, seed, share=0.25):
    """Return two parts of samples, a share of each class in the second."""
    random, second = np.random.default_rng(seed), []
    for label in range(len(events.names)):
        of = random.permutation(np.flatnonzero(events.labels == label))
        second += of[: max(1, round(share * of.size))].tolist()
    rest = np.setdiff1d(np.arange(events.labels.size), second)
    return events.part(random.permutation(rest)), events.part(np.sort(second))


def loaded(options):
    """Return events to learn from, events to test with, and where they come from."""
    if options.shd:
        return *split(event_data.shd(options.shd, limit=options.train), 0), str(options.shd)
    if options.events:
        return *split(event_data.folder(options.events, limit=options.train), 0), options.events
    made = event_data.gestures(options.train, 1), event_data.gestures(options.test, 2)
    return *made, "made-up gestures"


def summary(source, train, test, all_runs, readouts):
    """Return all results as plain numbers."""
    curves = np.array([curve for curve, _ in all_runs])
    fixed = np.array([curve for curve, _ in readouts])
    return {
        "source": source,
        "classes": list(test.names),
        "train": int(train.labels.size),
        "test": int(test.labels.size),
        "chance": float(np.bincount(test.labels).max() / test.labels.size),
        "untrained": spread(curves[:, 0]),
        "readout_only": spread(fixed[:, -1]),
        "learned": spread(curves[:, -1]),
        "curve": [spread(values) for values in curves.T],
        "curve_readout_only": [spread(values) for values in fixed.T],
    }


def table(results):
    """Return the results as text."""
    head = (
        f"{results['source']}: {len(results['classes'])} classes, {results['train']} samples to "
        f"learn, {results['test']} to test"
    )
    rows = [("chance", {"mean": results["chance"], "sd": 0.0})]
    rows += [
        ("nothing learned", results["untrained"]),
        ("output weights learned", results["readout_only"]),
        ("all weights learned", results["learned"]),
    ]
    return "\n".join(
        [head, "", *(f"{name:24}{v['mean']:8.1%} +- {v['sd']:.1%}" for name, v in rows)]
    )


def draw(results, spikes, labels, counts, path):
    """Draw a sample of each class, the learning curves and the confusions."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 7.2), layout="constrained")
    FigureCanvasAgg(figure)
    above, below = figure.subfigures(2, 1, height_ratios=(2, 3))
    names = results["classes"]
    for axes, label in zip(above.subplots(1, len(names)), range(len(names)), strict=True):
        seen = spikes[:, np.flatnonzero(labels == label)[0]]
        draw_sample(axes, seen, names[label])
    left, right = below.subplots(1, 2)
    draw_curves(left, results)
    shown = right.imshow(counts / counts.sum(axis=1, keepdims=True), cmap="Blues", vmin=0, vmax=1)
    right.set_xticks(range(len(names)), names, rotation=45, ha="right", fontsize="small")
    right.set_yticks(range(len(names)), names, fontsize="small")
    right.set(xlabel="the chip says", ylabel="class", title="test samples, first seed")
    below.colorbar(shown, ax=right, label="share")
    with atomic_write(path) as aside:
        figure.savefig(aside, format="png", dpi=110)


def draw_sample(axes, spikes, name):
    """Draw when each channel was last active, on the sensor."""
    when = np.where(spikes.any(axis=0), len(spikes) - 1 - spikes[::-1].argmax(axis=0), np.nan)
    axes.imshow(when.reshape(event_data.SIDE, -1), cmap="viridis", vmin=0, vmax=len(spikes))
    axes.set_title(name, fontsize="small")
    axes.set_axis_off()


def draw_curves(axes, results):
    """Draw accuracy over epochs: mean and spread over the seeds."""
    for name, text in (("curve", "all weights"), ("curve_readout_only", "output weights only")):
        mean, sd = (np.array([100 * point[k] for point in results[name]]) for k in ("mean", "sd"))
        axes.plot(mean, marker="o", label=text)
        axes.fill_between(np.arange(mean.size), mean - sd, mean + sd, alpha=0.25)
    axes.axhline(100 * results["chance"], color="0.4", linestyle=":", label="chance")
    axes.set(xlabel="epoch (0: before learning)", ylabel="test accuracy (%)", ylim=(0, 100))
    axes.legend(fontsize="small")


def arguments(line):
    """Return the parsed command line, and the parser."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shd", metavar="FILE", help="shd_train.h5 of Spiking Heidelberg Digits")
    parser.add_argument("--events", metavar="DIR", help="folder of event files, one per class")
    parser.add_argument("--train", type=int, default=400, help="samples to learn (default: 400)")
    parser.add_argument("--test", type=int, default=200, help="samples to test (default: 200)")
    parser.add_argument("--epochs", type=int, default=12, help="passes (default: 12)")
    parser.add_argument("--seeds", type=int, default=5, help="runs (default: 5)")
    parser.add_argument("--out", help="where to draw what was learned (PNG)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(line)
    for name in ("train", "test", "epochs", "seeds"):
        if getattr(options, name) < 1:
            parser.error(f"--{name} {getattr(options, name)}: expected 1 or more")
    return options, parser


def main(line=None):
    """Learn with every seed, all weights and output weights only; print and draw."""
    options, parser = arguments(line)
    try:
        train, test, source = loaded(options)
    except UserError as error:
        parser.error(f"{error}\n{error.hint}".rstrip())
    parts = [(event_data.binned(part, STEP, STEPS), part.labels) for part in (train, test)]
    jobs = [(seed, *parts, options.epochs, trained) for trained in (True, False)
            for seed in range(options.seeds)]  # fmt: skip
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        runs = list(pool.map(lambda job: learn(*job), jobs))
    results = summary(source, train, test, runs[: options.seeds], runs[options.seeds :])
    print(json.dumps(results, indent=1) if options.json else table(results))
    if options.out:
        counts = confusion(runs[0][1], *parts[1])
        draw(results, *parts[1], counts, options.out)


if __name__ == "__main__":
    main()
