"""Ten neurons of ODIN learn handwritten digits on the chip, and show what they learned.

The published set-up (Frenkel et al., TBioCAS 2019) at home scale: images of 16x16 pixels in
rank-order code (the brightest pixel fires first, each once), one layer of ten neurons, one
presentation of the training images, SDSP with a teacher. The neuron that fires first names the
digit.

    pip install "nm-backends[plot]" "scikit-learn>=1.4"
    python examples/odin_digits_learning.py --out curve.png

With ``--mnist DIR`` the images are those of MNIST's four idx files in DIR (6,000 to train with, as
published, all 10,000 to test with), otherwise scikit-learn's digits.
"""

import argparse
import hashlib
import json
from pathlib import Path

import digits_data
import nir
import numpy as np

import nm_backends as nmb
from nm_backends.files import atomic_write

CLASSES = digits_data.CLASSES
PIXELS = digits_data.SIZE**2
# Chosen on three parts of the training digits, 300 each, that were held out; never on the test.
BRIGHTEST, PER_STEP = 112, 1
THRESHOLD = 250  # with learning off
RULE = {
    "thetamem": 21, "ca_theta1": 1, "ca_theta2": 2, "ca_theta3": 6, "ca_leak": 7,
    "thr": 153, "leak_str": 2, "excite": 7,
}  # fmt: skip
RANDOM_THRESHOLDS = range(60, 256, 30)


def compiled(weights, threshold=THRESHOLD):
    """Return a program of one layer with weights ``[256, 10]`` of 0..7, which may learn."""
    one = np.ones(CLASSES)
    nodes = {
        "input": nir.Input({"input": np.array([PIXELS])}),
        "fc": nir.Linear(weights.T.astype(float)),
        "digits": nir.IF(r=one, v_threshold=threshold * one),
        "output": nir.Output({"output": np.array([CLASSES])}),
    }
    edges = [("input", "fc"), ("fc", "digits"), ("digits", "output")]
    said = nmb.Discretisation(dt=1e-3, reset="zero", spike_cmp=">=")
    options = nmb.CompileOptions(learn=("fc",))
    return nmb.compile(nir.NIRGraph(nodes, edges), "odin", discretisation=said, options=options)


def accuracy(program, spikes, labels):
    """Return the share of samples whose label fires first (the lowest of those in one step)."""
    fired = program.run(spikes).layers["digits"] > 0
    when = np.where(fired.any(axis=0), fired.argmax(axis=0), len(fired))
    return float(np.mean(when.argmin(axis=1) == labels))


def weights_of(program):
    """Return the stored weights of the layer, uint8 ``[256, 10]``."""
    plastic = program.image.memories["synapse"] >> 3 == 1  # the mapping bit
    return (program.image.memories["synapse"][plastic] & 7).reshape(PIXELS, CLASSES)


def learn(seed, train, test, presentations):
    """Learn from random weights; return the curve, the weights and those of the beginning.

    Parameters
    ----------
    train, test
        Spikes ``[time, samples, 256]`` and labels.
    """
    random = np.random.default_rng(seed)
    start = random.integers(0, 8, (PIXELS, CLASSES))
    program = compiled(start)
    spikes, labels = train
    curve = {0: accuracy(program, *test)}
    for done in range(presentations):
        order = random.permutation(len(labels))
        for part in np.split(order, pauses(len(labels)) if done == 0 else []):
            program.learn(spikes[:, part], labels[part], options=RULE)
            curve[max(curve) + len(part)] = accuracy(program, *test)
    return {
        "seed": seed,
        "curve": curve,
        "once": curve[len(labels)],
        "last": curve[max(curve)],
        "synapses": hashlib.sha256(program.image.memories["synapse"].tobytes()).hexdigest(),
        "weights": weights_of(program),
        "start": start,
    }


def pauses(samples):
    """Return after how many samples of the first presentation the accuracy is measured."""
    return [n for n in (25, 50, 100, 200, 400, 800, 1200, 2400, 4800) if n < samples]


def untrained(weights, train, test):
    """Return the test accuracy of random weights, at the threshold that suits the training set."""
    programs = [compiled(weights, threshold) for threshold in RANDOM_THRESHOLDS]
    return accuracy(max(programs, key=lambda program: accuracy(program, *train)), *test)


def ridge(train, test, penalty=30.0):
    """Return the test accuracy of least squares, offline: float weights of both signs, a bias."""
    (x, labels), (tested, wanted) = (
        (np.c_[spikes.sum(axis=0), np.ones(len(labels))], labels)
        for spikes, labels in (train, test)
    )
    targets = 2.0 * (labels[:, None] == np.arange(CLASSES)) - 1
    weights = np.linalg.solve(x.T @ x + penalty * np.eye(x.shape[1]), x.T @ targets)
    return float(np.mean((tested @ weights).argmax(axis=1) == wanted))


def spread(values):
    """Return mean and standard deviation (0 for a single value)."""
    values = np.asarray(values, float)
    return {"mean": float(values.mean()), "sd": float(values.std(ddof=min(1, len(values) - 1)))}


