"""ReckOn learns the delayed-supervision navigation task on the chip, from scratch.

A mouse sees seven cues on either side of a corridor and must tell, a second later, which side had
more of them (cue accumulation, the task on which ReckOn was published). 40 inputs, 100 recurrent
neurons, 2 outputs; random weights; e-prop on all of them, with labels in the last 150 ms only.

    pip install "nm-backends[plot]"
    python examples/reckon_cue_accumulation.py --out cues.png

With ``--published --data DIR`` it runs the test bench of the public release instead, on its own
files in DIR (ChFrenkel/ReckOn, ``src/data``), and compares the counts of correct samples.
"""

import argparse
import hashlib
import json
import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from reckon_network import compiled, spread

from nm_backends.errors import UserError
from nm_backends.files import atomic_write
from nm_reckon import cue_accumulation, test_bench
from nm_reckon.cue_accumulation import WINDOW

SIZES = (cue_accumulation.INPUTS, 100, 2)
# Chosen on seeds from 100 on, never on the reported ones (0, 1, ...); see guide/learning.md.
CONSTANTS = (4.1, 0.0427, 0.6)  # time constants of neurons and outputs in seconds, threshold
GAINS = (0.7, 0.1, 0.5)
RULE = {
    "window": WINDOW, "rate_input": 2.0**-17, "rate_recurrent": 2.0**-17, "rate_output": 2.0**-11,
    "target_rate": 3.66, "halve_every": 1,
}  # fmt: skip
SILICON = 0.964  # Frenkel and Indiveri, ISSCC 2022
PUBLISHED = (
    (32, 46, 47, 46, 48, 47, 49, 48, 48, 50),
    (45, 49, 49, 50, 50, 50, 47, 49, 49, 49),
)  # correct of 50 training and 50 test samples, epoch by epoch, of the RTL


def learn(seed, samples, test, epochs):
    """Learn from random weights; return accuracies on fresh samples, before and after each epoch.

    Parameters
    ----------
    samples, test
        How many to learn from, and how many others to judge with.
    """
    train = cue_accumulation.generate(samples, [seed, 1])
    fresh = cue_accumulation.generate(test, [seed, 2])
    program = compiled(SIZES, seed, CONSTANTS, GAINS, votes=WINDOW)
    history = program.learn(
        train.spikes, train.labels, epochs=epochs, options=RULE | {"seed": seed + 1}, shuffle=seed,
        validation=(fresh.spikes, fresh.labels), progress=False,
    )  # fmt: skip
    held = b"".join(memory.tobytes() for _, memory in sorted(program.image.memories.items()))
    return {
        "seed": seed,
        "curve": history.accuracy.tolist(),
        "accuracy": float(history.accuracy[-1]),
        "memories": hashlib.sha256(held).hexdigest(),
    }


def summary(runs, options):
    """Return all results as plain numbers."""
    return {
        "train": options.train,
        "epochs": options.epochs,
        "test": options.test,
        "seeds": runs,
        "accuracy": spread([run["accuracy"] for run in runs]),
        "curve": [spread(values) for values in zip(*(run["curve"] for run in runs), strict=True)],
        "silicon": SILICON,
    }


def table(results):
    """Return the results as text."""
    head = (
        f"cue accumulation: {results['train']:,} samples to learn, {results['epochs']} epochs, "
        f"{results['test']:,} fresh samples to test"
    )
    lines = [head, "", f"{'seed':6}{'before':>9}{'after':>9}  memories (SHA-256)"]
    for run in results["seeds"]:
        before, after = run["curve"][0], run["accuracy"]
        lines.append(f"{run['seed']:<6}{before:9.1%}{after:9.1%}  {run['memories'][:16]}")
    mean = results["accuracy"]
    lines.append(f"{'mean':6}{results['curve'][0]['mean']:9.1%}{mean['mean']:9.1%}")
    lines.append(f"{'sd':6}{results['curve'][0]['sd']:9.1%}{mean['sd']:9.1%}")
    return "\n".join([*lines, "", f"published, silicon: {results['silicon']:.1%}"])


