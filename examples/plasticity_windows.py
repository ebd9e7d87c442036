"""When do STDP and ODIN's SDSP change a synapse, and what must the chip remember for it?

Both rules see the same spikes. STDP compares when the input and the neuron fired; it is a reference
in floating point. SDSP is ODIN's own, executed bit for bit: at a spike of the input the weight
grows by 1 where the membrane is at least ``thetamem`` and ``ca_theta1 <= Ca < ca_theta3``, and
shrinks by 1 where the membrane is below and ``ca_theta1 <= Ca < ca_theta2`` (``sdsp_update.v`` of
ChFrenkel/ODIN). `plasticity_rules` has the rules, their sources and how the spikes are forced.

* Pairs: three, 100 ms apart, calcium held at one level. Averaged over the charging time before
  each forced spike (10 to 50 ms) and the first weight (3 or 4, so that 0 and 7 are never passed).
* Rates: one second of Poisson spikes of the input, those of the neuron begin 2 s before. Averaged
  over the trains, the first weight, and calcium and its counter 2 s before.

    pip install "nm-backends[plot]"
    python examples/plasticity_windows.py --out windows.png
"""

import argparse
import json
from pathlib import Path

import numpy as np
from plasticity_rules import A_MINUS, A_PLUS, NEURON, TAU, TICK, TRACE_BITS, memory, rates, windows

from nm_backends.files import atomic_write

STYLES = (  # of the regions: colour, line, what happens there
    ("0.5", ":", "no change"), ("C3", "-", "up or down"), ("C2", "-", "only up"),
    ("C1", "--", "stop"),
)  # fmt: skip
INPUTS = ("#7fb8e0", "#2f7ebc", "#08306b")  # by rate


def results(seed, repeats):
    """Return all that is printed and drawn, as plain numbers."""
    return {
        "seed": seed,
        "stdp": {"a_plus": A_PLUS, "a_minus": A_MINUS, "tau_ms": TAU},
        "sdsp": {**NEURON, "time_reference_ms": TICK},
        "window": windows(seed, repeats),
        "rates": rates(seed, repeats),
        "memory": [dict(zip(("what", "stdp", "sdsp"), row, strict=True)) for row in memory()],
    }


def table(found):
    """Return the results as text: changes in percent of the largest weight."""
    window, rate = found["window"], found["rates"]
    lines = [
        f"change per pair, % of the largest weight (SDSP: mean of {window['pairs']} pairs)",
        f"{'post - pre':>12}{'STDP':>9}   SDSP, calcium",
        f"{'ms':>12}{'':9}" + "".join(f"{name:>19}" for name in window["sdsp"]),
    ]
    for k in range(0, len(window["interval_ms"]), 4):
        values = "".join(f"{100 * change[k]:19.1f}" for change in window["sdsp"].values())
        lines.append(f"{window['interval_ms'][k]:12}{100 * window['stdp'][k]:9.3f}{values}")
    lines += ["", f"change in {rate['seconds']:g} s of Poisson spikes, % (mean of "
              f"{rate['trials']} synapses)"]  # fmt: skip
    heads = [f"{rule} {c['pre_hz']} Hz" for rule in ("STDP", "SDSP") for c in rate["curves"]]
    lines.append(f"{'post Hz':>12}" + "".join(f"{head:>13}" for head in heads))
    for k, post in enumerate(rate["post_hz"]):
        values = (100 * c[rule][k] for rule in ("stdp", "sdsp") for c in rate["curves"])
        lines.append(f"{post:12}" + "".join(f"{value:13.2f}" for value in values))
    lines += ["", f"{'what must be remembered, and touched':50}{'STDP':>11}{'SDSP':>11}"]
    return "\n".join(lines + [f"{row[0]:50}{row[1]:>11}{row[2]:>11}" for row in shown(found)])


def shown(found):
    """Return the rows of the memory table as text."""
    rows = ([row["what"], row["stdp"], row["sdsp"]] for row in found["memory"])
    return [[what, *("-" if n is None else f"{n:,}" for n in numbers)] for what, *numbers in rows]