def summary(source, runs, train, test, presentations):
    """Return all results as plain numbers."""
    points = list(runs[0]["curve"])
    kept = ("seed", "once", "last", "random", "synapses")
    curves = [spread([run["curve"][n] for run in runs]) for n in points]
    return {
        "source": source,
        "train": len(train[1]),
        "test": len(test[1]),
        "presentations": presentations,
        "seeds": [{name: run[name] for name in kept} for run in runs],
        **{name: spread([run[name] for run in runs]) for name in ("once", "last", "random")},
        "chance": 1 / CLASSES,
        "ridge": ridge(train, test),
        "curve": [{"samples": n, **value} for n, value in zip(points, curves, strict=True)],
    }  # fmt: skip


def table(results):
    """Return the results as text."""
    runs, times = results["seeds"], results["presentations"]
    many = times > 1
    head = f"{'seed':8}{'1 presentation':>16}" + f"{f'{times} of them':>14}" * many
    lines = [
        f"{results['source']}: {results['train']:,} digits to learn, {results['test']:,} to test",
        "",
        f"{head}{'random weights':>16}  learned synapses (SHA-256)",
    ]
    for run in runs:
        last = f"{run['last']:14.1%}" * many
        row = f"{run['seed']:<8}{run['once']:16.1%}{last}{run['random']:16.1%}"
        lines.append(f"{row}  {run['synapses'][:16]}")
    for what in ("mean", "sd"):
        once, last, random = (results[name][what] for name in ("once", "last", "random"))
        lines.append(f"{what:8}{once:16.1%}" + f"{last:14.1%}" * many + f"{random:16.1%}")
    return "\n".join(
        [
            *lines, "",
            f"chance {results['chance']:.1%}; offline least squares on the same code, "
            f"float weights: {results['ridge']:.1%}",
        ]
    )  # fmt: skip


def draw(results, run, path):
    """Draw the learning curve, and the weights of the first seed before and after."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 4.6), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subfigures(1, 2, width_ratios=(5, 7))
    draw_curve(left.subplots(), results)
    grid = right.subplots(4, 5)
    for row, name, title in ((0, "start", "before"), (2, "weights", "after")):
        for digit, axes in enumerate(grid[row : row + 2].flat):
            image = run[name][:, digit].reshape(digits_data.SIZE, -1)
            shown = axes.imshow(image, cmap="magma", vmin=0, vmax=7)
            axes.set_title(f"{digit}, {title}", fontsize="small")
            axes.set_axis_off()
    right.colorbar(shown, ax=grid, label="stored weight", shrink=0.6)
    with atomic_write(path) as aside:
        figure.savefig(aside, format="png", dpi=110)


def draw_curve(axes, results):
    """Draw accuracy over the samples learned: mean and spread over the seeds."""
    samples, mean, sd = (
        np.array([point[name] for point in results["curve"]]) for name in ("samples", "mean", "sd")
    )
    count = len(results["seeds"])
    axes.plot(samples, 100 * mean, marker="o", markersize=4, label=f"SDSP, mean of {count} seeds")
    axes.fill_between(
        samples, 100 * (mean - sd), 100 * (mean + sd), alpha=0.25, label="standard deviation"
    )
    lines = (("random weights", results["random"]["mean"], "--"), ("chance", 0.1, ":"),
             ("offline least squares", results["ridge"], "-."))  # fmt: skip
    for name, level, style in lines:
        axes.axhline(100 * level, color="0.4", linestyle=style, label=name)
    axes.axvline(results["train"], color="0.8", zorder=0)
    axes.annotate("one presentation", (results["train"], 3), rotation=90, fontsize="small",
                  ha="right", color="0.5")  # fmt: skip
    axes.set_xscale("symlog", linthresh=25)
    axes.set(xlabel="samples learned", ylabel="test accuracy (%)", xlim=(0, None), ylim=(0, 100))
    axes.set_title(results["source"], fontsize="medium")
    axes.legend(loc=(0.02, 0.5), fontsize="small")


def arguments(line):
    """Return the parsed command line, and the parser."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mnist", type=Path, metavar="DIR", help="folder of MNIST's idx files")
    parser.add_argument("--seeds", type=int, default=5, help="runs (default: 5)")
    parser.add_argument("--epochs", type=int, default=3, help="presentations (default: 3)")
    parser.add_argument("--samples", type=int, help="learn from the first so many only")
    parser.add_argument("--out", type=Path, help="where to draw the learning curve (PNG)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(line)
    for name in ("seeds", "epochs", "samples"):
        value = getattr(options, name)
        if value is not None and value < 1:
            parser.error(f"--{name} {value}: expected 1 or more")
    return options, parser


def main(line=None):
    """Learn with every seed; print the table, draw the curve."""
    options, parser = arguments(line)
    source, parts = digits_data.asked_for(options, parser)
    train, test = (
        (digits_data.rank_order(part.images, BRIGHTEST, PER_STEP), part.labels) for part in parts
    )
    runs = [learn(seed, train, test, options.epochs) for seed in range(options.seeds)]
    for run in runs:
        run["random"] = untrained(run["start"], train, test)
    results = summary(source, runs, train, test, options.epochs)
    print(json.dumps(results, indent=1) if options.json else table(results))
    if options.out:
        draw(results, runs[0], options.out)


if __name__ == "__main__":
    main()