def draw(results, path):
    """Draw a sample of the task, and the learning curve."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 4.4), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    draw_task(left, cue_accumulation.generate(1, 0))
    draw_curve(right, results)
    with atomic_write(path) as aside:
        figure.savefig(aside, format="png", dpi=110)


def draw_task(axes, data):
    """Draw the spikes of one sample, group by group."""
    step, channel = np.nonzero(data.spikes[:, 0])
    for group, (name, color) in enumerate(
        (("side A", "C0"), ("side B", "C3"), ("recall", "C2"), ("background", "0.5"))
    ):
        here = channel // 10 == group
        axes.scatter(step[here], channel[here], s=4, color=color, linewidths=0)
        axes.text(2290, 10 * group + 4.5, name, color=color, va="center", fontsize="small")
    axes.axvspan(cue_accumulation.STEPS - WINDOW, cue_accumulation.STEPS, color="C2", alpha=0.12)
    side = "B" if data.labels[0] else "A"
    axes.set(xlabel="time (ms)", ylabel="input", xlim=(0, 2700), ylim=(-1, 40))
    axes.set_title(f"one sample: {data.sides.sum()} of 7 cues on side B, answer {side}",
                   fontsize="medium")  # fmt: skip


def draw_curve(axes, results):
    """Draw accuracy over the samples learned: each seed, their mean, and the silicon's."""
    learned = results["train"] * np.arange(results["epochs"] + 1)
    for run in results["seeds"]:
        axes.plot(learned, 100 * np.array(run["curve"]), color="0.75", linewidth=1)
    mean, sd = (np.array([100 * p[name] for p in results["curve"]]) for name in ("mean", "sd"))
    axes.errorbar(learned, mean, sd, marker="o", capsize=3, color="C0",
                  label=f"mean of {len(results['seeds'])} seeds, standard deviation")  # fmt: skip
    axes.axhline(100 * SILICON, color="C3", linestyle="--", label="published, silicon (96.4 %)")
    axes.axhline(50, color="0.4", linestyle=":", label="chance")
    axes.set(xlabel="samples learned", ylabel="accuracy on fresh samples (%)", ylim=(0, 101))
    axes.legend(fontsize="small", loc="lower right")


def published(directory, epochs):
    """Return the counts of the public test bench, run on its own files, and those of the RTL."""
    found = list(zip(*test_bench.run(directory, epochs), strict=True))
    wanted = [list(counts[:epochs]) for counts in PUBLISHED]
    counted = {"train": list(found[0]), "test": list(found[1])}
    same = wanted == [counted["train"], counted["test"]]
    return {"epochs": epochs, **counted, "rtl_train": wanted[0], "rtl_test": wanted[1],
            "same": same}  # fmt: skip


def counts_table(results):
    """Return the counts as text."""
    lines = ["public test bench: correct of 50 samples, epoch by epoch", ""]
    for name in ("train", "test"):
        for prefix, who in (("", "here"), ("rtl_", "RTL")):
            counts = " ".join(f"{count:3}" for count in results[prefix + name])
            lines.append(f"{name:6}{who:5}{counts}")
    return "\n".join([*lines, "", "the same" if results["same"] else "NOT THE SAME"])


def arguments(line):
    """Return the parsed command line, and the parser."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--train", type=int, default=2000, help="samples to learn (default: 2000)")
    parser.add_argument("--epochs", type=int, help="passes (default: 4; 10 with --published)")
    parser.add_argument("--test", type=int, default=500, help="fresh samples (default: 500)")
    parser.add_argument("--seeds", type=int, default=5, help="runs (default: 5)")
    parser.add_argument("--first", type=int, default=0, help="first seed (default: 0)")
    parser.add_argument("--published", action="store_true", help="run the public test bench")
    parser.add_argument("--data", metavar="DIR", help="files of the public release")
    parser.add_argument("--out", help="where to draw the task and the learning curve (PNG)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(line)
    if options.epochs is None:
        options.epochs = 10 if options.published else 4
    for name in ("train", "epochs", "test", "seeds"):
        if getattr(options, name) < 1:
            parser.error(f"--{name} {getattr(options, name)}: expected 1 or more")
    if options.published and not options.data:
        parser.error("--published: needs --data DIR, the files of ChFrenkel/ReckOn, src/data")
    if options.published and options.epochs > len(PUBLISHED[0]):
        parser.error(f"--epochs {options.epochs}: {len(PUBLISHED[0])} are published")
    return options, parser


def main(line=None):
    """Learn with every seed; print the table, draw the curve."""
    options, parser = arguments(line)
    if options.published:
        try:
            results = published(options.data, options.epochs)
        except UserError as error:
            parser.error(f"{error}\n{error.hint}".rstrip())
        print(json.dumps(results, indent=1) if options.json else counts_table(results))
        return
    seeds = range(options.first, options.first + options.seeds)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        each = (options.train, options.test, options.epochs)
        order = list(pool.map(lambda seed: learn(seed, *each), seeds))
    results = summary(order, options)
    print(json.dumps(results, indent=1) if options.json else table(results))
    if options.out:
        draw(results, options.out)


if __name__ == "__main__":
    main()
