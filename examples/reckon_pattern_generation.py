"""ReckOn learns to draw curves: regression, on the chip.

A clock (groups of inputs that fire one after the other) drives a recurrent layer; two outputs learn
to follow sums of sinusoids over one second, e-prop on all weights, the target given at every step.

    pip install "nm-backends[plot]"
    python examples/reckon_pattern_generation.py --out patterns.png
"""

import argparse
import json
import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from reckon_network import compiled, spread

from nm_backends.files import atomic_write

STEPS, INPUTS, GROUPS, NEURONS, OUTPUTS = 1000, 20, 5, 100, 2
FREQUENCIES = (1.0, 2.0, 3.0)  # Hz
CLOCK = 0.1  # spikes per step of an input whose turn it is
CONSTANTS = (0.03, 0.03, 0.6)  # tau of neurons and outputs in seconds, threshold
GAINS = (1.0, 0.3, 0.3)
REPEATS = 20  # presentations per epoch
# Chosen on seeds from 100 on; the reported ones are 0, 1, ...
RULE = {
    "rate_input": 2.0**-14, "rate_recurrent": 2.0**-14, "rate_output": 2.0**-13,
    "target_rate": 60.0, "strength": 0.1, "halve_every": 3,
}  # fmt: skip


def task(seed):
    """Return the clock's spikes uint8 ``[1000, 1, 20]`` and targets ``[1000, 1, 2]``."""
    random = np.random.default_rng([seed, 5])
    step = np.arange(STEPS)
    turn = step * GROUPS // STEPS == np.arange(INPUTS)[:, None] * GROUPS // INPUTS
    spikes = (random.random((STEPS, INPUTS)) < CLOCK * turn.T).astype(np.uint8)
    curves = np.zeros((STEPS, OUTPUTS))
    for frequency in FREQUENCIES:
        angle = 2 * np.pi * (frequency * step[:, None] * 1e-3 + random.random(OUTPUTS))
        curves += random.uniform(0.5, 1.0, OUTPUTS) * np.sin(angle)
    curves *= 0.8 / np.abs(curves).max(axis=0)
    return spikes[:, None], curves[:, None]


def learn(seed, epochs):
    """Learn one task; return losses, and the outputs before and after."""
    spikes, targets = task(seed)
    program = compiled((INPUTS, NEURONS, OUTPUTS), seed, CONSTANTS, GAINS)
    before = outputs(program, spikes)
    many = [np.repeat(array, REPEATS, axis=1) for array in (spikes, targets)]
    history = program.learn(
        *many, epochs=epochs, options=RULE | {"seed": seed + 1}, validation=(spikes, targets),
        progress=False,
    )  # fmt: skip
    return {
        "seed": seed,
        "loss": history.loss,
        "silence": float(np.mean(targets**2)),
        "spikes": spikes[:, 0],
        "target": targets[:, 0],
        "before": before,
        "after": outputs(program, spikes),
        "raster": program.run(spikes).layers["rec"][:, 0],
    }


def outputs(program, spikes):
    """Return what the outputs do, float64 ``[1000, 2]``."""
    return program.run(spikes).membranes["out"][:, 0]


def summary(runs):
    """Return all results as plain numbers."""
    return {
        "seeds": [run["seed"] for run in runs],
        "before": spread([run["loss"][0] for run in runs]),
        "after": spread([run["loss"][-1] for run in runs]),
        "silence": spread([run["silence"] for run in runs]),
        "loss": [run["loss"].tolist() for run in runs],
    }


def table(results):
    """Return the results as text."""
    lines = ["mean squared error of two outputs over one second", ""]
    for name, text in (
        ("silence", "outputs that stay at zero"), ("before", "before learning"),
        ("after", "after learning"),
    ):  # fmt: skip
        lines.append(f"{text:28}{results[name]['mean']:8.4f} +- {results[name]['sd']:.4f}")
    return "\n".join(lines)


def draw(runs, path):
    """Draw targets and outputs of the first seed, its spikes, and the losses of all."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 7), layout="constrained")
    FigureCanvasAgg(figure)
    grid, run = figure.subplots(2, 2), runs[0]
    for axes, output in zip((grid[0, 0], grid[1, 0]), range(OUTPUTS), strict=True):
        for name, style in (("target", "k--"), ("before", "C7-"), ("after", "C0-")):
            axes.plot(run[name][:, output], style, label=name, linewidth=1.4)
        axes.set(xlabel="time (ms)", ylabel=f"output {output}")
        axes.legend(fontsize="small", ncols=3)
    for name, base, color in (("spikes", 0, "C1"), ("raster", INPUTS, "C2")):
        step, neuron = np.nonzero(run[name])
        grid[0, 1].scatter(step, base + neuron, s=2, color=color, linewidths=0)
    grid[0, 1].axhline(INPUTS - 0.5, color="0.8")
    grid[0, 1].set(xlabel="time (ms)", ylabel=f"{INPUTS} inputs, {NEURONS} neurons")
    for each in runs:
        grid[1, 1].plot(each["loss"], color="C0", alpha=0.6)
    grid[1, 1].axhline(np.mean([r["silence"] for r in runs]), color="0.4", linestyle=":",
                       label="outputs at zero")  # fmt: skip
    grid[1, 1].set(xlabel=f"epoch of {REPEATS} presentations", ylabel="mean squared error",
                   yscale="log")  # fmt: skip
    grid[1, 1].legend(fontsize="small")
    with atomic_write(path) as aside:
        figure.savefig(aside, format="png", dpi=110)


def arguments(line):
    """Return the parsed command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=12, help="of 20 presentations (default: 12)")
    parser.add_argument("--seeds", type=int, default=5, help="tasks and networks (default: 5)")
    parser.add_argument("--out", help="where to draw outputs and losses (PNG)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(line)
    for name in ("epochs", "seeds"):
        if getattr(options, name) < 1:
            parser.error(f"--{name} {getattr(options, name)}: expected 1 or more")
    return options


def main(line=None):
    """Learn with every seed; print the losses, draw the curves."""
    options = arguments(line)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        runs = list(pool.map(lambda seed: learn(seed, options.epochs), range(options.seeds)))
    results = summary(runs)
    print(json.dumps(results, indent=1) if options.json else table(results))
    if options.out:
        draw(runs, options.out)


if __name__ == "__main__":
    main()