def draw(found, path):
    """Draw windows, rates and memory: STDP on the left, SDSP on the right."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 11.5), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplot_mosaic(
        [
            ["pair_stdp", "pair_sdsp"],
            ["rate_stdp", "rate_sdsp"],
            ["rate_stdp", "calcium"],
            ["table", "table"],
        ],
        height_ratios=(4, 3, 1.3, 3.4),
    )
    draw_windows(grid["pair_stdp"], grid["pair_sdsp"], found["window"])
    draw_rates(grid["rate_stdp"], grid["rate_sdsp"], found["rates"])
    draw_calcium(grid["calcium"], found["rates"])
    draw_memory(grid["table"], shown(found))
    with atomic_write(path) as aside:
        figure.savefig(aside, format="png", dpi=100)


def draw_windows(left, right, window):
    """Draw the change per pair over the interval."""
    interval = np.array(window["interval_ms"])
    left.plot(interval, 100 * np.array(window["stdp"]), "o", markersize=4,
              label="pairs 100 ms apart, all counted")  # fmt: skip
    formula = 100 * np.array(window["stdp_one_pair"])
    for side, label in ((interval < 0, "one pair: the formula"), (interval > 0, None)):
        left.plot(interval[side], formula[side], color="0.5", label=label)
    for (name, change), (color, style, does) in zip(window["sdsp"].items(), STYLES, strict=True):
        right.plot(interval, 100 * np.array(change), style, color=color,
                   label=f"calcium {greek(name)}: {does}")  # fmt: skip
    left.set_title("STDP: which of the two fired first, and how long before?")
    right.set_title("SDSP: is the neuron charged to fire, and how active is it?")
    left.set_ylabel("weight change per pair\n(% of the largest weight)")
    right.set_ylim(-18, 36)
    place = right.get_yaxis_transform()  # x as a share of the width
    right.text(0.06, -12.5, "one step of the 3-bit weight down", fontsize="small", color="C3",
               transform=place)  # fmt: skip
    for x, text in (
        (0.25, "the neuron has fired:\nmembrane below thetamem"),
        (0.75, "the neuron is charging:\nmembrane soon above"),
    ):
        right.text(x, 30, text, fontsize="small", color="0.4", ha="center", va="center",
                   transform=place)  # fmt: skip
    for axes in (left, right):
        axes.set_xlabel("post spike minus pre spike (ms)")
        axes.axvline(0, color="0.8", zorder=0)
    finish(left, right)


def draw_rates(left, right, rate):
    """Draw the change over the rate of the neuron, and where its calcium lies."""
    for k, curve in enumerate(rate["curves"]):
        label, color = f"input {curve['pre_hz']} Hz", INPUTS[k]
        for axes, rule in ((left, "stdp"), (right, "sdsp")):
            mean, error = (100 * np.array(curve[name]) for name in (rule, f"{rule}_error"))
            style = "o" if rule == "stdp" else "o-"
            axes.errorbar(rate["post_hz"], mean, error, fmt=style, color=color, markersize=4,
                          label=label)  # fmt: skip
        left.plot(rate["post_hz"], 100 * np.array(curve["stdp_expected"]), color=color)
    left.set_title("STDP: without timing a slow decay, whatever the rates")
    right.set_title("SDSP: the neuron's rate decides between down, up and stop")
    left.set_ylabel(f"weight change in {rate['seconds']:g} s\n(% of the largest weight)")
    left.set_xlabel("rate of the neuron, Poisson spikes (Hz)")
    for axes in (left, right):
        over_rates(axes, rate)
    finish(left, right)


def draw_calcium(axes, rate):
    """Draw how often calcium lies between which thresholds."""
    values, styles = rate["calcium"], zip(rate["calcium"], STYLES, strict=True)
    axes.stackplot(
        rate["post_hz"], 100 * np.array(list(values.values())), alpha=0.5,
        colors=[style[0] for style in STYLES],
        labels=[f"{greek(name)}: {does}" for name, (_, _, does) in styles],
    )  # fmt: skip
    axes.set(ylim=(0, 100), ylabel="calcium is\nthere (%)")
    axes.set_xlabel("rate of the neuron, Poisson spikes (Hz)")
    over_rates(axes, rate)
    axes.legend(fontsize="x-small", loc="lower left")


def over_rates(axes, rate):
    """Set the axis of rates."""
    axes.set(xscale="log", xlim=(rate["post_hz"][0] / 1.1, rate["post_hz"][-1] * 1.1))
    axes.set_xticks([1, 2, 5, 10, 20, 50, 100], ["1", "2", "5", "10", "20", "50", "100"])


def greek(name):
    """Return the name of a region with the letter theta."""
    return name.replace("theta", "θ")


def finish(*all_axes):
    """Give axes a zero line and a legend."""
    for axes in all_axes:
        axes.axhline(0, color="0.8", zorder=0)
        axes.legend(fontsize="small", loc="best")


def draw_memory(axes, rows):
    """Draw the table of memory."""
    axes.set_axis_off()
    axes.set_title("What must be remembered and touched? 256 neurons, 256 x 256 synapses")
    cells = axes.table(
        rows, colLabels=("", "STDP, counted at best", "SDSP, as on ODIN"),
        colWidths=(0.42, 0.22, 0.22), bbox=(0.08, 0.1, 0.84, 0.9),
    )  # fmt: skip
    cells.set_in_layout(False)  # its place is given
    cells.auto_set_font_size(False)
    cells.set_fontsize(11)
    for (row, column), cell in cells.get_celld().items():
        cell.set_edgecolor("0.8")
        cell.get_text().set_horizontalalignment("left" if column == 0 else "center")
        cell.PAD = 0.03
        if row in (0, len(rows)):
            cell.get_text().set_fontweight("bold")
    axes.text(
        0.5, 0, f"STDP counted at its best: two traces of {TRACE_BITS} bits per neuron (as a "
        f"sender, as a receiver), steps no larger than {A_PLUS:.1%} of the weight's range",
        ha="center", va="bottom", fontsize="small", transform=axes.transAxes,
    )  # fmt: skip


def main(line=None):
    """Run both rules; print the tables, draw the figure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0, help="of all random draws (default: 0)")
    parser.add_argument("--repeats", type=int, default=2, help="chips per point (default: 2)")
    parser.add_argument("--out", type=Path, help="where to draw the figure (PNG)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(line)
    for name, least in (("seed", 0), ("repeats", 1)):
        if getattr(options, name) < least:
            parser.error(f"--{name} {getattr(options, name)}: expected {least} or more")
    if options.out and options.out.is_dir():
        parser.error(f"--out {options.out}: is a folder, expected a file")
    if options.out and not options.out.parent.is_dir():
        parser.error(f"--out {options.out}: there is no folder {options.out.parent}")
    found = results(options.seed, options.repeats)
    print(json.dumps(found, indent=1) if options.json else table(found))
    if options.out:
        draw(found, options.out)


if __name__ == "__main__":
    main()
